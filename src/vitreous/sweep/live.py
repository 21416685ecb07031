"""What is going on, while it goes on: a table that moves on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from vitreous.sweep.plan import Plan, label
from vitreous.sweep.study import Trial
from vitreous.train.history import LOG, read_history

LATEST = 12  # finished trials that are shown


class View:
    """`show` is called again and again, `finished` once per trial; `folder` is where a trial's run is."""

    def __init__(self, plan: Plan, folder: Callable[[Trial], Path], console: Console) -> None:
        self.plan, self.folder, self.console = plan, folder, console
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None
        self.began, self.done_here, self.latest = time.monotonic(), 0, list[Trial]()
        self.seen: dict[int, tuple[float, float]] = {}  # trial -> first step that was seen, and when

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
        self.done_here += 1
        self.latest = [*self.latest, trial][-LATEST:]
        if not self.live:
            ended = counts["done"] + counts["failed"]
            left = self.time_left(all_of - ended)
            self.console.print(
                f"{ended}/{all_of}  {label(self.plan.varied, trial.settings)}: {self.outcome(trial)}"
                + (f", {left} left" if left else ""),
                highlight=False,
                soft_wrap=True,
                markup=False,
            )

    def outcome(self, trial: Trial) -> str:
        """Score or reason."""
        if trial.state == "failed":
            return "failed: " + (trial.reason.strip() or "?").splitlines()[0]
        mean, low, high = trial.scores[self.plan.objective]
        return f"{self.plan.objective} {mean:.3f} ±{(high - low) / 2:.3f}, {trial.seconds or 0:.0f} s"

    def show(self, running: list[Trial], counts: Mapping[str, int], all_of: int) -> None:
        if not self.live:
            return
        table = Table(*(name.replace("_", " ") for name in self.plan.varied), "state", "progress", "score", box=None)
        for trial in [*self.latest, *running]:
            settings = [label([name], trial.settings).partition(" ")[2] for name in self.plan.varied]
            if trial in running:
                table.add_row(*settings, "running", self.progress(trial), "")
            else:
                table.add_row(*settings, trial.state, "", self.outcome(trial))
        waiting = all_of - counts["done"] - counts["failed"]
        left = self.time_left(waiting)
        words = [
            f"{counts['done']} done",
            f"{counts['failed']} failed",
            f"{waiting} to do",
            f"{left} left" * bool(left),
        ]
        table.caption = f"{', '.join(filter(None, words))}"
        self.live.update(table, refresh=True)

    def progress(self, trial: Trial) -> str:
        """Steps of the training, how fast, and what is left of it; from the log that the run writes."""
        run, steps = self.folder(trial), self.plan.full(trial.settings).get("steps")
        if (run / "model.safetensors").is_file():
            return "scoring"
        if not (run / LOG).is_file():
            return "starting"
        step, now = max(read_history(run).get("step", [0.0])) + 1, time.monotonic()
        first, since = self.seen.setdefault(trial.id, (step, now))
        speed = (step - first) / (now - since) if now > since else 0.0
        total = int(steps) if isinstance(steps, (int, float)) else None
        words = [f"step {step:.0f}" + (f" of {total}" if total else ""), f"{speed:.1f} steps/s" * (speed > 0)]
        words.append(f"{duration((total - step) / speed)} left" if total and speed > 0 else "")
        return ", ".join(filter(None, words))

    def time_left(self, trials: int) -> str:
        """By the pace of the trials that ended here."""
        if not self.done_here or not trials:
            return ""
        return duration((time.monotonic() - self.began) / self.done_here * trials)


def duration(seconds: float) -> str:
    """90 -> 2 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
