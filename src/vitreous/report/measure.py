"""What is measured: of every picture, of every object in it, of every clip, and of slots without the truth."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.metrics.ari import adjusted_rand_index, pairs
from vitreous.metrics.boundary import boundary_f
from vitreous.metrics.contingency import Contingency, contingency
from vitreous.metrics.diagnostics import DIAGNOSTICS, mean_fill
from vitreous.metrics.iou import best_overlaps, matched_iou, mean_best_overlap, overlaps
from vitreous.metrics.tracking import keeps_object, object_overlap, slot_overlap
from vitreous.types import SlotOutput

VERSION = 1  # of what is measured: one more with every change that moves a number, so that old and new never meet
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
    """Of each picture, the objects that can be seen.

    id          in the label map
    best_iou    with any segment
    object_ari  of the object against the rest, and the segment of best IoU against the rest: chance corrected, where
                IoU favours large objects
    share       of the picture's pixels; `size` is the same as one of `SIZES`
    touching    share of its outline that meets another object, where the picture's own border does not count: where
                objects hide each other
    """
    table = contingency(pred, true, ignore=0)
    pixels = table.shared.sum(1)
    found = {"best_iou": best_overlaps(table), "object_ari": object_ari(table), "share": pixels / true[0].numel()}
    found["touching"] = touching(true, table.true_labels)
    return [
        [
            {"id": int(table.true_labels[i])}
            | {name: float(values[t, i]) for name, values in found.items()}
            | {"size": size(float(found["share"][t, i]))}
            for i in pixels[t].nonzero().flatten().tolist()
        ]
        for t in range(len(true))
    ]


def object_ari(table: Contingency) -> Float[Tensor, "b q"]:
    """ARI of two groups of two: each true segment and the rest, its segment of best IoU and the rest."""
    best = overlaps(table).argmax(1, keepdim=True)
    shared = table.shared.gather(1, best)[:, 0].double()
    found, true = table.area.gather(1, best[:, 0]).double(), table.shared.sum(1).double()
    points = table.area.sum(1, keepdim=True).double()
    together = pairs(shared) + pairs(found - shared) + pairs(true - shared) + pairs(points - found - true + shared)
    in_found, in_true = pairs(found) + pairs(points - found), pairs(true) + pairs(points - true)
    chance, most = in_found / pairs(points).clamp(min=1) * in_true, (in_found + in_true) / 2
    return torch.where(most == chance, 1.0, (together - chance) / (most - chance))


def touching(true: Int[Tensor, "t y x"], ids: Int[Tensor, " q"]) -> Float[Tensor, "t q"]:
    """Share of the outline of each object that meets another object, counted in pairs of neighbouring pixels.

    ids  of the objects, rising. 0 for one without an outline: it fills the picture, or nothing that scores surrounds it
    """
    counts = torch.zeros(2, len(true) * len(ids), dtype=torch.int64)
    frame = torch.arange(len(true))[:, None, None]
    for one, other in ((true[:, 1:], true[:, :-1]), (true[:, :, 1:], true[:, :, :-1])):
        for a, b in ((one, other), (other, one)):
            border = (a != b) & (a > 0) & (b >= 0)
            place = (frame * len(ids)).expand_as(a)[border] + torch.searchsorted(ids, a[border])
            counts[0] += place.bincount(minlength=counts.shape[1])
            counts[1] += place[b[border] > 0].bincount(minlength=counts.shape[1])
    outline, shared = counts.double().unflatten(1, (len(true), len(ids)))
    return shared / outline.clamp(min=1)


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
