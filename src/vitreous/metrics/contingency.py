"""The one table that ARI and IoU are made of: how many points each pair of labels shares."""

import torch
from jaxtyping import Int
from torch import Tensor


def contingency(
    pred: Int[Tensor, "b *points"], true: Int[Tensor, "b *points"], *, ignore: int | None = None
) -> Int[Tensor, "b p q"]:
    """Count points per pair (predicted, true label) for each sample; int64, exact.

    Points whose true label is negative or `ignore` do not count. Predicted labels may be any integers >= -1; -1
    ("nothing decided") is a segment of its own, in the last row. Labels that no point has give empty rows or columns.
    """
    pred, true = pred.flatten(1).long(), true.flatten(1).long()
    b, n = pred.shape
    if n == 0:
        return torch.zeros(b, 1, 1, dtype=torch.int64, device=pred.device)
    rows, columns = int(pred.max()) + 2, int(true.max()) + 1
    columns = max(columns, 1)
    keep = true >= 0
    if ignore is not None:
        keep &= true != ignore
    pred = pred.where(pred >= 0, rows - 1)
    sample = torch.arange(b, device=pred.device)[:, None].expand(b, n)
    cell = (sample * rows + pred) * columns + true
    return torch.bincount(cell[keep], minlength=b * rows * columns).view(b, rows, columns)
