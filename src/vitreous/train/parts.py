"""Which clips are trained on, which are held out, and which part of a batch a device takes."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float16, Int
from torch import Tensor

from vitreous.errors import RunError
from vitreous.features.loader import Loader, Stored
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.types import Frame


class Part:
    """Some clips of a store, brought to scale by the statistics of the store that is trained on."""

    def __init__(self, store: FeatureStore, clips: Sequence[int], by: Stored) -> None:
        self.store, self.path, self.meta, self.by = store, store.path, store.meta, by
        self.taken = np.isin(np.arange(len(store.keys)), clips)

    def windows(self, frames: int, random: np.random.Generator | None = None) -> Int[np.ndarray, "m t"]:
        rows = self.store.windows(frames, random)
        return rows[self.taken[self.store.clip[rows[:, 0]]]]

    def batch(self, rows: Int[np.ndarray, " n"]) -> Float16[Tensor, "n h w d"]:
        return self.store.batch(rows)

    def frame(self, row: int | np.integer) -> Frame:
        return self.store.frame(row)

    def standardiser(self, mode: str = "dataset") -> Standardiser:
        return self.by.standardiser(mode)

    def key(self, row: int | np.integer) -> str:
        return self.store.key(row)

    def pin(self, share: float = 0.5) -> bool:
        return self.store.pin(share)


def split(store: FeatureStore, share: float, seed: int) -> tuple[Part, Part]:
    """Clips to train on, and a share of them, at least one, held out. Whole clips: neighbouring frames are alike."""
    clips = len(store.keys)
    if not 0 < share < 1 or clips < 2:
        raise RunError(
            f"--validate {share} of {clips} clips: expected a share between 0 and 1 of at least two clips, or a store."
        )
    order = np.random.default_rng([seed, clips]).permutation(clips).tolist()
    count = min(clips - 1, max(1, round(share * clips)))
    return Part(store, order[count:], store), Part(store, order[:count], store)


class DividedLoader(Loader):
    """Every device takes its own part of each batch; together they see what one device would have seen.

    part  (rank, devices)
    """

    part: tuple[int, int] = (0, 1)

    def check(self, devices: int) -> None:
        """Refuse batches that do not divide evenly: the mean of the devices' gradients would not be the batch's."""
        if self.batch_size % devices:
            raise RunError(
                f"Batches of {self.batch_size} clips cannot be divided evenly among {devices} devices. "
                "Choose another --batch-size or other --devices."
            )

    def plan(self, steps: Iterator[int]) -> Iterator[Int[np.ndarray, "b t"]]:
        rank, devices = self.part
        for rows in super().plan(steps):
            yield rows[rank::devices]
