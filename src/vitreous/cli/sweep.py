"""vitreous sweep"""

import json
import re
from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

from vitreous.cli.parser import Completed
from vitreous.cli.train import COMMON, OF_THE_PARSER, in_config, in_options, option, settings_of, spelled, train
from vitreous.errors import RunError, did_you_mean

NOT_OF_A_TRIAL = ("store", "out", "online", "devices", "num_nodes", "log", "grid", "settings")
RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>.+?)(?P<log>:log)?")


def sweep(
    train: Path,
    test: Path | None = None,
    out: Path = Path("sweep"),
    grid: list[str] | None = None,
    search: list[str] | None = None,
    trials: int = 40,
    sampler: Literal["tpe", "random"] = "tpe",
    objective: str = "fg_ari",
    mode: Literal["sequential", "parallel", "debug"] | None = None,
    jobs: int | None = None,
    threads: int = 1,
    storage: str | None = None,
    retry_failed: bool = False,
    **settings: Any,
) -> None:
    """Train and score many runs: every combination of a grid, or a search; stopped, it goes on from where it was.

    vitreous sweep train.lance --test test.lance --grid slots=3,5,7 seed=42,43,44 --steps 300
    vitreous sweep scenes/train --test scenes/test --grid backbone=glass_tiny,dinov2_vits14 slots=5,7
    vitreous sweep train.lance --test test.lance --search slots=3..13 lr=1e-5..1e-3:log --trials 40

    Any setting of `vitreous train` can vary; those that do not are options, as there. See those of one method:
    vitreous sweep --method NAME --help

    Args:
        train: Feature store to train on, or pictures: then stores are made once per backbone, grid and views.
        test: Store or pictures with ids that every run is scored on.
        out: Where runs, table and study go; made if missing. The same command goes on there.
        grid: Values by setting, as in slots=3,5,7 seed=42,43; patches per side are a setting too: grid=16,32.
        search: Ranges and values by setting, as in slots=3..13 lr=1e-5..1e-3:log decoder=mixture,mlp.
        trials: How many a search tries.
        sampler: Of a search: tpe learns from what was tried, random does not.
        objective: Metric of scores.json that counts; a search maximises it.
        mode: sequential, parallel (a process per core), or debug: a few steps of every trial on a few clips, in
            OUT/debug, to find what breaks before the night.
        jobs: Trials at once, each in a process of its own; they share the stores.
        threads: Of each trial. Sums depend on it in their last digits, so it is part of what a sweep is; jobs are not.
        storage: Database of the study, as postgresql://user@host/name for many machines; default: OUT/sweep.db.
        retry_failed: Try once more what failed before.
    """
    from vitreous.sweep.plan import Plan
    from vitreous.sweep.run import Sweep
    from vitreous.sweep.table import print_failures, print_means

    axes = settings.pop("axes")
    if not axes:
        raise RunError("Nothing varies: say what, as in --grid slots=3,5,7 seed=42,43 or --search slots=3..13.")
    if test is None:
        raise RunError("Runs are scored on pictures that they were not trained on: name some with --test.")
    plan = Plan(axes, settings, sampler if search else None, objective, threads, mode == "debug")
    work = Sweep(train, test, out, plan, trials=trials, jobs=processes(mode, jobs, threads), storage=storage)
    done = work.run(retry_failed=retry_failed)
    print(f"{print_means(plan, done)}\n")
    print(*print_failures(plan, done), work.out / "sweep.csv", sep="\n")
    if mode == "debug":
        print("Debugged. For the night:  the same without --mode debug")
    else:
        print(f"Compare them:  vitreous compare {work.out / 'runs'}/*")
    finish([trial.state for trial in done], work.count)


def finish(states: list[str], count: int) -> None:
    """The last line; failed trials make the exit status 1."""
    failed, done = states.count("failed"), states.count("done")
    elsewhere = f", {count - failed - done} still at work elsewhere" if count > failed + done else ""
    if failed:
        raise RunError(f"{failed} of {count} trials failed, {done} are done{elsewhere}. Again:  --retry-failed")
    print(f"{done} of {count} trials are done, 0 failed{elsewhere}.")


