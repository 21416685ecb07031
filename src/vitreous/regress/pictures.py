"""Pictures as samples: one number each, seen in several views, each view in one or more tiles.

A store keeps one row per picture and view. Views that begin with a crop are tiles of a view: "crop:0,0,0.5,1+hflip" is
the left half of "hflip". Tiles of a view are looked at together, so a large picture keeps its patches small.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor

from vitreous.errors import DataError, StoreError, did_you_mean
from vitreous.features.standardise import Standardiser
from vitreous.features.statistics import FeatureSums
from vitreous.features.store import FeatureStore
from vitreous.features.views import crop_box

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@runtime_checkable
class Rows(Protocol):
    """What is needed of a store."""

    @property
    def path(self) -> Any: ...

    def batch(self, rows: Any) -> Float16[Tensor, "b h w d"]: ...

    def standardiser(self, mode: str = "dataset") -> Standardiser: ...


class Pictures:
    """Some pictures of a store. Indexing gives fewer of them, so scikit-learn can divide them.

    keys   names, in order
    views  names without their crops
    tiles  left, top, right, bottom in shares of the picture, in rows
    rows   of the store: [picture, view, tile]
    """

    def __init__(
        self,
        store: Rows,
        keys: Sequence[str],
        views: tuple[str, ...],
        tiles: tuple[Box, ...],
        rows: Int[np.ndarray, "n v p"],
        shape: tuple[int, int, int],
    ) -> None:
        self.store, self.keys, self.views, self.tiles, self.rows = store, list(keys), views, tiles, rows
        self.grid, self.dim = shape[:2], shape[2]

    @property
    def shape(self) -> tuple[int]:
        """(pictures,): what scikit-learn asks for."""
        return (len(self.rows),)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Any) -> "Pictures":
        places = np.arange(len(self))[which].reshape(-1)
        keys = [self.keys[i] for i in places]
        return Pictures(self.store, keys, self.views, self.tiles, self.rows[places], (*self.grid, self.dim))

    def patches(
        self, which: Int[np.ndarray, " b"], views: Int[np.ndarray, " b"], standardise: Standardiser
    ) -> Float[Tensor, "b n d"]:
        """Standardised patches of pictures, each in a view; those of its tiles one after the other."""
        rows = self.rows[which, views]
        features = standardise(self.store.batch(rows.reshape(-1)))
        return features.reshape(len(rows), -1, self.dim)

    @staticmethod
    def of_store(
        store: FeatureStore, keys: Sequence[str] | None = None, views: Sequence[str] | None = None
    ) -> "Pictures":
        """All clips of a store, or those named, in that order; in all its views, or in some."""
        named = [tile_of(view) for view in store.meta.views]
        kinds = tuple(dict.fromkeys(kind for kind, _ in named))
        tiles = tuple(sorted({box for _, box in named}, key=lambda box: (box[1], box[0])))
        if len(named) != len(kinds) * len(tiles):
            raise StoreError(f"{store.path} holds views {' '.join(store.meta.views)}: not every view has all tiles.")
        for view in views or ():
            if view not in kinds:
                raise StoreError(f'{store.path} holds no view "{view}".{did_you_mean(view, kinds)}')
        chosen = tuple(views or kinds)
        place = [[named.index((kind, box)) for box in tiles] for kind in chosen]
        table = rows_by_clip(store, store.keys if keys is None else keys)
        return Pictures(store, store.keys if keys is None else keys, chosen, tiles, table[:, place], store.meta.shape)

    @staticmethod
    def of_array(features: Any) -> "Pictures":
        """Of features in memory, [n h w d]: one view, one tile."""
        array = np.asarray(features)
        held = Held(torch.as_tensor(array if array.flags.writeable else array.copy()).half())  # as joblib hands it over
        n, h, w, d = held.features.shape
        rows = np.arange(n).reshape(n, 1, 1)
        return Pictures(held, [str(i) for i in range(n)], ("identity",), (WHOLE,), rows, (h, w, d))


class Held:
    """Features in memory, in the manner of a store."""

    path = "features in memory"

    def __init__(self, features: Float16[Tensor, "n h w d"]) -> None:
        self.features = features

    def batch(self, rows: Any) -> Float16[Tensor, "b h w d"]:
        return self.features[torch.as_tensor(rows)]

    def standardiser(self, mode: str = "dataset") -> Standardiser:
        h, w, d = self.features.shape[1:]
        sums = FeatureSums((h, w, d))
        sums.add(self.features)
        return Standardiser.of(sums.statistics(), mode)


def tile_of(view: str) -> tuple[str, Box]:
    """The view without its crop, and the crop: ("hflip", (0, 0, 0.5, 1)) of "crop:0,0,0.5,1+hflip"."""
    first, _, rest = view.partition("+")
    if first.startswith("crop:"):
        return rest or "identity", crop_box(first)
    return view, WHOLE


def keys_in(store: FeatureStore, names: Sequence[str]) -> list[str]:
    """Names of pictures as a store spells them: as they are, or without their ending, as `vitreous extract` does."""
    there = set(store.keys)
    if names and not there & set(names):
        short = [name.rpartition(".")[0] or name for name in names]
        if there & set(short):
            return short
    return list(names)


def twins(pictures: Pictures) -> list[tuple[int, int]]:
    """Pictures that are the same, byte for byte, as another that stands before them."""
    if not isinstance(pictures.store, FeatureStore):
        return []
    first: dict[int, int] = {}
    checksums = pictures.store.take(pictures.rows[:, 0, 0], ["checksum"])["checksum"]
    return [(first[c], at) for at, c in enumerate(checksums) if first.setdefault(c, at) != at]


def rows_by_clip(store: FeatureStore, keys: Sequence[str]) -> Int[np.ndarray, "n v"]:
    """Row of each clip in each of the store's views; DataError where a picture is not there, or is a video."""
    frames = dict(zip(store.keys, store.lengths, strict=True))
    skipped = dict(store.meta.skipped)
    for key in keys:
        if key not in frames:
            why = next((f" It was skipped: {why}" for what, why in skipped.items() if key in what), "")
            raise DataError(f'{store.path} holds no picture "{key}".{why or did_you_mean(key, store.keys[:5000])}')
        if frames[key] != 1:
            raise DataError(f"{key} in {store.path} is a video of {frames[key]} frames: a number belongs to a picture.")
    order = np.lexsort((store.view, store.clip))
    found = {clip: list(rows) for clip, rows in groupby(order.tolist(), key=lambda row: int(store.clip[row]))}
    table = [found[store.clip_of[key]] for key in keys]
    for key, rows in zip(keys, table, strict=True):
        if len(rows) != len(store.meta.views):
            raise StoreError(
                f"{store.path} lacks views of {key}: it has {len(rows)} of {len(store.meta.views)}. Go on with its "
                f"extraction:\n  {store.meta.command(store.path)}"
            )
    return np.array(table, dtype=np.int64).reshape(len(keys), len(store.meta.views))
