"""The plan of an extraction: which rows a complete store has, in which batches.

A function of the source and the views alone. Batches are consecutive rows of it, so a row is computed in the same
place of the same batch however often the work was interrupted, and whoever does it: that makes it the same bit for bit.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vitreous.errors import DataError
from vitreous.types import Source


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of one clip that a batch needs: frames first..last of it, rows start..stop of the plan."""

    clip: int
    key: str
    first: int
    last: int
    start: int
    stop: int


class Plan:
    """Rows in the order clip, frame, view; the view runs fastest, so that a frame is decoded once for all."""

    def __init__(self, keys: list[str], lengths: list[int], views: tuple[str, ...], batch_size: int) -> None:
        self.keys, self.lengths, self.views, self.batch_size = keys, lengths, views, batch_size
        rows = np.asarray(lengths, dtype=np.int64) * len(views)
        self.starts = np.concatenate([[0], np.cumsum(rows)])

    @classmethod
    def of(cls, source: Source, views: tuple[str, ...], batch_size: int) -> "Plan":
        keys = list(source.keys)
        if len(set(keys)) < len(keys):
            double = next(key for key, times in Counter(keys).items() if times > 1)
            raise DataError(f'{source.name}: two clips are called "{double}"; keys must be unique.')
        if not keys:
            raise DataError(f"{source.name} holds no pictures: there is nothing to extract.")
        # a clip that cannot be read at all counts as one frame, which is then missing: so mending it moves no other
        return cls(keys, [max(1, source.length(key)) for key in keys], views, batch_size)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def batches(self) -> int:
        return -(-len(self) // self.batch_size)

    def rows(self, batch: int) -> range:
        return range(batch * self.batch_size, min((batch + 1) * self.batch_size, len(self)))

    def place(self, row: int) -> tuple[int, int, str]:
        """Clip, frame and view of a row."""
        clip = int(np.searchsorted(self.starts, row, side="right")) - 1
        frame, view = divmod(row - int(self.starts[clip]), len(self.views))
        return clip, frame, self.views[view]

    def segments(self, batch: int) -> list[Segment]:
        rows, found = self.rows(batch), []
        start = rows.start
        while start < rows.stop:
            clip, first, _ = self.place(start)
            stop = min(rows.stop, int(self.starts[clip + 1]))
            found.append(Segment(clip, self.keys[clip], first, self.place(stop - 1)[1], start, stop))
            start = stop
        return found

    @cached_property
    def clip_of(self) -> dict[str, int]:
        return {key: clip for clip, key in enumerate(self.keys)}

    def row_of(self, key: str, frame: int, view: str) -> int | None:
        """Place of a stored row in this plan; None if this plan does not have it."""
        clip = self.clip_of.get(key)
        if clip is None or view not in self.views or not 0 <= frame < self.lengths[clip]:
            return None
        return int(self.starts[clip]) + frame * len(self.views) + self.views.index(view)
