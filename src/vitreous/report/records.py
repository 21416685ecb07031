"""Everything that is measured on a data set, line by line."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from vitreous.report.measure import CLIP_METRICS, SIZES, of_clip, of_objects, of_pictures

Instances = list[dict[str, Any]] | None
PLACE = ["key", "frame", "view"]
TOLD = {"material": "material", "shape": "shape", "colour": "colour", "visible_share": "visible"}  # by object tables
OBJECT = [*PLACE, "row", "id", "best_iou", "object_ari", "share", "size", "touching", *TOLD.values()]


@dataclass(frozen=True)
class Picture:
    """A picture of the store: its truth, what each row of the table says, and diagnostics of the run's slots."""

    key: str
    index: int
    view: str
    true: Int[Tensor, "y x"]
    found: dict[str, Int[Tensor, "y x"]]
    slots: dict[str, float]


@dataclass(frozen=True)
class Records:
    """What was measured, one line each: of picture and row, of object and row, of clip and row, of picture."""

    pictures: pd.DataFrame
    objects: pd.DataFrame
    clips: pd.DataFrame
    slots: pd.DataFrame
    seen: "Seen"


@dataclass
class Seen:
    """What was scored, as far as two runs have to agree on it to be compared.

    sizes  of the pictures: "128x128"
    """

    sizes: set[str] = field(default_factory=set)
    pictures: Any = field(default_factory=hashlib.sha256)
    truth: Any = field(default_factory=hashlib.sha256)

    def add(self, picture: Picture, instances: Instances) -> None:
        height, width = picture.true.shape
        self.sizes.add(f"{height}x{width}")
        self.pictures.update(f"{picture.key}\t{picture.index}\t{picture.view}\n".encode())
        told = [[row.get("id")] + [row.get(name) for name in TOLD] for row in instances or []]
        self.truth.update(f"{height}x{width} {told}".encode() + picture.true.to(torch.int32).numpy().tobytes())

    def digests(self) -> dict[str, str]:
        """Of the list of pictures, and of their truth: ids, and what is told of the objects."""
        return {"list": self.pictures.hexdigest(), "truth": self.truth.hexdigest()}


def measure(found: Iterable[Picture], instances: Callable[[str], Instances]) -> Records:
    """All metrics of all rows, clip by clip, whose frames follow one another; a clip is held whole.

    instances  the object table of a clip by its key, where materials come from
    """
    pictures, objects, clips, slots, seen = [], [], [], [], Seen()
    for (key, view), some in groupby(found, key=lambda picture: (picture.key, picture.view)):
        clip, known = list(some), instances(key)
        true = torch.stack([picture.true for picture in clip])
        for picture in clip:
            seen.add(picture, known)
            slots.append(place(picture) | picture.slots)
        for row in clip[0].found:
            pred = torch.stack([picture.found[row] for picture in clip])
            for picture, values, things in zip(clip, of_pictures(pred, true), of_objects(pred, true), strict=True):
                things = [thing | told(known, thing["id"], picture.index) for thing in things]
                pictures.append(place(picture) | {"row": row} | about(picture, clip, things) | values)
                objects += [place(picture) | {"row": row} | thing for thing in things]
            if len(clip) > 1:
                clips.append({"key": key, "view": view, "row": row} | of_clip(pred, true))
    return Records(
        pd.DataFrame(pictures),
        pd.DataFrame(objects, columns=OBJECT).astype({"size": pd.CategoricalDtype(list(SIZES), ordered=True)}),
        pd.DataFrame(clips, columns=["key", "view", "row", *CLIP_METRICS]),
        pd.DataFrame(slots),
        seen,
    )


def place(picture: Picture) -> dict[str, Any]:
    return {"key": picture.key, "frame": picture.index, "view": picture.view}


def about(picture: Picture, clip: list[Picture], seen: list[dict[str, Any]]) -> dict[str, Any]:
    """What is to be seen in a picture.

    scene          the material of all objects that can be seen, or mixed; None where no material is known
    frame_of_clip  first or last; None for the others and for stills
    """
    kinds = sorted({thing["material"] for thing in seen if thing["material"]})
    ends = {clip[-1].index: "last", clip[0].index: "first"} if len(clip) > 1 else {}
    return {
        "objects": len(seen),
        "materials": " ".join(kinds),
        "scene": "mixed" if len(kinds) > 1 else next(iter(kinds), None),
        "frame_of_clip": ends.get(picture.index),
    }


def told(instances: Instances, name: int, frame: int) -> dict[str, Any]:
    """What the table says of an object in a frame; it may have lists over frames, or a line per object and frame."""
    rows = [row for row in instances or [] if row.get("id") == name]
    row = next((row for row in rows if row.get("frame") == frame), rows[0] if rows else {})
    return {ours: at(row.get(theirs), frame) for theirs, ours in TOLD.items()}


def at(value: Any, frame: int) -> Any:
    if isinstance(value, list):
        return value[frame] if frame < len(value) else None
    return value
