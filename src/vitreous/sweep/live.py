"""What is going on, while it goes on: a table that moves on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from vitreous.runs import WEIGHTS
from vitreous.sweep.plan import Plan, label, parts, shown
from vitreous.sweep.study import Trial
from vitreous.train.history import LOG
from vitreous.train.module import Training

LATEST = 12  # finished trials that are shown
COLUMNS = ("state", "steps", "steps/s", "score", "time")


class View:
    """`show` is called again and again, `finished` once per trial; `folder` is where a trial's run is.

    Both get the number of trials by state, and of all that there will be.
    """

    def __init__(self, plan: Plan, folder: Callable[[Trial], Path], jobs: int, console: Console) -> None:
        self.plan, self.folder, self.jobs, self.console = plan, folder, jobs, console
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None
        self.ended: list[Trial] = []
        self.seen: dict[int, tuple[int, float]] = {}  # trial -> first step that was seen, and when

    def __enter__(self) -> "View":
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def finished(self, trial: Trial, counts: Mapping[str, int], all_of: int) -> None:
        """A line; on a terminal for failures only, which stay above the table."""
        self.ended.append(trial)
        if self.live and trial.state != "failed":
            return
        ended = counts["done"] + counts["failed"]
        score = "failed" if trial.state == "failed" else f"{self.plan.objective} {self.score(trial)}"
        words = [score, duration(trial.seconds or 0.0), self.time_left(all_of - ended)]
        line = f"{ended}/{all_of}  {label(self.plan.varied, trial.settings)}: {', '.join(filter(None, words))}"
        why = f"\n  {trial.reason}" if trial.state == "failed" else ""
        self.console.print(line + why, highlight=False, soft_wrap=True, markup=False)

    def show(self, running: Sequence[Trial], counts: Mapping[str, int], all_of: int) -> None:
        """The table: what finished last, then what runs."""
        if not self.live:
            return
        table = Table(*(name.replace("_", " ") for name in self.plan.varied), *COLUMNS, box=None)
        for trial in self.ended[-LATEST:]:
            self.add(table, trial, "", "", self.score(trial), duration(trial.seconds or 0.0))
        for trial in running:
            self.add(table, trial, *self.progress(trial))
        left = all_of - counts["done"] - counts["failed"]
        words = [f"{counts['done']} done", f"{counts['failed']} failed", f"{left} to do", self.time_left(left)]
        table.caption = ", ".join(filter(None, words))
        self.live.update(table, refresh=True)

    def add(self, table: Table, trial: Trial, *words: str) -> None:
        table.add_row(*(shown(trial.settings[name]) for name in self.plan.varied), trial.state, *words)

    def score(self, trial: Trial) -> str:
        """Mean and half of its 95 % interval."""
        mean, low, high = trial.scores.get(self.plan.objective, (float("nan"),) * 3)
        return f"{mean:.3f} ±{(high - low) / 2:.3f}" if mean == mean else ""

    def progress(self, trial: Trial) -> tuple[str, str, str, str]:
        """Steps of the training, how fast they come, no score yet, and what is left; from what the run writes."""
        run, now = self.folder(trial), time.monotonic()
        if (run / WEIGHTS).is_file():
            return "scoring", "", "", ""
        step = last_step(run / LOG)
        if step is None:
            return "", "", "", ""
        first, since = self.seen.setdefault(trial.id, (step, now))
        speed = (step - first) / (now - since) if step > first else 0.0
        training = Training(**parts(self.plan.full(trial.settings)).training)
        total = training.steps if training.epochs is None else None
        left = f"{duration((total - step) / speed)} left" if speed and total else ""
        return f"{step} of {total}" if total else f"{step}", f"{speed:.1f}" if speed else "", "", left

    def time_left(self, trials: int) -> str:
        """By the pace of the trials that ended here, but for those that failed at once."""
        spent = [trial.seconds for trial in self.ended if trial.seconds]
        return f"{duration(sum(spent) / len(spent) * trials / self.jobs)} left" if spent and trials else ""


def last_step(log: Path) -> int | None:
    """Steps done, by the last whole line of log.csv; another process may be writing the next one."""
    lines = log.read_text().split("\n")[:-1] if log.is_file() else []
    step = lines[-1].partition(",")[0] if lines else ""
    return int(step) + 1 if step.isdigit() else None


def duration(seconds: float) -> str:
    """90 -> 2 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
