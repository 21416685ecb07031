"""Transformer blocks: attention that can show where it looked, and the stacks that decoders and predictors use."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, arXiv:1706.03762): every row of x gathers from the rows of memory.

    odd_scale  the query is divided by e^-0.5 (e: width of a head), so the logits grow by sqrt(e) where they should
               shrink by it: VideoSAUR's public code, needed to reproduce its numbers only
    """

    def __init__(self, dim: int, heads: int, *, bias: bool = True, odd_scale: bool = False) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"width {dim} does not divide into {heads} heads")
        self.heads = heads
        self.scale = (dim // heads) ** (0.5 if odd_scale else -0.5)
        self.to_query = nn.Linear(dim, dim, bias)
        self.to_key = nn.Linear(dim, dim, bias)
        self.to_value = nn.Linear(dim, dim, bias)
        self.to_out = nn.Linear(dim, dim, bias)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        memory: Float[Tensor, "b m d"],
        *,
        causal: bool = False,
        keep: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """What x gathers; from rows up to its own if `causal`, or only from rows of memory that `keep` names."""
        query, key, value = (
            self.split(self.to_query(x)),
            self.split(self.to_key(memory)),
            self.split(self.to_value(memory)),
        )
        mask = None if keep is None else keep[:, None, None]
        out = scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal, scale=self.scale)
        return self.to_out(out.transpose(1, 2).flatten(2))

    def look(
        self, x: Float[Tensor, "b n d"], memory: Float[Tensor, "b k d"], keep: Bool[Tensor, "b k"] | None = None
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b k n"]]:
        """The same with the share of each row of memory, mean over heads: sums to 1 over k, 0 where left out."""
        logits = self.split(self.to_query(x)) * self.scale @ self.split(self.to_key(memory)).mT  # b a n k
        share = leave_out(logits, keep if keep is None else keep[:, None, None]).softmax(dim=-1)
        out = share @ self.split(self.to_value(memory))
        return self.to_out(out.transpose(1, 2).flatten(2)), share.mean(1).mT

    def split(self, x: Float[Tensor, "b m d"]) -> Float[Tensor, "b a m e"]:
        """Cut the channels into heads."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def leave_out(logits: Float[Tensor, "..."], keep: Bool[Tensor, "..."] | None) -> Float[Tensor, "..."]:
    """Logits whose softmax is exactly 0 where not `keep`. Where nothing is kept it is even, and not NaN."""
    return logits if keep is None else logits.masked_fill(~keep, torch.finfo(logits.dtype).min)


class FeedForward(nn.Sequential):
    """Two linear layers with an activation between, row by row."""

    def __init__(self, dim: int, hidden: int, activation: Literal["relu", "gelu"] = "relu", bias: bool = True) -> None:
        act = {"relu": nn.ReLU, "gelu": nn.GELU}[activation]()
        super().__init__(nn.Linear(dim, hidden, bias), act, nn.Linear(hidden, dim, bias))


class EncoderBlock(nn.Module):
    """Attention, then a feed-forward layer, each added to what it was given.

    norm  "pre": x + f(norm(x)) (VideoSAUR); "post": norm(x + f(x)) (SAVi)
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        *,
        activation: Literal["relu", "gelu"] = "relu",
        norm: Literal["pre", "post"] = "pre",
        odd_scale: bool = False,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.norm_attention, self.norm_feed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, odd_scale=odd_scale)
        self.feed = FeedForward(dim, hidden, activation)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        memory: Float[Tensor, "b m d"] | None = None,
        keep: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Rows of x look at memory as it is, or without one at each other; at those that `keep` names."""
        if self.norm == "post":
            x = self.norm_attention(x + self.attention(x, x if memory is None else memory, keep=keep))
            return self.norm_feed(x + self.feed(x))
        normed = self.norm_attention(x)
        x = x + self.attention(normed, normed if memory is None else memory, keep=keep)
        return x + self.feed(self.norm_feed(x))


class DecoderBlock(nn.Module):
    """Patches look at each other, then at the slots, then think: x + f(norm(x)) three times.

    bias            of the norms and the feed-forward layer
    attention_bias  of the projections of both attentions
    enters          the block that starts the stack from a normalised value has no norm of its own before it
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        *,
        slot_heads: int,
        activation: Literal["relu", "gelu"],
        bias: bool,
        attention_bias: bool,
        enters: bool,
    ) -> None:
        super().__init__()
        self.norm_self = nn.Identity() if enters else nn.LayerNorm(dim, bias=bias)
        self.norm_slots, self.norm_feed = nn.LayerNorm(dim, bias=bias), nn.LayerNorm(dim, bias=bias)
        self.attend = Attention(dim, heads, bias=attention_bias)
        self.to_slots = Attention(dim, slot_heads, bias=attention_bias)
        self.feed = FeedForward(dim, hidden, activation, bias)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        memory: Float[Tensor, "b k d"],
        *,
        causal: bool = False,
        keep: Bool[Tensor, "b k"] | None = None,
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b k n"]]:
        normed = self.norm_self(x)
        x = x + self.attend(normed, normed, causal=causal)
        found, share = self.to_slots.look(self.norm_slots(x), memory, keep)
        x = x + found
        return x + self.feed(self.norm_feed(x)), share


class TransformerDecoder(nn.Module):
    """Decoder blocks over patches with slots as memory; the last block's look at the slots is the mask.

    The releases differ in

    hidden      width of the feed-forward layers; None: 4·d
    slot_heads  heads of the look at the slots after the first block, which always has `heads` (SPOT); None: `heads`
    enter       "plain": ordinary blocks (OCLF); "normed": the stack starts from norm(x), and the first block
                then has no norm before its self-attention (SLATE, STEVE, SPOT, DIAS and relatives)
    final_norm  a norm after the last block (STEVE, SPOT)
    bias        False: no biases in norms and feed-forward layers (DIAS and relatives)
    attention_bias  False: nor in the projections of attention (the same, and SPOT)
    """

    def __init__(
        self,
        dim: int,
        *,
        layers: int = 4,
        heads: int = 4,
        hidden: int | None = None,
        slot_heads: int | None = None,
        activation: Literal["relu", "gelu"] = "relu",
        enter: Literal["plain", "normed"] = "plain",
        final_norm: bool = False,
        bias: bool = True,
        attention_bias: bool = True,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a transformer decoder needs at least one layer, not {layers}")
        self.dim = dim
        self.norm_in = nn.LayerNorm(dim, bias=bias) if enter == "normed" else nn.Identity()
        self.blocks = nn.ModuleList(
            DecoderBlock(
                dim,
                heads,
                hidden or 4 * dim,
                slot_heads=slot_heads if slot_heads and i else heads,
                activation=activation,
                bias=bias,
                attention_bias=attention_bias,
                enters=enter == "normed" and i == 0,
            )
            for i in range(layers)
        )
        self.norm_out = nn.LayerNorm(dim, bias=bias) if final_norm else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        memory: Float[Tensor, "b k d"],
        *,
        causal: bool = False,
        keep: Bool[Tensor, "b k"] | None = None,
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b k n"]]:
        """The rows of x after the last block, and the share of each slot in them, summing to 1 over k."""
        x = self.norm_in(x)
        for block in self.blocks:
            x, share = block(x, memory, causal=causal, keep=keep)
        return self.norm_out(x), share
