"""A bar on stderr for long work: what is done, how fast, how long it still takes."""

from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Progress:
    """Rows done of a plan. The rate counts rows of this process; rows of others move the bar when they are seen."""

    def __init__(self, show: bool, title: str) -> None:
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not show,
        )
        self.task = self.bars.add_task(title, total=None, rate="looking through the source")
        self.lock, self.pending = Lock(), 0

    def __enter__(self) -> "Progress":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def plan(self, rows: int) -> None:
        """So many rows there will be."""
        self.bars.update(self.task, total=rows, rate="")

    def at(self, rows: int) -> None:
        """So many rows are in the store."""
        with self.lock:
            self.bars.update(self.task, completed=rows + self.pending)

    def computed(self, rows: int) -> None:
        with self.lock:
            self.pending += rows
            self.bars.advance(self.task, rows)
            speed = self.bars.tasks[0].speed
            self.bars.update(self.task, rate=f"{speed:.1f} rows/s" if speed else "")

    def committed(self, rows: int) -> None:
        with self.lock:
            self.pending = max(0, self.pending - rows)
