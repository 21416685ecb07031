"""How patches of a frame resemble those of the next: what VideoSAUR has its slots predict."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax, normalize


@torch.no_grad()
def likeness(
    features: Float[Tensor, "b t n d"], temperature: float, threshold: float | None = 0.0
) -> Float[Tensor, "b u n n"]:
    """Where each patch of a frame may be found in the next, as shares of that frame's patches that sum to 1.

    Zadaianchuk et al. 2023 (VideoSAUR, arXiv:2306.04829): a softmax of cosines over a temperature. u = t - 1.

    threshold  cosines below it count for nothing; a patch that resembles none resembles all alike
    """
    x = normalize(features.float(), dim=-1)
    with torch.autocast(x.device.type, enabled=False):  # bfloat16 tells no cosines above 0.99 apart
        cosines = x[:, :-1] @ x[:, 1:].mT
    if threshold is not None:
        low = cosines < threshold
        cosines = cosines.masked_fill(low & ~low.all(-1, keepdim=True), -torch.inf).masked_fill(
            low.all(-1, keepdim=True), 0.0
        )
    return (cosines / temperature).softmax(-1)


def likeness_loss(logits: Float[Tensor, "b t n n"], target: Float[Tensor, "b u n n"]) -> Tensor:
    """Cross-entropy of predicted likeness, of all frames but the last; 0 where there is no next frame."""
    if not target.shape[1]:
        return logits.new_zeros(())
    return -(target * log_softmax(logits[:, :-1].float(), dim=-1)).sum(-1).mean()
