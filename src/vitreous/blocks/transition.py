"""Where slots go next, from any earlier slots and any frame seen since (RandSF.Q)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class Pairs(NamedTuple):
    """How many frames ago the slots of each sample were found, 1 or more, and its features seen, 0: now."""

    slots: Int[Tensor, " b"]
    features: Int[Tensor, " b"]


class RandomPairTransition(nn.Module):
    """Slots of a past frame ask the features of a frame which slots the next one starts with.

    Zhao et al. 2025 (RandSF.Q, arXiv:2508.01345): while training, both frames are drawn for each sample, independently,
    so that the block has to learn dynamics over any span; at test it is the last slots and the features of now. Both
    are detached: no gradient goes from frame to frame. A block of self-attention, cross-attention and a feed-forward
    layer, each added and then normed, without biases.

    window   frames it may look back on, the one of now included
    dropout  0.5 in the release
    """

    def __init__(
        self,
        slot_dim: int,
        feature_dim: int,
        *,
        window: int = 6,
        heads: int = 4,
        hidden: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.age = nn.Embedding(window, slot_dim)
        self.project = nn.Linear(feature_dim, slot_dim)
        self.block = nn.TransformerDecoderLayer(
            slot_dim, heads, hidden or 4 * slot_dim, dropout, "gelu", batch_first=True, bias=False
        )

    def forward(
        self,
        past: Sequence[Float[Tensor, "b k s"]],
        seen: Sequence[Float[Tensor, "b n d"]],
        keep: Bool[Tensor, "b k"] | None = None,
        pairs: Pairs | None = None,
    ) -> Float[Tensor, "b k s"]:
        """Initial slots of now. Of `past` and `seen` the last counts as the latest; seen[-1] is the frame of now.

        pairs  drawn while training where not given
        """
        pairs = self.draw(len(past[-1]), min(len(past), self.age.num_embeddings - 1)) if pairs is None else pairs
        slots, features = pick(past, pairs.slots - 1).detach(), pick(seen, pairs.features).detach()
        query = slots + self.age(pairs.slots.to(slots.device))[:, None]
        memory = self.project(features) + self.age(pairs.features.to(slots.device))[:, None]
        return self.block(query, memory, tgt_key_padding_mask=None if keep is None else ~keep)

    def draw(self, clips: int, past: int) -> Pairs:
        """Of so many past frames; with one, or at test, nothing is drawn."""
        if not self.training or past < 2:
            return Pairs(torch.ones(clips, dtype=torch.long), torch.zeros(clips, dtype=torch.long))
        return Pairs(torch.randint(1, past + 1, (clips,)), torch.randint(past, (clips,)))

    @torch.no_grad()
    def start_as_identity(self) -> "RandomPairTransition":
        """Hand slots on as they are, but for norms, until training says otherwise."""
        attention = (self.block.self_attn.out_proj, self.block.multihead_attn.out_proj)
        for layer in (*attention, self.block.linear2, self.age):
            nn.init.zeros_(layer.weight)
        return self


def pick(frames: Sequence[Float[Tensor, "b m c"]], ago: Int[Tensor, " b"]) -> Float[Tensor, "b m c"]:
    """Of each sample the frame so many frames before the last."""
    if not ago.any():
        return frames[-1]
    ago = ago.to(frames[-1].device)
    latest_first = torch.stack([*reversed(frames[-int(ago.max()) - 1 :])])
    return latest_first[ago, torch.arange(len(ago), device=ago.device)]
