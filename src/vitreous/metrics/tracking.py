"""Whether slots follow objects over time. NaN for a clip of one frame: nothing to follow.

Plain overlap falls when things move, however well they are followed; the other two see objects, not places.
"""

from math import nan

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.metrics.contingency import check, contingency
from vitreous.metrics.iou import overlaps


def slot_overlap(labels: Int[Tensor, "b t y x"]) -> Float[Tensor, " b"]:
    """Mean IoU of a slot's mask with itself one frame later; over slots with a mask in either frame, then over time.

    A slot that comes or goes counts 0 there. Pixels that are undecided (-1) in the later frame are left out.
    """
    b, t = labels.shape[:2]
    table = contingency(labels[:, :-1].flatten(0, 1), labels[:, 1:].flatten(0, 1))
    same = table.pred_labels[:, None] == table.true_labels
    before, after = (table.area > 0) & (table.pred_labels >= 0), table.shared.sum(1) > 0
    both = (before[:, :, None] & after[:, None] & same).sum((1, 2))
    iou = (overlaps(table) * same).sum((1, 2)) / (before.sum(1) + after.sum(1) - both)
    return iou.view(b, t - 1).nanmean(1)


def object_overlap(labels: Int[Tensor, "b t y x"], ids: Int[Tensor, "b t y x"]) -> Float[Tensor, " b"]:
    """`slot_overlap` freed from motion by the ids: of the shares of the objects that a slot covers, not of pixels.

    A mask becomes one number per object, the share of its visible pixels that the slot covers, the background (id 0)
    being one object among them; the IoU of two such lists is the sum of minima over the sum of maxima. Objects count
    where they are visible in both frames. 1 where every slot goes wherever its objects go.
    """
    shared, _ = shared_by_frame(labels, ids)
    visible = shared.sum(2, keepdim=True)
    both = (visible[:, :-1] > 0) & (visible[:, 1:] > 0)
    covered = shared / visible.clamp(min=1)
    before, after = covered[:, :-1] * both, covered[:, 1:] * both
    most = torch.maximum(before, after).sum(3)
    iou = torch.minimum(before, after).sum(3) / most.where(most > 0, 1)
    return (iou.sum(2) / (most > 0).sum(2)).nanmean(1)


def keeps_object(
    labels: Int[Tensor, "b t y x"], ids: Int[Tensor, "b t y x"], *, ignore: int | None = 0
) -> Float[Tensor, " b"]:
    """Share of slots that one frame later still cover most of the same object; over slots, then over time.

    The object of a slot is the one it covers most pixels of. Slots on `ignore` (0: the background) and slots whose
    object is out of sight one frame later are not asked; a slot that vanishes has lost its object. NaN where no slot
    is on an object.
    """
    shared, names = shared_by_frame(labels, ids)
    if not len(names):
        return shared.new_full((len(labels),), nan)
    most, place = shared.max(3)
    before, after, visible = place[:, :-1], place[:, 1:], shared.sum(2) > 0
    asked = (most[:, :-1] > 0) & visible[:, 1:].gather(2, before)
    if ignore is not None:
        asked &= names[before] != ignore
    kept = asked & (most[:, 1:] > 0) & (after == before)
    return (kept.sum(2) / asked.sum(2)).double().nanmean(1)


def shared_by_frame(
    labels: Int[Tensor, "b t y x"], ids: Int[Tensor, "b t y x"]
) -> tuple[Float[Tensor, "b t k q"], Int[Tensor, " q"]]:
    """Pixels that each slot shares with each object, and the objects' ids. Undecided pixels are no slot's."""
    check(labels, ids)
    table = contingency(labels.flatten(0, 1), ids.flatten(0, 1))
    shared = table.shared[:, table.pred_labels >= 0].double()
    return shared.unflatten(0, labels.shape[:2]), table.true_labels
