"""The feature store: features, pictures and ids of a data set, ready for training and scoring.

A store is opened at one version: rows that an extraction adds later show up when it is opened again.
Rows are counted in the order of the plan (clip, frame, view), whatever order they were written in.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor

from vitreous.errors import DataError, StoreError, did_you_mean
from vitreous.features.direct import DirectRows
from vitreous.features.format import Findings, Maker, open_lance, read_meta
from vitreous.features.loader import Loader
from vitreous.features.preprocess import Preprocess, decode, decode_ids
from vitreous.features.standardise import Standardiser
from vitreous.features.statistics import Statistics
from vitreous.features.writing import read_sums, sum_up
from vitreous.notebook import as_pictures, as_table
from vitreous.types import Frame

PIN_ROWS = 256  # read at once while pinning
Row = int | np.integer
Rows = range | Sequence[Row] | Int[np.ndarray, " n"] | Int[Tensor, " n"]


class FeatureStore:
    """Read a store.

    meta     what made it
    keys     clips in order; `lengths` their frames, of those that are stored
    pinned   all features in memory, after `pin()`
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        dataset = self.open()
        self.meta = read_meta(dataset, self.path)
        self.pinned: Float16[Tensor, "n h w d"] | None = None
        table = dataset.to_table(columns=["row", "key", "frame", "view"]).combine_chunks()
        row = table["row"].to_numpy()
        self.offset = np.argsort(row, kind="stable")  # place on disk
        self.row = row[self.offset]  # place in the plan
        if len(double := self.row[1:][np.diff(self.row) == 0]):
            raise StoreError(f"{self.path}: row {double[0]} is there twice. Extract again into a new store.")
        table = table.take(self.offset)
        self.clip, self.keys = coded(table["key"])
        self.frame_index = table["frame"].to_numpy()
        view, names = coded(table["view"])
        self.view = np.array([self.meta.views.index(name) for name in names], dtype=np.int64)[view]

    def open(self) -> lance.LanceDataset:
        """The data set, opened anew in a forked or spawned process: Lance's threads and files do not come along."""
        if getattr(self, "pid", None) != os.getpid():
            self.dataset, self.pid = open_lance(self.path), os.getpid()
        return self.dataset

    def __len__(self) -> int:
        return len(self.row)

    @property
    def grid(self) -> tuple[int, int]:
        """Patches (h, w)."""
        return self.meta.grid

    @property
    def dim(self) -> int:
        """Numbers per patch."""
        return self.meta.dim

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.path)!r}: {len(self)} rows of {len(self.keys)} clips, {self.meta.describe()})"

    def _repr_html_(self) -> str:
        """In a notebook: what it holds, and some of its pictures."""
        first = [int(self.rows(key)[0]) for key in self.keys[:8]]
        rows = [
            ("store", self.path),
            ("rows", f"{len(self)} of {len(self.keys)} clips"),
            ("features", self.meta.describe()),
            ("source", self.meta.source.get("name")),
        ]
        return as_table(rows) + as_pictures([self.frame(row).image for row in first])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("dataset", "pid")}

    @cached_property
    def lengths(self) -> list[int]:
        """Frames of each clip, in the order of `keys`."""
        frames = np.unique(np.stack([self.clip, self.frame_index]), axis=1)
        return np.bincount(frames[0], minlength=len(self.keys)).tolist()

    @cached_property
    def stats(self) -> Statistics:
        """Of every row; summed while extracting, or now where an extraction was killed in between."""
        if not len(self):
            raise StoreError(f"{self.path} is empty: there are no statistics to standardise by.")
        return sum_up(self.open(), *read_sums(self.path, self.meta.shape)).statistics()

    def standardiser(self, mode: str = "dataset") -> Standardiser:
        """By this store's statistics; for its own features and for those of new pictures alike."""
        return Standardiser.of(self.stats, mode)

    def take(self, rows: Rows, columns: list[str]) -> dict[str, Any]:
        """Columns of some rows, in the order asked for: features as float16 tensor, others as lists."""
        # sorted: Lance reads rising offsets six times faster than the same rows in any order
        offsets, back = np.unique(self.offset[self.checked(rows)], return_inverse=True)
        table = self.open().take(offsets.tolist(), columns=columns)
        found: dict[str, Any] = {}
        for name in columns:
            if name == "features":
                found[name] = in_order(table[name], self.meta.shape, back)
            else:
                values = table[name].to_pylist()
                found[name] = [values[i] for i in back]
        return found

    def checked(self, rows: Rows) -> Int[np.ndarray, " n"]:
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"row {wanted.max() if wanted.max() >= len(self) else wanted.min()} of {len(self)}")
        return wanted

    def batch(self, rows: Rows) -> Float16[Tensor, "b h w d"]:
        """Features as stored, in the order asked for."""
        if self.pinned is not None:
            return self.pinned.index_select(0, torch.as_tensor(np.asarray(rows, dtype=np.int64)))
        if self.direct is None:
            return self.take(rows, ["features"])["features"]
        return torch.from_numpy(self.direct.read(self.offset[self.checked(rows)])).view(-1, *self.meta.shape)

    @cached_property
    def direct(self) -> DirectRows | None:
        """The quick way to the features; None where Lance has to be asked."""
        return DirectRows.of(self.open(), self.path, int(np.prod(self.meta.shape)))

    def features(self, rows: Rows, standardise: str = "dataset") -> Float[Tensor, "b h w d"]:
        """Features as float32, standardised by this store's statistics."""
        return self.standardiser(standardise)(self.batch(rows))

    def rows(self, key: str, view: str | None = None) -> Int[np.ndarray, " t"]:
        """Rows of a clip in one view (default: the first), frame by frame."""
        if view is not None and view not in self.meta.views:
            raise StoreError(f'{self.path} holds no view "{view}".{did_you_mean(view, self.meta.views)}')
        here = 0 if view is None else self.meta.views.index(view)
        rows = self.rows_of(key)
        return rows[self.view[rows] == here]

    def rows_of(self, key: str) -> Int[np.ndarray, " n"]:
        """All rows of a clip, of all views."""
        if key not in self.clip_of:
            raise DataError(f'{self.path} holds no clip "{key}".{did_you_mean(key, self.keys[:10000])}')
        start, stop = np.searchsorted(self.clip, [self.clip_of[key], self.clip_of[key] + 1]).tolist()
        return np.arange(start, stop)

    @cached_property
    def clip_of(self) -> dict[str, int]:
        return {key: clip for clip, key in enumerate(self.keys)}

    def key(self, row: Row) -> str:
        return self.keys[self.clip[row]]

    def picture(self, row: Row) -> Frame:
        """The stored picture of a row and its ids, before view and fit; `encoded` are the stored bytes."""
        found = self.take([row], ["picture", "ids"])
        encoded, ids = found["picture"][0], found["ids"][0]
        ids = None if ids is None else decode_ids(ids)
        return Frame(self.key(row), int(self.frame_index[row]), decode(encoded), ids, encoded)

    def frame(self, row: Row) -> Frame:
        """What the backbone saw, at full stored size: picture and ids after view and fit, so the grid spans all of it.

        A mask on the grid, scaled to this picture, lies where the patches were. It was resized to the backbone's
        size after that. `picture(row)` is the uncut one.
        """
        view = self.meta.views[self.view[row]]
        return Preprocess(self.grid, self.meta.fit, view)(self.picture(row))

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        """The clip's object table, one dict per object, as the source knew it; None if it did not."""
        found = self.take(self.rows_of(key), ["instances"])["instances"]
        texts = [text for text in found if text is not None]  # written once per clip and batch
        return json.loads(texts[0]) if texts else None

    def windows(self, frames: int, random: np.random.Generator | None = None) -> Int[np.ndarray, "m t"]:
        """Rows of all stretches of `frames` consecutive frames of one clip and view, one after the other.

        Clips that are shorter have none. `random` shifts where they begin, as far as their number stays the same.
        """
        order, starts, lengths = self.stretches
        if frames == 1:
            return order[:, None]
        starts, lengths = starts[lengths >= frames], lengths[lengths >= frames]
        slack = lengths % frames + 1
        begin = starts + (random.integers(slack) if random else 0)
        found = [order[b : b + n * frames].reshape(n, frames) for b, n in zip(begin, lengths // frames, strict=True)]
        return np.concatenate(found) if found else np.empty((0, frames), dtype=np.int64)

    @cached_property
    def stretches(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Rows by clip, view and frame, and where in this order frames follow one another: starts and lengths."""
        order = np.lexsort((self.frame_index, self.view, self.clip))
        same = (np.diff(self.clip[order]) == 0) & (np.diff(self.view[order]) == 0)
        breaks = np.flatnonzero(~(same & (np.diff(self.frame_index[order]) == 1))) + 1
        starts = np.concatenate([[0], breaks])[: len(order)]
        return order, starts, np.diff(np.append(starts, len(order)))

    def pin(self, share: float = 0.5) -> bool:
        """Keep all features in memory if they fit in this share of what is free; says whether they did."""
        size = len(self) * 2 * int(np.prod(self.meta.shape))
        if self.pinned is None and size <= share * free_memory():
            everything = torch.empty((len(self), *self.meta.shape), dtype=torch.float16)
            for rows in np.array_split(np.arange(len(self)), -(-len(self) // PIN_ROWS)):
                everything[rows[0] : rows[-1] + 1] = self.batch(rows)
            self.pinned = everything
        return self.pinned is not None

    def loader(
        self,
        batch_size: int,
        frames: int = 1,
        standardise: str = "dataset",
        shuffle: bool = True,
        seed: int = 0,
        pin: bool = True,
        shard: tuple[int, int] = (0, 1),
    ) -> Loader:
        """Batches [b t h w d] for training: see Loader."""
        return Loader(self, batch_size, frames, standardise, shuffle, seed, pin, shard)

    def check(self, sample: int = 16, backbone: Maker | None = None) -> Findings:
        """Whether the store is whole and says the truth: see features/check.py."""
        from vitreous.features.check import check_store

        return check_store(self, sample, backbone)


def in_order(
    column: pa.ChunkedArray, shape: tuple[int, int, int], order: Int[np.ndarray, " b"]
) -> Float16[Tensor, "b h w d"]:
    """Rows of a column as one tensor: Lance's own memory where they come in order, else one copy."""
    numbers = shape[0] * shape[1] * shape[2]
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, numbers) for chunk in column.chunks]
    flat = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    if len(order) == len(flat) and bool((np.diff(order) == 1).all()):
        # DLPack, since torch warns of a NumPy view of Arrow's memory, which is marked read-only
        return torch.from_dlpack(pa.array(flat.reshape(-1))).view(-1, *shape)
    # not by torch: its threads go on spinning after the copy, on cores that Lance needs for the next batch
    return torch.from_numpy(flat[order]).view(-1, *shape)


def coded(column: pa.ChunkedArray) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """Strings as numbers, in order of first appearance."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def free_memory() -> int:
    """Bytes that this process may still take, as the system and its container (cgroup) say."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        line = next(x for x in Path("/proc/meminfo").read_text().splitlines() if x.startswith("MemAvailable"))
        found.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # "max" where there is no limit
        group = Path("/sys/fs/cgroup")
        used = int((group / "memory.current").read_text())
        found.append(int((group / "memory.max").read_text()) - used)
    if not found:  # not Linux
        with suppress(OSError, ValueError, AttributeError):
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return min(found, default=4 << 30)
