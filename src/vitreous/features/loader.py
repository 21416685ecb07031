"""Batches for training, in an order that seed and step alone decide: a resumed run sees what it would have seen."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float16, Int
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from vitreous.errors import StoreError, VitreousError
from vitreous.features.standardise import Standardiser
from vitreous.types import Batch

AHEAD = 2  # batches read in advance while the model works


@runtime_checkable
class Stored(Protocol):
    """What a loader needs of a store."""

    @property
    def path(self) -> Path: ...

    def batch(self, rows: Int[np.ndarray, " n"]) -> Float16[Tensor, "n h w d"]: ...

    def windows(self, frames: int, random: np.random.Generator | None = None) -> Int[np.ndarray, "m t"]: ...

    def standardiser(self, mode: str = "dataset") -> Standardiser: ...

    def key(self, row: int | np.integer) -> str: ...

    def pin(self, share: float = 0.5) -> bool: ...


class Loader(IterableDataset[Batch]):
    """Batches [b t h w d] of a store, float32 and standardised.

    A sample is `frames` consecutive frames of a clip in one view. In an epoch every frame comes once, but for those
    that do not fill a window or a last batch; where windows begin is drawn anew.

        for batch in loader: ...                       one epoch, the next one each time
        for batch in loader.batches(start=1000): ...   without end, as if 1000 batches had been taken before
        DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="spawn")   workers share an epoch

    Without `shuffle`, clips come in order, windows start at the first frame, and the last batch may be smaller.
    With it, all batches are full (a store smaller than a batch makes one batch of all it has).
    `pin` keeps all features in memory where they fit; else a thread reads ahead.
    `shard=(rank, ranks)` gives every ranks-th batch. Workers of a DataLoader do not count epochs: use `set_epoch`.
    `beside` reads what else a batch holds, as `Beside` does.
    """

    def __init__(
        self,
        store: Stored,
        batch_size: int,
        frames: int = 1,
        standardise: str = "dataset",
        shuffle: bool = True,
        seed: int = 0,
        pin: bool = True,
        shard: tuple[int, int] = (0, 1),
        beside: Callable[[Int[np.ndarray, "b t"]], dict[str, Any]] | None = None,
    ) -> None:
        if batch_size < 1 or frames < 1:
            raise VitreousError(f"Batch size and frames must be at least 1, got {batch_size} and {frames}.")
        self.store, self.frames, self.shuffle, self.seed, self.shard = store, frames, shuffle, seed, shard
        self.beside = beside
        self.windows = len(store.windows(frames))
        if not self.windows:
            raise StoreError(f"{store.path}: no clip has {frames} consecutive frames. Ask for fewer frames.")
        self.batch_size = min(batch_size, self.windows) if shuffle else batch_size
        self.standardise = store.standardiser(standardise)
        self.epoch = 0
        self.reads_ahead = not (pin and store.pin())

    def __len__(self) -> int:
        """Batches in an epoch, over all shards."""
        return self.windows // self.batch_size if self.shuffle else -(-self.windows // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        worker, (rank, ranks) = get_worker_info(), self.shard
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        first = self.epoch * len(self)
        self.epoch += 1
        yield from self.at(range(first + rank + ranks * number, first + len(self), ranks * workers))

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """All batches of this shard from its `start`-th on, epoch after epoch, without end."""
        rank, ranks = self.shard
        return self.at(count(start * ranks + rank, ranks))

    def at(self, steps: "range | count[int]") -> Iterator[Batch]:
        """Batches of some steps, counted over all epochs and shards; the rows are planned an epoch at a time."""
        planned = self.plan(iter(steps))
        if not self.reads_ahead:
            yield from map(self.read, planned)
            return
        waiting: list[Future[Batch]] = []
        with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
            for rows in planned:
                waiting.append(pool.submit(self.read, rows))
                if len(waiting) > AHEAD:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()

    def plan(self, steps: Iterator[int]) -> Iterator[Int[np.ndarray, "b t"]]:
        now, order = -1, np.empty((0, self.frames), dtype=np.int64)
        for step in steps:
            epoch, place = divmod(step, len(self))
            if epoch != now:
                now, order = epoch, self.order(epoch)
            yield order[place * self.batch_size : (place + 1) * self.batch_size]

    def order(self, epoch: int) -> Int[np.ndarray, "m t"]:
        """Rows of all windows of an epoch."""
        if not self.shuffle:
            return self.store.windows(self.frames)
        random = np.random.default_rng([self.seed, epoch])
        return random.permutation(self.store.windows(self.frames, random))

    def read(self, rows: Int[np.ndarray, "b t"]) -> Batch:
        features = self.standardise(self.store.batch(rows.reshape(-1)))
        keys = [self.store.key(row) for row in rows[:, 0]]
        return Batch(features.unflatten(0, rows.shape), keys, **(self.beside(rows) if self.beside else {}))
