"""Pictures of a batch, read and prepared by threads while the backbone works on an earlier one.

Decoding and resizing release Python's lock (Pillow, PyAV), so threads are enough. A clip that goes on in the next
batch keeps its reader open, so a video is decoded once from start to end.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from vitreous.errors import DataError
from vitreous.features.plan import Plan, Segment
from vitreous.features.preprocess import Kept, fitted, keep, resized
from vitreous.features.views import blurred, viewed
from vitreous.types import Frame, Source

LEFT_OUT = "was not given by its source."


@dataclass(frozen=True)
class Look:
    """How pictures are prepared: size for the backbone (y, x), grid and patch that it makes of it, fit and keeping."""

    size: tuple[int, int]
    grid: tuple[int, int]
    patch: int
    fit: str
    keep_side: int


@dataclass(frozen=True)
class Cell:
    """A row of the store without its features."""

    row: int
    key: str
    frame: int
    view: str
    picture: bytes = field(repr=False)
    ids: bytes | None = field(repr=False)
    instances: str | None = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """A batch for the backbone, at its full size: what could not be read, or lies beyond the plan, is black.

    cells   rows that were read, in order; cell.row - start is their place in `images`
    failed  row -> why it could not be read; on_error="skip" only
    """

    batch: int
    start: int
    images: UInt8[np.ndarray, "b y x 3"]
    cells: list[Cell]
    failed: dict[int, str]


class ClipReader:
    """Frames of a clip in rising order, the last one kept: two batches can share a frame with several views."""

    def __init__(self, source: Source, key: str, start: int) -> None:
        self.key, self.frames = key, iter(source.frames(key, start))
        self.last: Frame | None = None
        self.failed = False

    def at(self, index: int) -> Frame:
        """The frame with this index; DataError if it cannot be read or the source left it out. Never goes back."""
        while self.last is None or self.last.index < index:
            following = self.following()
            if following is None:
                break
            self.last = following
        if self.last is None or self.last.index != index:
            raise DataError(f"{self.key}: frame {index} {LEFT_OUT}")
        return self.last

    def following(self) -> Frame | None:
        try:
            return next(self.frames, None)
        except DataError:
            self.failed = True  # a generator that has raised gives nothing more
            raise


class BatchReader:
    """Prepares batches of a plan. With on_error="raise" the first bad picture stops it with a DataError."""

    def __init__(self, source: Source, plan: Plan, look: Look, on_error: str, workers: int) -> None:
        self.source, self.plan, self.look, self.on_error = source, plan, look, on_error
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
        self.ahead = 2 + workers // 8  # batches in the making: enough to bridge one slow picture
        self.open_end: tuple[Segment, Future] | None = None

    def __enter__(self) -> "BatchReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def read(self, batches: Iterable[int]) -> Iterator[Prepared]:
        waiting: list[tuple[int, np.ndarray, list[Future]]] = []
        for batch in batches:
            waiting.append(self.submit(batch))
            if len(waiting) > self.ahead:
                yield self.collect(*waiting.pop(0))
        while waiting:
            yield self.collect(*waiting.pop(0))

    def submit(self, batch: int) -> tuple[int, np.ndarray, list[Future]]:
        images = np.zeros((self.plan.batch_size, *self.look.size, 3), np.uint8)
        futures = []
        for segment in self.plan.segments(batch):
            before = None
            if self.open_end and self.open_end[0].stop == segment.start and self.open_end[0].clip == segment.clip:
                before = self.open_end[1]  # queued earlier, so it runs earlier: waiting for it cannot lock up
            futures.append(self.pool.submit(self.read_segment, segment, images, batch, before))
            self.open_end = (segment, futures[-1])
        return batch, images, futures

    def collect(self, batch: int, images: np.ndarray, futures: list[Future]) -> Prepared:
        cells, failed = [], {}
        for future in futures:
            more, wrong, _ = future.result()
            cells += more
            failed |= wrong
        return Prepared(batch, self.plan.rows(batch).start, images, cells, failed)

    def read_segment(
        self, segment: Segment, images: np.ndarray, batch: int, before: Future | None
    ) -> tuple[list[Cell], dict[int, str], ClipReader | None]:
        cells: list[Cell] = []
        failed: dict[int, str] = {}
        reader = before.result()[2] if before else None
        instances = None
        for index in range(segment.first, segment.last + 1):
            rows = self.rows(segment, index)
            try:
                reader = reader or ClipReader(self.source, segment.key, index)
                frame = reader.at(index)
                kept = keep(frame, self.look.keep_side)
                seen = {row: self.prepare(kept, self.plan.place(row)[2], frame) for row in rows}
                instances = instances if cells else self.instances(segment.key)
            except DataError as error:
                if self.on_error == "raise":
                    raise
                failed |= dict.fromkeys(rows, str(error))
                reader = reader if reader and not reader.failed else None  # look again from the next frame on
                continue
            for row, image in seen.items():
                images[row - self.plan.rows(batch).start] = image
                view, first = self.plan.place(row)[2], None if cells else instances
                cells.append(Cell(row, segment.key, index, view, kept.encoded, kept.ids, first))
        return cells, failed, reader

    def rows(self, segment: Segment, frame: int) -> range:
        views, start = len(self.plan.views), int(self.plan.starts[segment.clip])
        first, last = start + frame * views, start + (frame + 1) * views
        return range(max(first, segment.start), min(last, segment.stop))

    def instances(self, key: str) -> str | None:
        table = self.source.instances(key)
        return None if table is None else json.dumps(table)

    def prepare(self, kept: Kept, view: str, frame: Frame) -> UInt8[np.ndarray, "y x 3"]:
        seen = fitted(viewed(kept.image, view), self.look.grid, self.look.fit)
        if min(seen.shape[:2]) < self.look.patch:
            y, x = frame.image.shape[:2]
            raise DataError(
                f"{frame.key}: {y} x {x} px (y, x) is too small: the backbone would see {seen.shape[0]} x "
                f"{seen.shape[1]} px of it, and one of its patches is {self.look.patch} x {self.look.patch}."
            )
        return blurred(resized(seen, self.look.size), view)
