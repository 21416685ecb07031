"""vitreous train"""

from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

from vitreous.cli.parser import Completed
from vitreous.errors import RunError, did_you_mean

COMMON = ("slots", "slot_dim", "iterations", "mask_temperature", "diversity", "loss")  # of most methods
OF_THE_PARSER = ("help", "config", "print_config")


def train(
    store: Path,
    out: Path = Path("run"),
    method: str = "dinosaur",
    slots: int | None = None,
    slot_dim: int | None = None,
    iterations: int | None = None,
    mask_temperature: float | None = None,
    diversity: float | None = None,
    loss: str | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 16,
    lr: float = 1e-4,
    lr_rule: Literal["sqrt", "linear", "none"] = "sqrt",
    warm_up: float = 0.05,
    half_life: float = 0.0,
    weight_decay: float = 0.0,
    clip: float = 1.0,
    ema: float = 0.0,
    frames: int = 1,
    seed: int = 0,
    standardise: Literal["dataset", "position", "token", "image", "none"] = "dataset",
    validate: str | None = None,
    online: bool = False,
    backbone: str | None = None,
    grid: str | None = None,
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed",
    device: str = "auto",
    devices: int = 1,
    num_nodes: int = 1,
    compile: bool = False,
    log: Literal["csv", "tensorboard", "wandb"] = "csv",
    **settings: Any,
) -> None:
    """Train a slot model on a feature store; started again, an interrupted training goes on.

    Every setting of a method is an option, and refused where the method has no such setting. See those of one:
    vitreous train --method NAME --help

    Args:
        store: Feature store written by `vitreous extract`; with --online the pictures themselves.
        out: Run folder; made if missing.
        method: Which paper: dinosaur, savi_dinosaur ...
        slots: Number of slots, objects and background.
        slot_dim: Width of a slot.
        iterations: Rounds of slot attention.
        mask_temperature: Divides the decoder's mask logits; below 1 makes masks sharper.
        diversity: Weight of the loss term that keeps slots apart; --diversity-weight is the same.
        loss: How rebuilt features are compared.
        steps: Length of the training; 1000 where neither steps nor epochs are given. Counts before --epochs.
        epochs: Length of the training in passes over the data, whatever the batch size.
        batch_size: Clips per step, over all devices together.
        lr: Peak learning rate for batches of 16. The warm start wants a small one; drawn slots want 4e-4.
        lr_rule: How lr follows the batch size: by the root of it, in proportion, or not at all.
        warm_up: Share of the steps in which the rate rises.
        half_life: Share of the steps in which the rate then halves, again and again; 0 is a cosine.
        weight_decay: Of AdamW.
        clip: Largest global norm of the gradient; 0 for any.
        ema: Decay of a running mean of the weights that the run then uses, as 0.999; 0 for none.
        frames: Consecutive frames per clip; 1 treats every frame as a picture.
        seed: Decides everything random.
        standardise: How features are brought to one scale, by statistics of the whole store.
        validate: A share of the clips, as 0.1, or another store: keep the weights of the lowest loss there.
        online: Run the backbone while training, on random crops and flips.
        backbone: With --online: preset, hub id or folder; glass_tiny if left out.
        grid: With --online: patches per side; 16 if left out.
        precision: bf16-mixed is 2-4 times as fast as 32-true on recent processors.
        device: auto, cpu or gpu.
        devices: How many on this machine share each batch.
        num_nodes: How many machines do.
        compile: Let torch.compile rewrite the method: slow to start, may be quicker after.
        log: Log to TensorBoard or Weights & Biases too, beside log.csv.
    """
    from lightning.pytorch.utilities import rank_zero_only

    from vitreous.features.store import FeatureStore
    from vitreous.report.contact import result_sheet
    from vitreous.train.fit import fit
    from vitreous.train.module import Training
    from vitreous.train.online import Online

    if not online and (backbone or grid):
        raise RunError("--backbone and --grid were chosen when the store was extracted; here they need --online.")
    common = {"slots": slots, "slot_dim": slot_dim, "iterations": iterations, "loss": loss}
    common |= {"mask_temperature": mask_temperature, "diversity": diversity}
    training = Training(
        steps=1000 if steps is None else steps,
        epochs=None if steps is not None else epochs,
        batch_size=batch_size,
        lr=lr,
        lr_rule=lr_rule,
        warm_up=warm_up,
        half_life=half_life,
        weight_decay=weight_decay,
        clip=clip,
        ema=ema,
        frames=frames,
        seed=seed,
    )
    data = open_online(store, out, backbone, grid, device) if online else FeatureStore(store)
    run = fit(
        data,
        out,
        method,
        {name: value for name, value in common.items() if value is not None} | settings,
        training,
        standardise=standardise,
        precision=precision,
        device=device,
        validate=held_out(validate),
        devices=devices,
        num_nodes=num_nodes,
        compile=compile,
        log=log,
    )
    if rank_zero_only.rank:
        return
    shown, sheet = data.sample if isinstance(data, Online) else data, run.folder / "result.png"
    if not sheet.is_file():
        result_sheet(run, shown, sheet, [int(shown.rows(key)[0]) for key in shown.keys[:8]])
    print(run.folder)
    print(f"Score it:  vitreous score {run.folder} STORE_OF_OTHER_PICTURES")


