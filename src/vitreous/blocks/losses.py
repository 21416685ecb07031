"""What training minimises."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cosine_similarity, layer_norm, mse_loss, normalize

Distance = Literal["mse", "cosine", "channel_norm"]


def rebuild_loss(rebuilt: Float[Tensor, "*rows d"], target: Float[Tensor, "*rows d"], kind: Distance) -> Tensor:
    """How far rebuilt features are from frozen ones. No gradient reaches the target.

    mse           mean of squared differences
    cosine        1 - cosine over the channels of a patch, mean over patches: blind to length
    channel_norm  mse once both sides have mean 0 and variance 1 over the channels of a patch: blind to offset too
    """
    target = target.detach()
    if kind == "cosine":
        return 1 - cosine_similarity(rebuilt, target, dim=-1).mean()
    if kind == "channel_norm":
        rebuilt, target = (layer_norm(x, x.shape[-1:]) for x in (rebuilt, target))
    return mse_loss(rebuilt, target)


def diversity(slots: Float[Tensor, "*b k s"], keep: Bool[Tensor, "*b k"] | None = None) -> Tensor:
    """Mean cosine, in [-1, 1], between different slots of a frame; 0 where no two slots can be compared.

    Signed, as in the seed project: slots that point apart score better than slots at right angles. Pairs with a slot
    that `keep` leaves out do not count.
    """
    k = slots.shape[-2]
    cosines = normalize(slots, dim=-1) @ normalize(slots, dim=-1).mT
    pairs = ~torch.eye(k, dtype=torch.bool, device=slots.device).expand(cosines.shape)
    if keep is not None:
        pairs = pairs & keep[..., :, None] & keep[..., None, :]
    return (cosines * pairs).sum() / pairs.sum().clamp(min=1)


def shares_cross_entropy(
    shares: Float[Tensor, "*rows k n"], target: Float[Tensor, "*rows k n"], *, twice: bool = False
) -> Tensor:
    """How far shares of patches are from others, -sum over k of target·log(share), mean over patches and rows. It is
    least, the entropy of the target, where both are the same. No gradient reaches the target.

    twice  the shares are taken for logits, so that a second softmax is on top, as in DIAS' code: the loss then cannot
           fall below log(1 + (k - 1) / e)
    """
    shares, target = shares.float(), target.detach().float()
    # a share below the smallest float would have a logarithm of -inf
    logs = shares.log_softmax(-2) if twice else shares.clamp_min(torch.finfo(torch.float32).tiny).log()
    return -(target * logs).sum(-2).mean()
