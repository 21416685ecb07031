"""Adjusted Rand index. `ignore=0` gives FG-ARI; a whole clip as one sample, [b t y x], gives video ARI."""

from math import nan

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.metrics.contingency import Truth, contingency


def adjusted_rand_index(
    pred: Int[Tensor, "b *points"],
    true: Truth,
    *,
    ignore: int | None = None,
    empty: float = nan,
    trivial: float = 1.0,
) -> Float[Tensor, " b"]:
    """Agreement of two groupings, corrected for chance: 1 perfect, 0 luck, at least -0.5 (Hubert & Arabie 1985).

    Points whose true label is `ignore` (0 gives FG-ARI) or negative do not count. `empty` where no point counts;
    `trivial` where both sides are one segment, or both only single points: 1 as in scikit-learn.

    >>> adjusted_rand_index(torch.tensor([[5, 5, 2, 2]]), torch.tensor([[0, 0, 1, 1]]))
    tensor([1.], dtype=torch.float64)
    """
    # float64: pair counts of a 24-frame clip, multiplied, do not fit in int64
    shared = contingency(pred, true, ignore=ignore).shared.double()
    points = shared.sum((1, 2))
    together, total = pairs(shared).sum((1, 2)), pairs(points)
    in_pred, in_true = pairs(shared.sum(2)).sum(1), pairs(shared.sum(1)).sum(1)
    # divided first, so that a single segment gives exactly the other side's pairs
    chance, best = in_pred / total.clamp(min=1) * in_true, (in_pred + in_true) / 2
    score = torch.where(best == chance, trivial, (together - chance) / (best - chance))
    return score.where(points > 0, empty)


def pairs(count: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Number of pairs among `count` points."""
    return count * (count - 1) / 2
