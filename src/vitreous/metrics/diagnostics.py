"""What slots are like, without ground truth. Healthy: many active, little alike, decided, better than the mean.

Masks are shares: in [0, 1], summing to 1 over k. A picture each; frames of a clip are samples: masks.flatten(0, 1).
What labels know of position and of content is in information.py.
"""

from math import log, nan

import torch
from jaxtyping import Float
from torch import Tensor


def mask_similarity(masks: Float[Tensor, "b k h w"]) -> Float[Tensor, " b"]:
    """Mean cosine between the masks of two slots, in [0, 1]: 0 they never share a patch, 1 all alike; NaN for k = 1.

    A slot with an empty mask is like no other.
    """
    flat = masks.double().flatten(2)
    flat = flat / flat.norm(dim=2, keepdim=True).clamp(min=1e-12)
    cosine, k = flat @ flat.mT, masks.shape[1]
    pairs = cosine.sum((1, 2)) - cosine.diagonal(dim1=1, dim2=2).sum(1)
    return pairs / (k * (k - 1)) if k > 1 else pairs * nan


def active_slots(masks: Float[Tensor, "b k h w"], *, above: float = 0.0) -> Float[Tensor, " b"]:
    """Number of slots that win more than this share of the patches; 0: at least one patch."""
    return (shares_won(masks) > above).sum(1).double()


def top_share(masks: Float[Tensor, "b k h w"]) -> Float[Tensor, " b"]:
    """Share of the patches that the largest slot wins, from 1/k to 1: everything in one slot."""
    return shares_won(masks).amax(1)


def gini(masks: Float[Tensor, "b k h w"]) -> Float[Tensor, " b"]:
    """How unequally the mass of the masks is spread: 0 all slots own as much, 1 - 1/k one owns all.

    Soft shares, not wins: that slots differ little everywhere shows here, while one of them may win everywhere.
    """
    mass, k = masks.double().sum((2, 3)).sort(1).values, masks.shape[1]
    rank = torch.arange(1, k + 1, device=masks.device)
    return ((2 * rank - k - 1) * mass).sum(1) / (k * mass.sum(1))


def entropy(masks: Float[Tensor, "b k h w"]) -> Float[Tensor, " b"]:
    """Mean entropy of who owns a patch, in units of log k: 0 all decided, 1 nothing is; 0 for k = 1."""
    shares = masks.double()
    # log of 0 is never taken: a share of 0 contributes 0
    per_patch = -(shares * shares.clamp(min=1e-300).log()).sum(1)
    return per_patch.mean((1, 2)) / max(log(masks.shape[1]), 1e-300)


def mean_fill(rebuilt: Float[Tensor, "b *grid d"], features: Float[Tensor, "b *grid d"]) -> Float[Tensor, " b"]:
    """Squared error of what was rebuilt over that of each sample's mean feature: 0 perfect, 1 or more learned nothing.

    NaN where all features of a sample are equal.
    """
    rebuilt, features = rebuilt.double().flatten(1, -2), features.double().flatten(1, -2)
    error = (rebuilt - features).square().sum((1, 2))
    spread = (features - features.mean(1, keepdim=True)).square().sum((1, 2))
    return (error / spread).where(spread > 0, nan)


def pattern_fill(rebuilt: Float[Tensor, "b *grid d"], features: Float[Tensor, "b *grid d"]) -> Float[Tensor, " b"]:
    """mean_fill after each side's mean is taken away: 0 perfect, 1 where the same is rebuilt everywhere.

    What all patches of a picture share tells no object from another, and a decoder that leaves it out (or has not yet
    learnt it, as after a short training on other pictures) may still know every object. It never exceeds mean_fill.
    """
    rebuilt, features = (x.double().flatten(1, -2) for x in (rebuilt, features))
    return mean_fill(rebuilt - rebuilt.mean(1, keepdim=True), features - features.mean(1, keepdim=True))


def shares_won(masks: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k"]:
    """Share of the patches where a slot owns more than any other. Of equals, one wins."""
    winner = masks.argmax(1).flatten(1)
    won = torch.zeros(masks.shape[:2], dtype=torch.float64, device=masks.device)
    return won.scatter_add(1, winner, torch.ones_like(winner, dtype=torch.float64)) / winner.shape[1]


DIAGNOSTICS = {
    "mask_similarity": mask_similarity,
    "active_slots": active_slots,
    "top_share": top_share,
    "gini": gini,
    "entropy": entropy,
}  # of the masks alone; mean_fill needs the features too
