"""What the segments of a picture know: of where a patch is, and of what is in it.

Adjusted mutual information (Vinh, Epps & Bailey 2010, JMLR 11, eq. 5, arithmetic mean): 1 the same segments, 0 what
chance gives for segments of these sizes. It does not care how segments are numbered, so slots need not be aligned.
"""

from collections.abc import Hashable, Sequence
from math import nan

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor


def mutual_information(one: Int[Tensor, "b *points"], other: Int[Tensor, "b *points"]) -> Float[Tensor, " b"]:
    """Adjusted mutual information of two label maps of the same points, at most 1; 0 where either is one segment."""
    pairs = zip(one.flatten(1).cpu().numpy(), other.flatten(1).cpu().numpy(), strict=True)
    found = [
        0.0 if (a == a[0]).all() or (b == b[0]).all() else float(adjusted_mutual_info_score(a, b)) for a, b in pairs
    ]
    return torch.tensor(found, dtype=torch.float64)


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
