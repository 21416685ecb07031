"""What is measured: of every picture, of every object in it, of every clip, and of slots without the truth."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.boundary import boundary_f
from vitreous.metrics.contingency import contingency
from vitreous.metrics.diagnostics import DIAGNOSTICS, mean_fill
from vitreous.metrics.iou import best_overlaps, matched_iou, mean_best_overlap
from vitreous.metrics.tracking import keeps_object, object_overlap, slot_overlap
from vitreous.types import SlotOutput

Metric = Callable[[Tensor, Tensor], Tensor]
METRICS: dict[str, Metric] = {
    "fg_ari": lambda pred, true: adjusted_rand_index(pred, true, ignore=0),
    "ari": adjusted_rand_index,
    "mbo": mean_best_overlap,
    "miou": matched_iou,
    "boundary_f": boundary_f,
}
CLIP_METRICS: dict[str, Metric] = {  # the same functions: a clip as one image, where an object has to keep its slot
    "video_fg_ari": METRICS["fg_ari"],
    "video_ari": METRICS["ari"],
    "video_mbo": METRICS["mbo"],
    "video_miou": METRICS["miou"],
    "slot_overlap": lambda pred, true: slot_overlap(pred),
    "object_overlap": object_overlap,
    "keeps_object": keeps_object,
}
SIZES = {"small (to 1 %)": 0.01, "medium (to 3 %)": 0.03, "large (over 3 %)": 1.0}  # up to this share of the picture


def of_pictures(pred: Int[Tensor, "t y x"], true: Int[Tensor, "t y x"]) -> list[dict[str, float]]:
    """All metrics of each picture."""
    values = [metric(pred, true).tolist() for metric in METRICS.values()]
    return [dict(zip(METRICS, one, strict=True)) for one in zip(*values, strict=True)]


def of_objects(pred: Int[Tensor, "t y x"], true: Int[Tensor, "t y x"]) -> list[list[dict[str, Any]]]:
    """Of each picture, the objects that can be seen: id, best IoU with any segment, size as one of `SIZES`."""
    table = contingency(pred, true, ignore=0)
    best, pixels = best_overlaps(table), table.shared.sum(1)
    share = pixels / true[0].numel()
    return [
        [
            {"id": int(table.true_labels[i]), "best_iou": float(best[t, i]), "size": size(float(share[t, i]))}
            for i in pixels[t].nonzero().flatten().tolist()
        ]
        for t in range(len(true))
    ]


def size(share: float) -> str:
    return next(name for name, most in SIZES.items() if share <= most)


def of_clip(pred: Int[Tensor, "t y x"], true: Int[Tensor, "t y x"]) -> dict[str, float]:
    """All metrics of the clip as a whole."""
    return {name: metric(pred[None], true[None]).item() for name, metric in CLIP_METRICS.items()}


def of_slots(out: SlotOutput, features: Float[Tensor, "n h w d"]) -> list[dict[str, float]]:
    """Diagnostics of each picture, on the grid; `features` are those that the method saw, standardised."""
    masks = out.masks.flatten(0, 1)
    found = {name: metric(masks) for name, metric in DIAGNOSTICS.items()}
    found["mean_fill"] = mean_fill(out.rebuilt.flatten(0, 1), features)
    return [dict(zip(found, one, strict=True)) for one in torch.stack(list(found.values()), 1).tolist()]
