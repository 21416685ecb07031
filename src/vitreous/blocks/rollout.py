"""What slots will be: a transformer over the slots of several frames tells those of the next, again and again."""

from math import log

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Rollout(nn.Module):
    """Wu et al. 2023 (SlotFormer, arXiv:2210.05861): all slots of the last frames as tokens, each with a code of how
    long ago it was; what the transformer makes of the latest are the next ones, without a residual. Slots have no code
    of their own, so permuting them permutes the answer.

    history  frames that it looks back on; fewer will do
    """

    codes: Tensor

    def __init__(
        self, slot_dim: int, *, dim: int = 128, layers: int = 4, heads: int = 8, history: int = 6, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.history = history
        self.enter, self.leave = nn.Linear(slot_dim, dim), nn.Linear(dim, slot_dim)
        block = nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.register_buffer("codes", ages(history, dim), persistent=False)

    def forward(
        self, slots: Float[Tensor, "b t k s"], steps: int, keep: Bool[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b u k s"]:
        """The slots of the next `steps` frames, each from the `history` before it, its own answers among them."""
        frames = list(slots.unbind(1))
        for _ in range(steps):
            frames.append(self.next(torch.stack(frames[-self.history :], dim=1), keep))
        return torch.stack(frames[slots.shape[1] :], dim=1)

    def next(self, slots: Float[Tensor, "b t k s"], keep: Bool[Tensor, "b k"] | None) -> Float[Tensor, "b k s"]:
        frames, k = slots.shape[1:3]
        x = self.enter(slots) + self.codes[:frames].flip(0)[:, None]
        absent = None if keep is None else ~keep.repeat(1, frames)
        return self.leave(self.blocks(x.flatten(1, 2), src_key_padding_mask=absent)[:, -k:])


def ages(frames: int, dim: int) -> Float[Tensor, "t d"]:
    """Sines and cosines (Vaswani et al. 2017) of how many frames ago: 0 is the latest."""
    turn = torch.exp(torch.arange(0, dim, 2) * (-log(10_000) / dim)) * torch.arange(frames)[:, None]
    return torch.stack([turn.sin(), turn.cos()], dim=-1).flatten(1)[:, :dim]
