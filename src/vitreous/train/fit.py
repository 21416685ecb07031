"""Feature store -> run."""

import logging
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.utilities import rank_zero_only
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, IterableDataset

from vitreous import __version__
from vitreous.errors import RunError, StoreError
from vitreous.features.loader import Loader
from vitreous.features.needs import Beside, provide
from vitreous.features.store import FeatureStore
from vitreous.methods.base import Method
from vitreous.runs import TEACHER, Recipe, Run, build, differences, generator_seed, read_recipe, settings, write_recipe
from vitreous.train.checkpoint import SafetensorsIO
from vitreous.train.history import loggers, plot_history
from vitreous.train.module import SlotTraining, Training
from vitreous.train.online import Online
from vitreous.train.parts import DividedLoader, Part, split
from vitreous.types import Batch

CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
KEEP_SECONDS = 20.0  # of training between checkpoints: what a kill can cost
VALIDATIONS = 20  # per training


def fit(
    store: FeatureStore | Online,
    out: Path,
    method: str = "dinosaur",
    config: dict[str, Any] | None = None,
    training: Training = Training(),
    *,
    standardise: str = "dataset",
    precision: str = "bf16-mixed",
    device: str = "auto",
    validate: FeatureStore | float | None = None,
    devices: int = 1,
    num_nodes: int = 1,
    compile: bool = False,
    log: str = "csv",
    progress: bool = True,
) -> Run:
    """Train `method` on the features of a store; goes on where an interrupted training of the same recipe stopped.

    precision  as Lightning names it: "bf16-mixed" or "32-true"
    validate   a share of the clips, or another store: the run then keeps the weights of the lowest loss on these
               (model.safetensors) and the last ones (last.safetensors)
    devices    on each of `num_nodes` machines; they share every batch
    log        "tensorboard" or "wandb" beside log.csv

    A method that learns from a teacher has it trained first, in out/teacher, on the same store and by the same rules.

    Raises RunError for settings that cannot be (unknown names, more slots than patches), for another recipe in the
    folder, and for a loss that is not finite; StoreError for a store that is empty or has too short clips.
    """
    made = settings(method, config or {})
    check_grid(getattr(made, "slots", 1), store)
    data, held_out = parts(store, validate, training.seed)
    loader = DividedLoader(data, training.batch_size, training.frames, standardise, seed=training.seed)
    loader.check(devices * num_nodes)
    training = counted(training, loader)
    recipe = make_recipe(store, method, asdict(made), standardise)
    recipe = replace(recipe, training=asdict(training) | {"precision": precision, "validate": named(validate)})
    torch.manual_seed(generator_seed(training.seed, -1))
    built = build(recipe)
    loader.beside = beside(data, built, method, training.frames)
    claim(out, recipe)
    if (out / "model.safetensors").is_file():
        return Run.load(out)
    teacher = built.teacher_of(made)
    if teacher is not None:
        first = replace(training, steps=max(1, round(teacher[1] * training.steps)), epochs=None)
        how = {"standardise": standardise, "precision": precision, "device": device, "validate": validate}
        how |= {"devices": devices, "num_nodes": num_nodes, "compile": compile, "log": log, "progress": progress}
        fit(store, out / TEACHER, method, asdict(teacher[0]), first, **how)
        built.learn_from(Run.load(out / TEACHER).method)
    module = SlotTraining(built, training)
    if compile:
        module.method.compile()
    quiet()
    machine = {"accelerator": device, "devices": devices, "num_nodes": num_nodes, "precision": precision}
    trainer = make_trainer(out, training, held_out is not None, log, progress, machine)
    loader.part = (trainer.global_rank, trainer.world_size)
    resume = out / CHECKPOINT
    trainer.fit(
        module,
        DataLoader(Endless(loader, start(resume)), batch_size=None),
        held_out_batches(held_out, training, standardise, built, method),
        ckpt_path=resume if resume.is_file() else None,
    )
    if trainer.interrupted:
        raise KeyboardInterrupt
    run = Run(out, recipe, module.result.eval(), data.standardiser(standardise).state())
    if trainer.is_global_zero:
        finish(run)
    trainer.strategy.barrier()  # a teacher is there for all devices, or none
    return run