def processes(mode: str | None, jobs: int | None, threads: int) -> int:
    if mode == "sequential" and jobs not in (None, 1):
        raise RunError(f"--mode sequential runs one trial at a time, and --jobs {jobs} asks for more: leave out one.")
    if jobs is not None or mode != "parallel":
        return 1 if jobs is None else jobs
    from vitreous.features.extract import cores

    return max(1, cores() // threads)


def with_axes(arguments: list[str], then: Callable[..., None] = sweep) -> tuple[Callable, list[str]]:
    """`then` with the settings of the methods that are meant as options; axes parsed by their types."""
    from vitreous.train.presets import PRESETS, find_preset

    arguments = gathered(spelled(arguments), ("grid", "search"))
    typed = in_config(arguments) | in_options(arguments)
    texts = {name: axis_texts(typed.get(name)) for name in ("grid", "search")}
    if texts["grid"] and texts["search"]:
        raise RunError("A sweep is a grid or a search: give --search its fixed choices too, as in seed=42,43.")
    axes = texts["grid"] or texts["search"]
    preset = find_preset(typed["preset"]) if typed.get("preset") else {}
    methods = method_names(axes, typed, preset, arguments)
    options, about = trial_options(methods)
    own = {name: p for name, p in signature(sweep).parameters.items() if name != "settings"}
    options["preset"] = option("preset", None, str | None)
    about += f"\n        preset: Published settings, which other options change: {', '.join(PRESETS)}."
    for name in (*typed, *axes):
        if name not in own | options and name not in OF_THE_PARSER:
            raise RunError(
                f'{" and ".join(methods) or "train"} has no setting "{name}".{did_you_mean(name, own | options)}'
            )
    chosen = [name for name in preset if name not in axes] + list(typed)
    fixed = [name for name in dict.fromkeys(chosen) if name in options and name != "preset"]
    options |= {name: options[name].replace(default=value) for name, value in preset.items() if name in options}

    def command(**given: Any) -> None:
        kept = {name: given[name] for name in (*own, *fixed) if name in given}
        values = {name: parsed(name, text, kinds_of(name, methods, options)) for name, text in axes.items()}
        then(**kept, axes=values)

    parameters = [*own.values(), *(p for name, p in options.items() if name not in own)]
    setattr(command, "__signature__", signature(sweep).replace(parameters=parameters))  # noqa: B010
    command.__doc__ = (sweep.__doc__ or "").rstrip() + about + "\n    "
    return command, arguments


def gathered(arguments: list[str], names: Iterable[str]) -> list[str]:
    """--grid a=1,2 b=3 becomes --grid=["a=1,2","b=3"]; said twice, both count."""
    found: dict[str, list[str]] = {}
    rest, now = [], None
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("--"):
            now = name[2:] if name[2:] in names else None
            if now:
                found.setdefault(now, []).extend([value] if equals else [])
                continue
        if now and equals:
            found[now].append(argument)
        else:
            rest.append(argument)
    return rest + [f"--{name}={json.dumps(texts)}" for name, texts in found.items()]


def axis_texts(typed: Any) -> dict[str, str]:
    """slots=3,5 -> slots: "3,5"."""
    found: dict[str, str] = {}
    for text in json.loads(typed) if isinstance(typed, str) else typed or []:
        name, equals, values = str(text).partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values.strip():
            raise RunError(f'"{text}" is not a setting with its values, as in slots=3,5,7.')
        if name in found:
            raise RunError(f"{name} is varied twice: give all its values at once.")
        found[name] = values.strip()
    return found


def method_names(
    axes: dict[str, str], typed: dict[str, Any], preset: dict[str, Any], arguments: list[str]
) -> list[str]:
    """Methods that are meant; none for a plain --help, which so does not wait for torch."""
    if "method" in axes:
        return split(axes["method"])
    chosen = typed.get("method") or preset.get("method")
    if preset and chosen != preset["method"]:
        raise RunError(f"{typed['preset']} is a preset of {preset['method']}: it cannot be given to {chosen}.")
    if chosen:
        return [str(chosen)]
    return [] if {"-h", "--help"} & set(arguments) else [signature(train).parameters["method"].default]


def trial_options(methods: list[str]) -> tuple[dict[str, Parameter], str]:
    """Settings of a trial as options, and the help on them."""
    options = {name: p for name, p in signature(train).parameters.items() if name not in NOT_OF_A_TRIAL}
    options["views"] = option("views", None, str | None)
    lines = [line for line in (train.__doc__ or "").splitlines() if line.strip().partition(":")[0] in options]
    lines = [line for line in lines if not line.strip().startswith("backbone:")]
    lines.append("        backbone: Of pictures: preset, hub id or folder; glass_tiny if left out.")
    lines.append('        views: Of pictures that are trained on, as in "identity hflip".')
    for method in methods:
        own, about = settings_of(method)
        options = {name: p for name, p in options.items() if len(methods) > 1 or name in own or name not in COMMON}
        options |= {name: p for name, p in own.items() if name in COMMON or name not in options}
        lines += [line for line in about.splitlines() if line and line not in lines]
    return options, "".join(f"\n{line}" for line in lines)


def kinds_of(name: str, methods: list[str], options: dict[str, Parameter]) -> list[Any]:
    """Types that the values of a setting must have: one per method that has it of its own."""
    kinds = [settings[name].annotation for settings, _ in map(settings_of, methods) if name in settings]
    if name == "grid":
        return [str]
    return kinds or [options[name].annotation]


def parsed(name: str, text: str, kinds: list[Any]) -> Any:
    """Values of an axis, or a Range."""
    from vitreous.sweep.plan import Range

    found = RANGE.fullmatch(text)
    if found:
        low, high = (value_of(name, found[end], kinds) for end in ("low", "high"))
        if not all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in (low, high)):
            raise RunError(f"{name}={text} is a range, but {name} is not a number.")
        return Range(low, high, bool(found["log"]))
    return [value_of(name, value, kinds) for value in split(text)]


def split(text: str) -> list[str]:
    """3,5,7 -> 3 5 7; values that hold commas stand in a list: ["crop:0,0,1,1", "identity"]."""
    if text.startswith("["):
        import yaml

        return [value if isinstance(value, str) else json.dumps(value) for value in yaml.safe_load(text)]
    return [value.strip() for value in text.split(",")]


def value_of(name: str, text: str, kinds: list[Any]) -> Any:
    """One value as `vitreous train` would read it."""
    from jsonargparse import ArgumentError, ArgumentParser

    value = None
    for kind in kinds:
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument(f"--{name}", type=kind)
        try:
            value = parser.parse_args([f"--{name}={text}"])[name]
        except ArgumentError as error:
            raise RunError(f"{name}={text}: {' '.join(str(error).split()).partition(': ')[2]}") from None
    return value


command = Completed(with_axes)
