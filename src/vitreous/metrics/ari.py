"""Adjusted Rand index. `ignore=0` gives FG-ARI; flattening a whole clip into one sample gives video ARI."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.metrics.contingency import contingency


def adjusted_rand_index(
    pred: Int[Tensor, "b *points"], true: Int[Tensor, "b *points"], *, ignore: int | None = None
) -> Float[Tensor, " b"]:
    """Agreement of two groupings, corrected for chance: 1 perfect, 0 luck, at least -0.5 (Hubert & Arabie 1985).

    Points whose true label is `ignore` (0 gives FG-ARI) or negative do not count. NaN where no point counts; 1 where
    both groupings are trivial, as in scikit-learn.

    >>> adjusted_rand_index(torch.tensor([[5, 5, 2, 2]]), torch.tensor([[0, 0, 1, 1]]))
    tensor([1.], dtype=torch.float64)
    """
    # float64: pair counts of a 24-frame clip, multiplied, do not fit in int64
    shared = contingency(pred, true, ignore=ignore).double()
    points = shared.sum((1, 2))
    together, total = pairs(shared).sum((1, 2)), pairs(points)
    in_pred, in_true = pairs(shared.sum(2)).sum(1), pairs(shared.sum(1)).sum(1)
    chance, best = in_pred * in_true / total.clamp(min=1), (in_pred + in_true) / 2
    score = torch.where(best == chance, 1.0, (together - chance) / (best - chance))
    return score.where(points > 0, torch.nan)


def pairs(count: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Number of pairs among `count` points."""
    return count * (count - 1) / 2