def make_trainer(
    out: Path, training: Training, validates: bool, log: str, progress: bool, machine: dict[str, Any]
) -> Trainer:
    return Trainer(
        **machine,
        max_steps=training.steps,
        gradient_clip_val=training.clip,
        callbacks=[Best(out / BEST), Keep(out / CHECKPOINT), *([Progress()] if progress else [])],
        enable_checkpointing=False,
        logger=loggers(log, out),
        log_every_n_steps=max(1, training.steps // 200),
        val_check_interval=max(1, training.steps // VALIDATIONS) if validates else None,
        check_val_every_n_epoch=None if validates else 1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=progress,
        enable_model_summary=False,
        plugins=[SafetensorsIO()],
        default_root_dir=out,
    )


def finish(run: Run) -> None:
    """Write the run: the best weights where some were kept, else the last."""
    best = run.folder / BEST
    if best.is_file():
        run.save("last.safetensors")
        run.method.load_state_dict(load_file(best))
    run.save()
    plot_history(run.folder)
    for done in (best, run.folder / CHECKPOINT):
        done.unlink(missing_ok=True)


def check_grid(slots: int, store: FeatureStore | Online) -> None:
    h, w = store.grid
    if not len(store):
        raise StoreError(f"{store.path} is empty: there is nothing to train on. Go on with its extraction.")
    if slots > h * w:
        raise RunError(f"{slots} slots cannot share the {h * w} patches of a {h}x{w} grid.")


def parts(
    store: FeatureStore | Online, validate: FeatureStore | float | None, seed: int
) -> tuple[FeatureStore | Online | Part, Part | None]:
    """What is trained on, and what is held out."""
    if validate is None:
        return store, None
    if isinstance(validate, FeatureStore):
        if (validate.grid, validate.dim) != (store.grid, store.dim):
            raise RunError(
                f"{validate.path} holds {validate.meta.describe()}, but {store.path} {store.meta.describe()}."
            )
        return store, Part(validate, range(len(validate.keys)), store)
    if isinstance(store, Online):
        raise RunError(f"--validate {validate}: with --online, name a store of other pictures.")
    return split(store, validate, seed)


def named(validate: FeatureStore | float | None) -> str:
    return str(validate.meta.source["fingerprint"] if isinstance(validate, FeatureStore) else validate or "")


def counted(training: Training, loader: Loader) -> Training:
    """Epochs as steps, by the samples in them; and the batch that such a store can fill."""
    steps = training.steps
    if training.epochs is not None:
        steps = max(1, round(training.epochs * loader.windows / loader.batch_size))
    return replace(training, steps=steps, batch_size=loader.batch_size)


def make_recipe(store: FeatureStore | Online, method: str, config: dict[str, Any], standardise: str) -> Recipe:
    return Recipe(
        method=method,
        config=config,
        grid=store.grid,
        fit=store.meta.fit,
        feature_dim=store.dim,
        backbone=store.meta.backbone,
        standardise=standardise,
        source={name: str(store.meta.source[name]) for name in ("name", "fingerprint")},
        vitreous=__version__,
    )


def claim(out: Path, recipe: Recipe) -> None:
    """A folder belongs to one recipe. Another one there is refused with the difference named."""
    if (out / "recipe.yaml").is_file():
        differ = differences(read_recipe(out), recipe)
        if differ:
            raise RunError(
                f"{out} holds a run of another recipe:\n  " + "\n  ".join(differ) + "\nChoose another --out."
            )
    if rank_zero_only.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        write_recipe(out, recipe)


class Endless(IterableDataset[Batch]):
    """Batches from a step on, for as long as they are asked for."""

    def __init__(self, make: Loader, first: int) -> None:
        self.make, self.first = make, first

    def __iter__(self) -> Iterator[Batch]:
        return self.make.batches(self.first)


def beside(data: FeatureStore | Online | Part, built: Method, method: str, frames: int) -> Beside | None:
    """What the method needs beside features."""
    store = data.store if isinstance(data, Part) else data
    lasting = 0 if isinstance(store, Online) else len(store)  # crops that are drawn do not come again
    return provide(data, built.needs, built.picture_size, method, frames, lasting)


def held_out_batches(
    held_out: Part | None, training: Training, standardise: str, built: Method, method: str
) -> DataLoader[Batch] | None:
    if held_out is None:
        return None
    loader = Loader(held_out, training.batch_size, training.frames, standardise, shuffle=False)
    loader.beside = beside(held_out, built, method, training.frames)
    return DataLoader(loader, batch_size=None)


def start(checkpoint: Path) -> int:
    """The step that the checkpoint stands at; 0 without one."""
    return int(SafetensorsIO().load_checkpoint(checkpoint)["global_step"]) if checkpoint.is_file() else 0


class Progress(RichProgressBar):
    """Counts steps: epochs are of no account in an endless stream of batches."""

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"


class Keep(Callback):
    """A checkpoint every KEEP_SECONDS."""

    def __init__(self, path: Path) -> None:
        self.path, self.last = path, time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        # not after the last step: a training that goes on there would leave out the validation that follows it
        due = time.monotonic() - self.last >= KEEP_SECONDS and trainer.global_step < trainer.max_steps
        if trainer.world_size > 1:  # all devices save together, or wait for each other for ever
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        if due:
            trainer.save_checkpoint(self.path)
            self.last = time.monotonic()


class Best(Callback):
    """The weights of the lowest loss on what is held out."""

    def __init__(self, path: Path) -> None:
        self.path, self.lowest = path, float("inf")

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        loss = float(trainer.callback_metrics["held_out"])
        if loss < self.lowest and trainer.is_global_zero:
            new = self.path.with_name(self.path.name + ".new")
            save_file({n: t.detach().cpu().contiguous() for n, t in pl_module.result.state_dict().items()}, new)
            new.replace(self.path)
        self.lowest = min(self.lowest, loss)

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lowest = state_dict["lowest"]


def quiet() -> None:
    """Lightning's tips are not about our users' data."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", ".*exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*`IterableDataset`.*")
    warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
