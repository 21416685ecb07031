"""The one table that ARI and IoU are made of: how many points each pair of segments shares."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

WIDEST = 256  # labels further apart than this are renumbered: a table of all between them would be mostly empty
Truth = Int[Tensor, "b *points"] | Bool[Tensor, "b c *points"]  # labels, or masks: see `contingency`
CACHED = 1 << 19  # points counted at a time: 300 maps of 128 x 128 take a third of the time that they take at once


@dataclass(frozen=True)
class Contingency:
    """Points per predicted segment (row) and true segment (column) of each sample; int64, exact.

    shared       points of each pair
    area         points of each predicted segment, among them those of the true segment `ignore`
    pred_labels  label of each row; -1 ("nothing decided") is a segment of its own
    true_labels  label of each column; never `ignore`, never negative. A sample may have no point of a row or column
    """

    shared: Int[Tensor, "b p q"]
    area: Int[Tensor, "b p"]
    pred_labels: Int[Tensor, " p"]
    true_labels: Int[Tensor, " q"]


def contingency(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = None,
) -> Contingency:
    """Count the points that segments share. Labels may be any integers; `ignore` names a true one that does not score.

    The truth comes as labels, a point with a negative one being left out of everything; or as masks, which may overlap
    (a point counts once in each of its masks) and leave gaps (a point in none counts in the predicted areas only).
    """
    check(pred, true)
    if pred.numel() == 0:
        none = torch.zeros(len(pred), 1, 0, dtype=torch.int64, device=pred.device)
        return Contingency(none, none.sum(2), none.new_tensor([-1]), none.new_empty(0))
    if true.dtype == torch.bool:
        return count_masks(pred, true, ignore)
    pred, first_row, rows = numbered(pred.flatten(1).long())
    true, first_column, columns = numbered(true.flatten(1).long())
    b, p, q = len(pred), len(rows), len(columns)
    some = min(b, max(1, CACHED // pred.shape[1]))
    start = torch.arange(some, device=pred.device)[:, None] * (p * q) - first_row * q - first_column
    parts = [
        torch.bincount(torch.add(j, i, alpha=q).add_(start[: len(i)]).flatten(), minlength=len(i) * p * q)
        for i, j in zip(pred.split(some), true.split(some), strict=True)
    ]
    counts = torch.cat(parts).view(b, p, q)
    scored = columns >= 0
    area = counts[:, :, scored].sum(2)
    if ignore is not None:
        scored &= columns != ignore
    return Contingency(counts[:, :, scored], area, rows, columns[scored])


def count_masks(pred: Int[Tensor, "b *points"], masks: Bool[Tensor, "b c *points"], ignore: int | None) -> Contingency:
    """The same where the truth is masks."""
    pred, masks = pred.flatten(1), masks.flatten(2)
    number = torch.arange(masks.shape[1], device=masks.device)[:, None]
    each = contingency(
        pred[:, None].expand_as(masks).flatten(1), torch.where(masks, number, -1).flatten(1), ignore=ignore
    )
    area = contingency(pred, torch.zeros_like(pred)).area
    return Contingency(each.shared, area, each.pred_labels, each.true_labels)


def numbered(labels: Int[Tensor, "b n"]) -> tuple[Int[Tensor, "b n"], int, Int[Tensor, " s"]]:
    """Labels that lie close together, their lowest, and all there may be between lowest and highest."""
    low, high = (int(value) for value in labels.aminmax())
    if high - low < WIDEST:
        return labels, low, torch.arange(low, high + 1, device=labels.device)
    names, labels = labels.unique(return_inverse=True)
    return labels, 0, names


def check(pred: Tensor, true: Tensor) -> None:
    """The same points in both, or a ValueError that names both shapes."""
    masks = true.dtype == torch.bool
    points = (true.shape[0], *true.shape[2 if masks else 1 :])
    if pred.ndim < 2 or tuple(pred.shape) != points:
        kind = "masks [samples, masks, points ...]" if masks else "labels [samples, points ...]"
        raise ValueError(f"Predicted labels {list(pred.shape)} and true {kind} {list(true.shape)} do not match.")
