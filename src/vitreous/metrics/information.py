"""What the segments of a picture know: of where a patch is, and of what is in it.

Adjusted mutual information (Vinh, Epps & Bailey 2010, JMLR 11, eq. 5, arithmetic mean): 1 the same segments, 0 what
chance gives for segments of these sizes. It does not care how segments are numbered, so slots need not be aligned.
"""

from collections.abc import Hashable, Sequence
from math import nan

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.metrics.cluster import expected_mutual_information
from torch import Tensor

from vitreous.metrics.contingency import contingency


def mutual_information(one: Int[Tensor, "b *points"], other: Int[Tensor, "b *points"]) -> Float[Tensor, " b"]:
    """Adjusted mutual information of two label maps of the same points, at most 1; 0 where either is one segment."""
    table = contingency(one, other).shared
    shared = table.double()
    points = shared.sum((1, 2))
    mine, theirs = uncertainty(shared.sum(2)), uncertainty(shared.sum(1))
    known = mine + theirs - uncertainty(shared.flatten(1))
    chance = torch.tensor([by_chance(counts) for counts in table.cpu().numpy()], dtype=torch.float64)
    adjusted = (known - chance) / ((mine + theirs) / 2 - chance)
    return adjusted.where((mine > 0) & (theirs > 0) & (points > 0), 0.0)


def by_chance(table: Int[np.ndarray, "p q"]) -> float:
    """Information of random segments of the same sizes, in nats."""
    there = table[table.any(1)][:, table.any(0)]
    return float(expected_mutual_information(there, int(there.sum()))) if there.size else 0.0


def uncertainty(counts: Float[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Entropy in nats of how points are divided."""
    share = counts / counts.sum(1, keepdim=True).clamp(min=1)
    return -torch.xlogy(share, share).sum(1)


def known_of_position(
    labels: Int[Tensor, "b *points"], groups: Sequence[Hashable], partners: int = 2
) -> Float[Tensor, " b"]:
    """Mean information between the segments of a picture and those of `partners` others, spread over the set.

    Two pictures have nothing in common but the places of their patches, so what the segments of one tell of those of
    the other, they know of position: 1 where every picture is cut alike.

    groups  what belongs together, as frames of a clip: they are no partners. NaN where a picture has none
    """
    b, names = len(labels), np.unique(np.asarray(groups), return_inverse=True)[1]
    total, count = torch.zeros(b, dtype=torch.float64), torch.zeros(b)
    for i in range(1, partners + 1):
        other = np.roll(np.arange(b), -round(i * b / (partners + 1)))
        apart = np.flatnonzero(names != names[other])
        total[apart] += mutual_information(labels[apart], labels[other[apart]])
        count[apart] += 1
    return (total / count).where(count > 0, nan)


def purity(clusters: Int[np.ndarray, " n"], labels: Sequence[Hashable]) -> float:
    """Share of the points whose label is the commonest of their cluster, in (0, 1]; NaN without points.

    It rises with the number of clusters, whatever they are: with as many as there are points it is 1.
    """
    if not len(clusters):
        return nan
    names = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)[1]
    table = np.zeros((int(clusters.max()) + 1, int(names.max()) + 1), dtype=np.int64)
    np.add.at(table, (clusters, names), 1)
    return float(table.max(1).sum() / len(clusters))
