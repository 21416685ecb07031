"""What some methods need beside features: the pictures of a store, and the ids of a clip's first frame.

Both are cut as the backbone's input was (view, crop or squash), so that they lie under the patches.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from vitreous.errors import RunError, StoreError
from vitreous.features.format import StoreMeta
from vitreous.features.preprocess import nearest, resized
from vitreous.features.store import free_memory
from vitreous.types import Frame

MEMORY = 0.25  # share of what is free that decoded pictures may take


@runtime_checkable
class Framed(Protocol):
    """What is needed of a store here."""

    meta: StoreMeta

    @property
    def path(self) -> Path: ...

    def frame(self, row: int | np.integer) -> Frame:
        """Picture and ids, cut to what the grid spans, before resizing."""
        ...


class Beside:
    """For rows of a store, what a method needs beside their features, by the names that Batch has for it.

    needs    "pictures", "first_ids"; others are no concern of this
    size     (y, x) in pixels of both
    lasting  rows below it are the same whenever they are read, so they stay in memory while there is room
    """

    def __init__(self, store: Framed, needs: frozenset[str], size: tuple[int, int], lasting: int = 0) -> None:
        self.store, self.needs, self.size, self.lasting = store, needs, size, lasting
        self.seen: dict[int, tuple[UInt8[np.ndarray, "y x 3"], Int[np.ndarray, "y x"] | None]] = {}
        bytes_per_pixel = 3 + 8 * ("first_ids" in needs)
        self.room = int(MEMORY * free_memory() / (bytes_per_pixel * size[0] * size[1])) if lasting else 0

    def __call__(self, rows: Int[np.ndarray, "b t"]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "pictures" in self.needs:
            pictures = as_batch([self.look(int(row))[0] for row in rows.reshape(-1)])
            found["pictures"] = pictures.unflatten(0, rows.shape)
        if "first_ids" in self.needs:
            found["first_ids"] = torch.from_numpy(np.stack([self.ids(int(row)) for row in rows[:, 0]]))
        return found

    def ids(self, row: int) -> Int[np.ndarray, "y x"]:
        ids = self.look(row)[1]
        if ids is None:
            raise StoreError(f"{self.store.path} {NO_IDS}")
        return ids

    def look(self, row: int) -> tuple[UInt8[np.ndarray, "y x 3"], Int[np.ndarray, "y x"] | None]:
        found = self.seen.get(row)
        if found is None:
            frame = self.store.frame(row)
            known = frame.ids if "first_ids" in self.needs else None
            found = resized(frame.image, self.size), None if known is None else small_ids(known, self.size)
            if row < self.lasting and len(self.seen) < self.room:
                self.seen[row] = found
        return found


def small_ids(ids: Int[np.ndarray, "y x"], size: tuple[int, int]) -> Int[np.ndarray, "Y X"]:
    """Ids at the size that a method sees; they are never interpolated."""
    return nearest(ids, size).astype(np.int64)


def as_batch(pictures: Sequence[UInt8[np.ndarray, "y x 3"]]) -> Float[Tensor, "n 3 y x"]:
    """Pictures of one size as a method sees them, in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


NO_IDS = (
    "does not know the objects' ids in the first frames, where this method starts its slots.\n"
    "Choose a start that needs none (vitreous train --method NAME --help), or extract from data that has ids:  "
    "vitreous extract SOURCE_WITH_IDS --out STORE"
)


def provide(
    store: Framed, needs: frozenset[str], size: tuple[int, int] | None, method: str, frames: int, lasting: int = 0
) -> Beside | None:
    """What reads it; None where nothing is needed. A store that lacks it is refused by name.

    frames  per sample, as asked for
    """
    known, where = {"pictures", "first_ids", "keys", "frames"}, store.path
    if not needs <= known:
        raise ValueError(f"{method} needs {', '.join(needs - known)}, which nobody provides")
    if "frames" in needs and frames < 2:
        raise RunError(
            f"{method} learns from how a clip goes on, but one frame at a time was asked for: say --frames 4, of a "
            "store of clips."
        )
    facet = store.meta.backbone.get("facet")
    if "keys" in needs and facet != "token+key":
        keys = replace(store.meta, backbone=store.meta.backbone | {"facet": "token+key"})
        raise StoreError(
            f"{where} holds the {facet}s of its backbone alone, but {method} needs tokens and keys side by side.\n"
            f"Extract them:  {keys.command(Path('KEYS.lance'))}"
        )
    if not needs & {"pictures", "first_ids"}:
        return None
    at = size or store.meta.grid
    if "pictures" in needs and store.meta.keep_side < min(at):
        raise StoreError(
            f"{where} keeps its pictures at {store.meta.keep_side} px or less, but {method} looks at {at[0]} x {at[1]} "
            f"px (y, x).\nChoose a lower --resolution, or extract anew:  "
            f"{replace(store.meta, keep_side=max(at)).command(Path('LARGER.lance'))}"
        )
    if "first_ids" in needs and store.frame(0).ids is None:
        raise StoreError(f"{where} {NO_IDS}")
    return Beside(store, needs, at, lasting)
