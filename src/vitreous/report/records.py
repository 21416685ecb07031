"""Everything that is measured on a data set, line by line."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from vitreous.report.measure import CLIP_METRICS, SIZES, of_clip, of_objects, of_pictures

Instances = list[dict[str, Any]] | None


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


def measure(found: Iterable[Picture], instances: Callable[[str], Instances]) -> Records:
    """All metrics of all rows, clip by clip, whose frames follow one another; a clip is held whole.

    instances  the object table of a clip by its key, where materials come from
    """
    pictures, objects, clips, slots = [], [], [], []
    for (key, _), some in groupby(found, key=lambda picture: (picture.key, picture.view)):
        clip, material = list(some), materials(instances(key))
        true = torch.stack([picture.true for picture in clip])
        slots += [{"key": key} | picture.slots for picture in clip]
        for row in clip[0].found:
            pred, name = torch.stack([picture.found[row] for picture in clip]), {"key": key, "row": row}
            for picture, values, seen in zip(clip, of_pictures(pred, true), of_objects(pred, true), strict=True):
                seen = [thing | {"material": material.get(thing["id"])} for thing in seen]
                pictures.append(name | about(picture, clip, seen) | values)
                objects += [name | thing for thing in seen]
            if len(clip) > 1:
                clips.append(name | of_clip(pred, true))
    return Records(
        pd.DataFrame(pictures),
        pd.DataFrame(objects, columns=["key", "row", "id", "best_iou", "size", "material"]).astype(
            {"size": pd.CategoricalDtype(list(SIZES), ordered=True)}
        ),
        pd.DataFrame(clips, columns=["key", "row", *CLIP_METRICS]),
        pd.DataFrame(slots),
    )


def about(picture: Picture, clip: list[Picture], seen: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a picture comes from and what is to be seen in it.

    scene          the material of all objects that can be seen, or mixed; None where no material is known
    frame_of_clip  first or last; None for the others and for stills
    """
    kinds = sorted({thing["material"] for thing in seen if thing["material"]})
    ends = {clip[-1].index: "last", clip[0].index: "first"} if len(clip) > 1 else {}
    return {
        "frame": picture.index,
        "view": picture.view,
        "objects": len(seen),
        "materials": " ".join(kinds),
        "scene": "mixed" if len(kinds) > 1 else next(iter(kinds), None),
        "frame_of_clip": ends.get(picture.index),
    }


def materials(instances: Instances) -> dict[int, str]:
    """Material of each object of a scene, as far as its table tells; it may have a line per object and frame."""
    return {row["id"]: row["material"] for row in instances or [] if row.get("material")}
