"""From slots back to features: what is rebuilt, and which slot rebuilt it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import linear, relu


class Rebuilt(NamedTuple):
    """features: the mixture over slots; masks: the share of each slot, summing to 1 over k."""

    features: Float[Tensor, "b n d"]
    masks: Float[Tensor, "b k n"]


class PatchMLP(nn.Module):
    """Every slot paints every patch, a softmax over slots decides (Seitzer et al. 2023, DINOSAUR, arXiv:2209.14860).

    Slot + learned position -> MLP -> d features and a mask logit. The first layer is linear in slot + position, so it
    is applied to slots and positions apart and added: the same numbers, without b·k·n rows of it.
    """

    def __init__(self, slot_dim: int, feature_dim: int, patches: int, hidden: Sequence[int] = (1024,) * 3) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("the patch MLP needs at least one hidden layer")
        self.position = nn.Parameter(torch.randn(1, patches, slot_dim) * 0.02)
        sizes = [slot_dim, *hidden, feature_dim + 1]
        self.first, *rest = (nn.Linear(a, b) for a, b in pairwise(sizes))
        self.rest = nn.ModuleList(rest)

    def forward(self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None) -> Rebuilt:
        """Rebuild the features. Slots that `keep` leaves out paint nothing."""
        x = self.first(slots)[:, :, None] + linear(self.position, self.first.weight)[:, None]  # b k n hidden
        for layer in self.rest:
            x = layer(relu(x))
        logits = x[..., -1]
        if keep is not None:
            logits = logits.masked_fill(~keep[..., None], -torch.inf)
        masks = logits.softmax(dim=1)
        return Rebuilt(torch.einsum("bkn,bknd->bnd", masks, x[..., :-1]), masks)
