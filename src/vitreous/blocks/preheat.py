"""Slots that are warmed at the features before slot attention begins (SmoothSA)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vitreous.blocks.transformers import Attention, FeedForward


class Preheated(NamedTuple):
    """slots: where slot attention starts, without a gradient to what warmed them; guess: where it would end, as far as
    the preheater knows, with one.
    """

    slots: Float[Tensor, "b k s"]
    guess: Float[Tensor, "b k s"]


class Preheat(nn.Module):
    """A small transformer guesses the final slots from drawn ones.

    Zhao et al. 2025 (SmoothSA, arXiv:2508.05417): x = z + look(z, features), x + look at each other, x + feed-forward;
    no norm before the first, no biases. It learns from `preheat_loss` alone.

    noise  while training, slots start spread around the guess, by a learned deviation of 1 at the start
    """

    def __init__(
        self, slot_dim: int, feature_dim: int, *, heads: int = 4, hidden: int | None = None, noise: bool = True
    ) -> None:
        super().__init__()
        self.project = nn.Linear(feature_dim, slot_dim)
        self.to_features = Attention(slot_dim, heads, bias=False)
        self.norm_self, self.norm_feed = (nn.LayerNorm(slot_dim, bias=False) for _ in range(2))
        self.to_slots = Attention(slot_dim, heads, bias=False)
        self.feed = FeedForward(slot_dim, hidden or 4 * slot_dim, "gelu", bias=False)
        self.log_std = nn.Parameter(torch.zeros(1, 1, slot_dim)) if noise else None

    def forward(
        self,
        slots: Float[Tensor, "b k s"],
        features: Float[Tensor, "b n d"],
        keep: Bool[Tensor, "b k"] | None = None,
        *,
        noise: Float[Tensor, "b k s"] | None = None,
    ) -> Preheated:
        """Warm drawn slots; nobody looks at those that `keep` leaves out."""
        x = slots + self.to_features(slots, self.project(features))
        normed = self.norm_self(x)
        x = x + self.to_slots(normed, normed, keep=keep)
        guess = x + self.feed(self.norm_feed(x))
        start = guess.detach()
        if self.log_std is not None and (self.training or noise is not None):
            start = start + (torch.randn_like(start) if noise is None else noise) * self.log_std.exp()
        return Preheated(start, guess)

    @torch.no_grad()
    def start_as_identity(self) -> "Preheat":
        """Guess that slots stay where they start, until training says otherwise."""
        for layer in (self.to_features.to_out, self.to_slots.to_out, self.feed[2]):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
        return self


def preheat_loss(
    guess: Float[Tensor, "b k s"], slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None
) -> Tensor:
    """Mean square of what the guess misses the final slots by. No gradient reaches these."""
    missed = (guess.float() - slots.detach().float()).square().mean(-1)
    if keep is None:
        return missed.mean()
    return (missed * keep).sum() / keep.sum().clamp(min=1)
