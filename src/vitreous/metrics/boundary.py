"""How well borders are met: boundary F."""

from math import ceil, hypot, isqrt, nan

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from vitreous.metrics.contingency import check


def boundary_f(
    pred: Int[Tensor, "b y x"], true: Int[Tensor, "b y x"], *, tolerance: float = 0.008
) -> Float[Tensor, " b"]:
    """F of precision and recall of the borders between segments, in [0, 1]; frames of a clip are samples.

    All borders of a picture at once, as in BSDS, so a background cut in two costs precision. A border pixel is found if
    the other side has one within `tolerance` of the diagonal, rounded up to whole pixels: the measure of DAVIS
    (Perazzi et al. 2016), 0.008 there; BSDS pairs pixels one to one within 0.0075. 1 where neither side has a border,
    0 where only one has. Borders next to pixels with a negative true label do not count; NaN where all are such.
    """
    check(pred, true)
    scored = ~around(true < 0)
    pred_edge, true_edge = edges(pred) & scored, edges(true) & scored
    radius = ceil(tolerance * hypot(*true.shape[1:]))
    found, met = (near(true_edge, radius) & pred_edge, near(pred_edge, radius) & true_edge)
    hits, drawn, missed, there = (x.sum((1, 2)).double() for x in (found, pred_edge, met, true_edge))
    precision, recall = hits / drawn.clamp(min=1), missed / there.clamp(min=1)
    score = 2 * precision * recall / (precision + recall).where(precision + recall > 0, 1)
    return score.where(drawn + there > 0, 1).where((true >= 0).any(2).any(1), nan)


def edges(labels: Int[Tensor, "b y x"]) -> Bool[Tensor, "b y x"]:
    """Pixels whose right, lower or lower right neighbour is of another segment."""
    right = pad(labels[:, :, 1:] != labels[:, :, :-1], (0, 1))
    lower = pad(labels[:, 1:] != labels[:, :-1], (0, 0, 0, 1))
    return right | lower | pad(labels[:, 1:, 1:] != labels[:, :-1, :-1], (0, 1, 0, 1))


def around(marked: Bool[Tensor, "b y x"]) -> Bool[Tensor, "b y x"]:
    """Pixels that are marked, or whose right, lower or lower right neighbour is."""
    wide = marked | pad(marked[:, :, 1:], (0, 1))
    return wide | pad(wide[:, 1:], (0, 0, 0, 1))


def near(marked: Bool[Tensor, "b y x"], radius: int) -> Bool[Tensor, "b y x"]:
    """Pixels at most `radius` from a marked one: a disk, row by row, each wider than the one further out."""
    wide, found, height = marked.clone(), torch.zeros_like(marked), marked.shape[1]
    width = 0
    for away in range(min(radius, height - 1), -1, -1):
        while width < isqrt(radius**2 - away**2):
            width += 1
            wide[:, :, width:] |= marked[:, :, :-width]
            wide[:, :, :-width] |= marked[:, :, width:]
        found[:, away:] |= wide[:, : height - away]
        found[:, : height - away] |= wide[:, away:]
    return found
