"""Find an object elsewhere: the slots of a store as a Lance table, and those nearest to a slot, by vector search.

    _vitreous/slots_DIGEST.lance    in the store's own folder: a line per slot that wins a patch
        vector   float32 [s]        of length 1
        key frame row slot share    as in `SlotSpace.table`
        masks    float16 [2 h w]    its own share of each patch, and the largest of all others

The digest is that of the run's weights and of the store's version, so a table that is there fits. It can be made again
at any time; where the store may not be written, it goes to another folder.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vitreous.features.format import SIDE_FOLDER
from vitreous.features.store import FeatureStore
from vitreous.predict.segment import check_store
from vitreous.report.neighbours import cut
from vitreous.report.slot_space import SlotSpace, collect
from vitreous.runs import WEIGHTS, Run

MOST = 20_000  # slots that are searched, of pictures spread over the store
SEVERAL = 16  # slots that are fetched per answer: a clip answers once, with its best


@dataclass(frozen=True)
class Found:
    """A slot like the one that was asked for.

    cosine  with it
    share   of the patches of its picture
    """

    key: str
    frame: int
    row: int
    cosine: float
    share: float
    masks: Float[Tensor, "2 h w"]

    def picture(self, store: FeatureStore) -> UInt8[np.ndarray, "y x 3"]:
        return cut(store.frame(self.row).image, self.masks, 0)


def slots_table(run: Run, store: FeatureStore, aside: Path, most: int = MOST) -> Path:
    """The table of a run on a store; made if it is not there. `aside`: a folder for stores that may not be written."""
    check_store(run, store)
    weights = (run.folder / WEIGHTS).read_bytes()
    told = f"{store.path.resolve()} {store.open().version} {most}".encode()
    name = f"slots_{hashlib.sha256(weights + told).hexdigest()[:16]}.lance"
    for folder in (store.path / SIDE_FOLDER, aside):
        if (folder / name).is_dir():
            return folder / name
    folder = store.path / SIDE_FOLDER
    folder = folder if os.access(folder if folder.is_dir() else store.path, os.W_OK) else aside
    new, path = folder / f"{name}.{os.getpid()}", folder / name
    lance.write_dataset(as_table(collect(run, store, most)), str(new))
    try:
        new.rename(path)
    except OSError:  # somebody else was quicker
        shutil.rmtree(new)
    return path


def as_table(space: SlotSpace) -> pa.Table:
    own = [masks_of(space.masks[row], slot) for row, slot in zip(space.table["row"], space.table["slot"], strict=True)]
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(space.unit.astype(np.float32).reshape(-1)), space.unit.shape[1]
    )
    columns = {name: pa.array(space.table[name]) for name in ("key", "frame", "row", "slot", "share")}
    masks = pa.array([m.numpy().tobytes() for m in own], pa.binary())
    shape = str(tuple(own[0].shape[1:])).encode()
    return pa.table(columns | {"vector": vectors, "masks": masks}).replace_schema_metadata({"grid": shape})


def masks_of(masks: Float[Tensor, "k h w"], slot: int) -> Float[Tensor, "2 h w"]:
    others = masks.clone()
    others[slot] = 0
    return torch.stack([masks[slot], others.amax(0)]).half()


def nearest(table: Path, slot: Float[Tensor, " s"], but: str = "", count: int = 8) -> list[Found]:
    """The nearest slots of other clips than `but`, each clip once, best first."""
    data = lance.dataset(str(table))
    h, w = (int(side) for side in data.schema.metadata[b"grid"].decode().strip("()").split(","))
    query = {"column": "vector", "q": slot.float().numpy(), "k": count * SEVERAL, "metric": "cosine"}
    other = f"key != '{but.replace(chr(39), chr(39) * 2)}'"
    columns = ["key", "frame", "row", "share", "masks", "_distance"]
    best: dict[str, Found] = {}
    for line in data.to_table(columns, nearest=query, filter=other, prefilter=True).to_pylist():
        masks = torch.from_numpy(np.frombuffer(line["masks"], np.float16).reshape(2, h, w).copy()).float()
        found = Found(line["key"], line["frame"], line["row"], 1 - line["_distance"], line["share"], masks)
        best.setdefault(found.key, found)
    return list(best.values())[:count]
