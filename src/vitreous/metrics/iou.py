"""Overlap of predicted with true segments: mBO and mIoU."""

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vitreous.metrics.contingency import contingency


def overlaps(pred: Int[Tensor, "b *points"], true: Int[Tensor, "b *points"]) -> Float[Tensor, "b p q"]:
    """IoU of every predicted with every true segment, in [0, 1]; 0 where both are empty.

    Points whose true label is negative do not count, neither in the true nor in the predicted areas.
    """
    shared = contingency(pred, true).double()
    union = shared.sum(2, keepdim=True) + shared.sum(1, keepdim=True) - shared
    return shared / union.clamp(min=1)


def mean_best_overlap(
    pred: Int[Tensor, "b *points"], true: Int[Tensor, "b *points"], *, ignore: int | None = 0
) -> Float[Tensor, " b"]:
    """mBO: mean over the true segments of the best IoU with any predicted one, in [0, 1].

    The segment `ignore` (0: the background) is not among the true ones, but its points still count in the predicted
    areas. Instance labels give mBO_i, class labels mBO_c. NaN where there is no true segment.

    >>> mean_best_overlap(torch.tensor([[1, 1, 1, 2]]), torch.tensor([[1, 1, 2, 2]]), ignore=None)
    tensor([0.5833], dtype=torch.float64)
    """
    shared = overlaps(pred, true)
    best = shared.max(1).values
    scored = segments(shared, ignore)
    return (best * scored).sum(1) / scored.sum(1).where(scored.any(1), torch.nan)


def matched_iou(
    pred: Int[Tensor, "b *points"], true: Int[Tensor, "b *points"], *, ignore: int | None = 0
) -> Float[Tensor, " b"]:
    """mIoU: mean IoU of the true segments under the best one-to-one matching (Hungarian), in [0, 1].

    A true segment that gets no partner counts 0. `ignore` and NaN as in `mean_best_overlap`; always mIoU <= mBO.
    """
    shared = overlaps(pred, true)
    scored = segments(shared, ignore)
    total = []
    for table, columns in zip(shared.cpu().numpy(), scored.cpu().numpy(), strict=True):
        table = table[:, columns]
        total.append(table[linear_sum_assignment(table, maximize=True)].sum())
    sums = torch.tensor(total, dtype=torch.float64, device=pred.device)
    return sums / scored.sum(1).where(scored.any(1), torch.nan)


def segments(shared: Float[Tensor, "b p q"], ignore: int | None) -> Tensor:
    """Which true labels are segments that score: they have points and are not `ignore`. [b, q] bool."""
    there = shared.sum(1) > 0
    if ignore is not None and 0 <= ignore < there.shape[1]:
        there[:, ignore] = False
    return there
