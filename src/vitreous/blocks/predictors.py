"""From the slots of one frame to where those of the next frame start. Without one they start where they ended."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vitreous.blocks.slot_attention import ResidualMLP
from vitreous.blocks.transformers import EncoderBlock


class TransformerPredictor(nn.Module):
    """Slots look at each other (SAVi, Kipf et al. 2022, arXiv:2111.12594; VideoSAUR, arXiv:2306.04829).

    Both have one block of 4 heads; norm is "post" in SAVi, "pre" in VideoSAUR; hidden is 2·s in SAVi's small models,
    4·s (None) in VideoSAUR. odd_scale: as in VideoSAUR's release, see Attention.
    """

    def __init__(
        self,
        slot_dim: int,
        *,
        blocks: int = 1,
        heads: int = 4,
        hidden: int | None = None,
        norm: Literal["pre", "post"] = "pre",
        odd_scale: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            EncoderBlock(slot_dim, heads, hidden or 4 * slot_dim, norm=norm, odd_scale=odd_scale) for _ in range(blocks)
        )

    def forward(self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None) -> Float[Tensor, "b k s"]:
        """Nobody looks at slots that `keep` leaves out; they go on alone."""
        for block in self.blocks:
            slots = block(slots, keep=keep)
        return slots

    @torch.no_grad()
    def start_as_identity(self) -> "TransformerPredictor":
        """Hand slots on as they are until training says otherwise; with norm "post" but for the norms."""
        for module in self.blocks:
            assert isinstance(module, EncoderBlock)
            for layer in (module.attention.to_out, module.feed[2]):
                assert isinstance(layer, nn.Linear)
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
        return self


class ResidualPredictor(nn.Module):
    """Each slot alone: LN(s + MLP(LN(s))), as in the public SAVi-DINOSAUR (hidden = 2·s there)."""

    def __init__(self, slot_dim: int, hidden: int | None = None) -> None:
        super().__init__()
        self.mlp, self.norm = ResidualMLP(slot_dim, hidden or 2 * slot_dim), nn.LayerNorm(slot_dim)

    def forward(self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None) -> Float[Tensor, "b k s"]:
        """`keep` changes nothing: no slot knows of another."""
        return self.norm(self.mlp(slots))
