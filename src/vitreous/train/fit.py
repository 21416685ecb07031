"""Feature store -> run."""

import logging
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar
from torch.utils.data import DataLoader, IterableDataset

from vitreous import __version__
from vitreous.errors import RunError
from vitreous.features.store import FeatureStore
from vitreous.runs import Recipe, Run, build, differences, generator_seed, read_recipe, settings, write_recipe
from vitreous.train.checkpoint import SafetensorsIO
from vitreous.train.history import CSVHistory, plot_history
from vitreous.train.module import SlotTraining, Training
from vitreous.types import Batch

CHECKPOINT = "checkpoint.safetensors"
KEEP_SECONDS = 20.0  # of training between checkpoints: what a kill can cost


def fit(
    store: FeatureStore,
    out: Path,
    method: str = "dinosaur",
    config: dict[str, Any] | None = None,
    training: Training = Training(),
    *,
    standardise: str = "dataset",
    precision: str = "bf16-mixed",
    device: str = "auto",
    progress: bool = True,
) -> Run:
    """Train `method` on the features of a store; goes on where an interrupted training of the same recipe stopped.

    precision  as Lightning names it: "bf16-mixed" or "32-true"
    Raises RunError for settings that cannot be (unknown names, more slots than patches), for another recipe in the
    folder, and for a loss that is not finite.
    """
    recipe = make_recipe(store, method, config or {}, training, standardise)
    grid, slots = recipe.grid, recipe.config.get("slots", 1)
    if slots > grid[0] * grid[1]:
        raise RunError(f"{slots} slots cannot share the {grid[0] * grid[1]} patches of a {grid[0]}x{grid[1]} grid.")
    claim(out, recipe)
    if (out / "model.safetensors").is_file():
        return Run.load(out)
    torch.manual_seed(generator_seed(training.seed, -1))
    module = SlotTraining(build(recipe), training)
    quiet()
    trainer = make_trainer(out, training, precision, device, progress)
    resume = out / CHECKPOINT
    trainer.fit(
        module, batches(store, training, standardise, start(resume)), ckpt_path=resume if resume.is_file() else None
    )
    if trainer.interrupted:
        raise KeyboardInterrupt
    run = Run(out, recipe, module.method.eval(), store.standardiser(standardise).state())
    run.save()
    plot_history(out)
    resume.unlink(missing_ok=True)
    return run


def make_recipe(
    store: FeatureStore, method: str, config: dict[str, Any], training: Training, standardise: str
) -> Recipe:
    return Recipe(
        method=method,
        config=asdict(settings(method, config)),
        grid=store.grid,
        fit=store.meta.fit,
        feature_dim=store.dim,
        backbone=store.meta.backbone,
        standardise=standardise,
        source={name: str(store.meta.source[name]) for name in ("name", "fingerprint")},
        training=asdict(training),
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
    out.mkdir(parents=True, exist_ok=True)
    write_recipe(out, recipe)


class Endless(IterableDataset[Batch]):
    """Batches from a step on, for as long as they are asked for."""

    def __init__(self, make: Any, first: int) -> None:
        self.make, self.first = make, first

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.make.batches(self.first))


def batches(store: FeatureStore, training: Training, standardise: str, first: int) -> DataLoader[Batch]:
    loader = store.loader(
        training.batch_size, frames=training.frames, standardise=standardise, shuffle=True, seed=training.seed
    )
    return DataLoader(Endless(loader, first), batch_size=None)


def start(checkpoint: Path) -> int:
    """The step that the checkpoint stands at; 0 without one."""
    return int(SafetensorsIO().load_checkpoint(checkpoint)["global_step"]) if checkpoint.is_file() else 0


class Keep(Callback):
    """A checkpoint every KEEP_SECONDS."""

    def __init__(self, path: Path) -> None:
        self.path, self.last = path, time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if time.monotonic() - self.last >= KEEP_SECONDS:
            trainer.save_checkpoint(self.path)
            self.last = time.monotonic()


def make_trainer(out: Path, training: Training, precision: str, device: str, progress: bool) -> Trainer:
    return Trainer(
        accelerator=device,
        devices=1,
        precision=precision,  # pyright: ignore[reportArgumentType]
        max_steps=training.steps,
        gradient_clip_val=training.clip,
        callbacks=[Keep(out / CHECKPOINT), *([RichProgressBar()] if progress else [])],
        enable_checkpointing=False,
        logger=CSVHistory(out / "log.csv"),
        log_every_n_steps=max(1, training.steps // 200),
        enable_progress_bar=progress,
        enable_model_summary=False,
        plugins=[SafetensorsIO()],
        default_root_dir=out,
    )


def quiet() -> None:
    """Lightning's tips are not about our users' data."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", ".*exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*`IterableDataset`.*")
