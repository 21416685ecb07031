"""The backbone inside the training: features of random crops and flips, computed anew each time they are seen.

A store is quicker by far, since it runs the backbone once per picture; this is for few pictures that must look like
many. Statistics, and what the run says about its features, come from a small store of uncut pictures beside the run.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Int, UInt8
from torch import Tensor

from vitreous.features.extract import extract
from vitreous.features.format import Maker
from vitreous.features.preprocess import Preprocess, resized
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.types import Frame, Source

SAMPLE_CLIPS, SAMPLE_FRAMES = 256, 4  # of each clip; per-channel statistics of so many patches are exact to a per cent
SMALLEST = 0.5  # share of the picture's area that a crop keeps at least


class Sample:
    """Some clips of a source, evenly spread, and the first frames of each, under the name of the whole."""

    def __init__(self, source: Source) -> None:
        self.source, self.name, self.skipped = source, source.name, source.skipped
        step = max(1, -(-len(source.keys) // SAMPLE_CLIPS))
        self.keys: Sequence[str] = list(source.keys)[::step]

    def length(self, key: str) -> int:
        return min(SAMPLE_FRAMES, self.source.length(key))

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        return islice(self.source.frames(key, start), self.length(key) - start)

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        return self.source.instances(key)

    def fingerprint(self) -> str:
        return self.source.fingerprint()


class Online:
    """Pictures served as if they were a store of features. Rows are (draw, frame): each epoch draws its crops anew."""

    def __init__(self, source: Source, backbone: Maker, sample: Path, grid: int | tuple[int, int] = 16) -> None:
        self.source, self.backbone, self.path = source, backbone, Path(source.name)
        self.sample: FeatureStore = extract(Sample(source), sample, backbone, grid=grid)
        self.meta, self.grid, self.dim = self.sample.meta, self.sample.grid, self.sample.dim
        lengths = [source.length(key) for key in source.keys]
        self.clip = np.repeat(np.arange(len(lengths)), lengths)
        self.first = np.cumsum([0, *lengths])

    def __len__(self) -> int:
        return len(self.clip)

    def windows(self, frames: int, random: np.random.Generator | None = None) -> Int[np.ndarray, "m t"]:
        """As of a store; a window's frames share their draw, and so their crop."""
        starts = [
            np.arange(first, last - frames + 1, frames)
            for first, last in zip(self.first[:-1], self.first[1:], strict=True)
        ]
        rows = np.concatenate(starts)[:, None] + np.arange(frames) if starts else np.empty((0, frames), dtype=np.int64)
        draw = random.integers(1, 2**31, (len(rows), 1)) if random else 0
        return rows + draw * len(self)

    def batch(self, rows: Int[np.ndarray, " n"]) -> Float16[Tensor, "n h w d"]:
        images = [image for _, run in groupby(rows.tolist(), self.of) for image in self.pictures(list(run))]
        return self.backbone(torch.from_numpy(np.stack(images))[:, None])[:, 0].half().cpu()

    def of(self, row: int) -> tuple[int, int]:
        """Draw and clip of a row."""
        return row // len(self), int(self.clip[row % len(self)])

    def pictures(self, rows: list[int]) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
        """Neighbouring frames of one clip, cut alike, as the backbone sees them."""
        size = self.backbone.size_for(self.grid)
        return (resized(frame.image, size) for frame in self.cut(rows))

    def frame(self, row: int | np.integer) -> Frame:
        """As of a store: picture and ids of a draw, before resizing."""
        return next(self.cut([int(row)]))

    def cut(self, rows: list[int]) -> Iterator[Frame]:
        """Neighbouring frames of one clip, cut alike."""
        draw, clip = self.of(rows[0])
        start = rows[0] % len(self) - int(self.first[clip])
        view, flip = random_view(draw) if draw else ("identity", False)
        look = Preprocess(self.backbone.size_for(self.grid), self.meta.fit, view)
        for frame in islice(self.source.frames(self.source.keys[clip], start), len(rows)):
            yield mirrored(look(frame)) if flip else look(frame)

    def standardiser(self, mode: str = "dataset") -> Standardiser:
        return self.sample.standardiser(mode)

    def key(self, row: int | np.integer) -> str:
        return self.source.keys[self.of(int(row))[1]]

    def pin(self, share: float = 0.5) -> bool:
        return False


def mirrored(frame: Frame) -> Frame:
    """Left for right."""
    ids = None if frame.ids is None else frame.ids[:, ::-1]
    return Frame(frame.key, frame.index, frame.image[:, ::-1], ids)


def random_view(draw: int) -> tuple[str, bool]:
    """A crop of at least half of the picture, and whether it is flipped."""
    random = np.random.default_rng(draw)
    side = sqrt(random.uniform(SMALLEST, 1))
    left, top = random.uniform(0, 1 - side, 2)
    return f"crop:{left},{top},{left + side},{top + side}", bool(random.integers(2))