def open_online(pictures: Path, out: Path, backbone: str | None, grid: str | None, device: str) -> Any:
    from vitreous.backbones import load_backbone
    from vitreous.data import open_source
    from vitreous.features.preprocess import sides
    from vitreous.train.online import Online

    frozen = load_backbone(backbone or "glass_tiny", device="cuda" if device == "gpu" else device)
    return Online(open_source(pictures), frozen, out / "sample.lance", sides(grid or "16"))


def held_out(validate: str | None) -> Any:
    """A share of the clips, or a store."""
    from vitreous.features.store import FeatureStore

    if validate is None:
        return None
    try:
        return float(validate)
    except ValueError:
        return FeatureStore(Path(validate))


def with_method(arguments: list[str]) -> tuple[Callable, list[str]]:
    """`train` with the settings of the method that is meant, and the numbers of the preset, as options."""
    from vitreous.train.presets import PRESETS, find_preset, print_presets

    arguments = spelled(arguments)
    typed = in_config(arguments) | in_options(arguments)
    if typed.get("preset") == "list":
        return print_presets, []
    preset = find_preset(typed["preset"]) if typed.get("preset") else {}
    options = {name: p for name, p in signature(train).parameters.items() if name != "settings"}
    method = typed.get("method") or preset.get("method")
    if preset and method != preset["method"]:
        raise RunError(f"{typed['preset']} is a preset of {preset['method']}: it cannot be given to {method}.")
    if method is None and not {"-h", "--help"} & set(arguments):
        method = options["method"].default
    about = (train.__doc__ or "").rstrip()
    if method is not None:  # which loads torch: a plain --help does not wait for it
        own, lines = settings_of(method)
        options = {n: p for n, p in options.items() if n in own or n not in COMMON} | own
        about += lines
    options["preset"] = option("preset", None, str | None)
    about += f"\n        preset: Published settings, which other options change: {', '.join(PRESETS)}; list tells more."
    for name in typed:
        if name not in options and name not in OF_THE_PARSER:
            raise RunError(f'{method or "train"} has no setting "{name}".{did_you_mean(name, options)}')
    options |= {name: options[name].replace(default=value) for name, value in preset.items()}

    def command(preset: str | None = None, **given: Any) -> None:
        train(**given)

    setattr(command, "__signature__", signature(train).replace(parameters=list(options.values())))  # noqa: B010
    command.__doc__ = about + "\n    "
    return command, arguments


def option(name: str, default: Any, kind: Any) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)


def settings_of(method: str) -> tuple[dict[str, Parameter], str]:
    """The settings of a method as options, and the help on those that are its own."""
    from dataclasses import fields
    from typing import get_type_hints

    from vitreous.methods import method_class

    config = method_class(method).Config
    types, found = get_type_hints(config), fields(config)
    about = {f.name: explained(f.name, config.__doc__ or "") or f"Setting of {method}." for f in found}
    lines = "".join(f"\n        {name}: {text}" for name, text in about.items() if name not in COMMON)
    return {f.name: option(f.name, f.default, types[f.name]) for f in found}, lines


def explained(name: str, about: str) -> str:
    """What the settings' docstring says of one: the lines that begin with `merge   in [0, 2]`, say."""
    found, place = [], len(about)
    for line in about.splitlines():
        names, _, text = line.strip().partition("  ")
        indent = len(line) - len(line.lstrip())
        if found and indent > place:
            found.append(line.strip())
        elif found:
            break
        elif text and name in names.replace(",", " ").split():
            found, place = [text.strip()], indent
    return " ".join(found)


def spelled(arguments: list[str]) -> list[str]:
    """--store X is X, the one value that has a place; --diversity-weight is --diversity."""
    arguments = [a.removeprefix("--store=") for a in arguments if a != "--store"]
    return [a.replace("--diversity_weight", "--diversity", 1) for a in arguments]


def in_options(arguments: list[str]) -> dict[str, str]:
    """Options as typed, with the value that follows."""
    following = [*arguments, ""][1:]
    pairs = [(a.partition("="), after) for a, after in zip(arguments, following, strict=True) if a.startswith("--")]
    return {name[2:]: value if equals else after for (name, equals, value), after in pairs}


def in_config(arguments: list[str]) -> dict[str, Any]:
    """What the file behind --config says."""
    import yaml

    path = Path(in_options(arguments).get("config") or "")
    return dict(yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


command = Completed(with_method)
