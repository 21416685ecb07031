"""Overlap of predicted with true segments: mBO, mIoU, CorLoc, recovery.

All take labels [b *points]: b pictures [b y x], or b clips [b t y x] as one sample each, where an object has to keep
its segment (video mBO, video mIoU). `ignore` names a true segment that is not to be found (0: the background); its
points still count in the predicted areas.
"""

from math import nan

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vitreous.metrics.contingency import Contingency, Truth, contingency


def mean_best_overlap(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = 0,
    empty: float = nan,
) -> Float[Tensor, " b"]:
    """mBO: mean over the true segments of the best IoU with any predicted one, in [0, 1].

    Instance labels give mBO_i, class labels (see `class_map`) mBO_c. `empty` where there is no true segment.

    >>> mean_best_overlap(torch.tensor([[1, 1, 1, 2]]), torch.tensor([[1, 1, 2, 2]]), ignore=None)
    tensor([0.5833], dtype=torch.float64)
    """
    table = contingency(pred, true, ignore=ignore)
    return per_segment(best_overlaps(table).sum(1), table, empty)


def matched_iou(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = 0,
    empty: float = nan,
) -> Float[Tensor, " b"]:
    """mIoU: mean IoU of the true segments under the best one-to-one matching (Hungarian), in [0, 1].

    A true segment that gets no partner counts 0, so mIoU <= mBO. `empty` where there is no true segment.
    """
    table = contingency(pred, true, ignore=ignore)
    total = [iou[linear_sum_assignment(iou, maximize=True)].sum() for iou in overlaps(table).cpu().numpy()]
    return per_segment(torch.tensor(total, dtype=torch.float64, device=pred.device), table, empty)


def same_label_iou(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = 0,
    empty: float = nan,
) -> Float[Tensor, " b"]:
    """Mean over the true segments of the IoU with the predicted one of the same label, for labels that mean it."""
    table = contingency(pred, true, ignore=ignore)
    same = table.pred_labels[:, None] == table.true_labels
    return per_segment((overlaps(table) * same).sum((1, 2)), table, empty)


def recovery(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = 0,
    above: float = 0.5,
    empty: float = nan,
) -> Float[Tensor, " b"]:
    """Share of the true segments whose best IoU is strictly above a half. `empty` where there is no true segment."""
    table = contingency(pred, true, ignore=ignore)
    return per_segment((best_overlaps(table) > above).double().sum(1), table, empty)


def correct_localisation(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = 0,
    above: float = 0.5,
    empty: float = nan,
) -> Float[Tensor, " b"]:
    """CorLoc of each sample: 1 if any true segment has a best IoU strictly above a half, else 0; the mean is CorLoc."""
    return recovery(pred, true, ignore=ignore, above=above, empty=empty).ceil()


def overlaps(table: Contingency) -> Float[Tensor, "b p q"]:
    """IoU of every predicted with every true segment, in [0, 1]; 0 where one of them is empty."""
    shared = table.shared.double()
    union = table.area[:, :, None] + shared.sum(1, keepdim=True) - shared
    return shared / union.clamp(min=1)


def best_overlaps(table: Contingency) -> Float[Tensor, "b q"]:
    """Best IoU of every true segment; 0 where it is empty."""
    return overlaps(table).amax(1)


def per_segment(total: Float[Tensor, " b"], table: Contingency, empty: float) -> Float[Tensor, " b"]:
    """A sum over true segments as their mean: over those that have points."""
    there = (table.shared.sum(1) > 0).sum(1)
    return (total / there.clamp(min=1)).where(there > 0, empty)
