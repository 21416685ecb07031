"""log.csv, held_out.csv and the picture made from them; other loggers when asked for."""

import csv
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only

from vitreous.errors import MissingExtra, RunError, did_you_mean
from vitreous.extras import need

LOG, HELD_OUT = "log.csv", "held_out.csv"


class CSVHistory(Logger):
    """One row per logged step: step, loss, its terms, learning rate. Appended at once, so that nothing is lost.

    Losses on held-out clips go to held_out.csv beside it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> None:
        return None

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The recipe holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"step": step} | {name: value for name, value in metrics.items() if name != "epoch"}
        path = self.path.with_name(HELD_OUT) if "held_out" in row else self.path
        with path.open("a", newline="") as file:
            table = csv.DictWriter(file, row)
            if not file.tell():  # new, or made by a process that was killed before it wrote
                table.writeheader()
            table.writerow(row)


def loggers(log: str, out: Path) -> list[Logger]:
    """log.csv, and what else was asked for."""
    csv_log = CSVHistory(out / LOG)
    if log == "csv":
        return [csv_log]
    if log == "tensorboard":
        need("tensorboard", "logging", "--log tensorboard")
        from lightning.pytorch.loggers import TensorBoardLogger

        return [csv_log, TensorBoardLogger(out, name="tensorboard", version="")]
    if log == "wandb":
        if find_spec("wandb") is None:
            raise MissingExtra("--log wandb needs wandb:  pip install wandb")
        from lightning.pytorch.loggers import WandbLogger

        return [csv_log, WandbLogger(name=out.name, save_dir=out)]
    raise RunError(f'No log "{log}".{did_you_mean(log, ("csv", "tensorboard", "wandb"))}')


def read_history(folder: Path, name: str = LOG) -> dict[str, list[float]]:
    """Columns of log.csv. A resumed training may have logged a step twice: the later row counts."""
    with (folder / name).open(newline="") as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file)}
    ordered = [rows[step] for step in sorted(rows)]
    return {name: [float(row[name]) for row in ordered] for name in (ordered[0] if ordered else [])}


def plot_history(folder: Path) -> Path:
    """training_history.png: loss and its terms over the steps, learning rate below."""
    from matplotlib.figure import Figure

    history = read_history(folder)
    steps = history.pop("step", [])
    rate = history.pop("lr", [])
    figure = Figure(figsize=(8, 5), layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, values in history.items():
        if name != "loss" or len(history) != 2:  # a single term is the loss
            losses.plot(steps, values, label=name)
    if (folder / HELD_OUT).is_file():
        held_out = read_history(folder, HELD_OUT)
        losses.plot(held_out["step"], held_out["held_out"], "k.-", label="held out")
    losses.set(ylabel="loss", title=folder.name)
    if all(value > 0 for values in history.values() for value in values):  # diversity may fall below 0
        losses.set_yscale("log")
    losses.legend()
    rates.plot(steps, rate, color="grey")
    rates.set(xlabel="step", ylabel="learning rate")
    path = folder / "training_history.png"
    figure.savefig(path, dpi=120)
    return path
