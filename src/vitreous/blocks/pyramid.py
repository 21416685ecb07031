"""Blocks of pyramids over a handful of tokens: attention that mixes a small map, two scales that look at each other."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention


def feed_forward(dim: int, ratio: int, dropout: float) -> nn.Sequential:
    """Two linear layers, `ratio` times as wide between; what is left out is left out after each."""
    return nn.Sequential(
        nn.Linear(dim, ratio * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(ratio * dim, dim), nn.Dropout(dropout)
    )


def attention(dim: int, heads: int, dropout: float) -> nn.MultiheadAttention:
    if dim % heads:
        raise ValueError(f"width {dim} does not divide into {heads} heads")
    return nn.MultiheadAttention(dim, heads, dropout, batch_first=True)


class AttentionBlock(nn.Module):
    """Tokens look at each other, then think: x + f(norm(x)) twice. `transformers.EncoderBlock` knows no dropout."""

    def __init__(self, dim: int, heads: int, ratio: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_attention, self.norm_feed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend, self.feed = attention(dim, heads, dropout), feed_forward(dim, ratio, dropout)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        y = self.norm_attention(x)
        x = x + self.attend(y, y, y, need_weights=False)[0]
        return x + self.feed(self.norm_feed(x))


class CrossScaleFusion(nn.Module):
    """Two sets of tokens, each with a first one that carries what it learns of the other set (CrossViT's idea).

    The first tokens look at the other set as it is, and at themselves; both see what stood before either was changed.

    learned  the first tokens begin as parameters; else as zeros, which a norm turns into its own bias
    """

    def __init__(self, dim: int, heads: int, layers: int, dropout: float = 0.0, *, learned: bool = True) -> None:
        super().__init__()
        self.first = nn.Parameter(0.02 * torch.randn(2, dim)) if learned else None
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))  # shared by all layers
        # layer by layer, one of each set after the other
        self.among = nn.ModuleList(AttentionBlock(dim, heads, 2, dropout) for _ in range(2 * layers))
        self.across = nn.ModuleList(attention(dim, heads, dropout) for _ in range(2 * layers))

    def forward(self, small: Float[Tensor, "b n d"], big: Float[Tensor, "b m d"]) -> Float[Tensor, "b k d"]:
        """Both first tokens, then the other n of `small` and m of `big`: k = 2 + n + m."""
        firsts = small.new_zeros(2, small.shape[2]) if self.first is None else self.first
        sets = [torch.cat([firsts[i].expand(len(x), 1, -1), x], 1) for i, x in enumerate((small, big))]
        for layer in range(0, len(self.among), 2):
            sets = [self.among[layer + i](sets[i]) for i in range(2)]
            told = [self.look(self.across[layer + i], sets[i], sets[1 - i], i) for i in range(2)]
            sets = [torch.cat([x[:, :1] + one, x[:, 1:]], 1) for x, one in zip(sets, told, strict=True)]
        return torch.cat([sets[0][:, :1], sets[1][:, :1], sets[0][:, 1:], sets[1][:, 1:]], 1)

    def look(self, attend: nn.Module, own: Tensor, other: Tensor, which: int) -> Float[Tensor, "b 1 d"]:
        query = self.norms[which](own[:, :1])
        memory = torch.cat([other, query], 1)
        return attend(query, memory, memory, need_weights=False)[0]


class MobileViTBlock(nn.Module):
    """A convolution for what is near, attention for what is far, and both beside the map itself.

    After Mehta & Rastegari 2022 (arXiv:2110.02178), but all places look at each other, where theirs look at the same
    place of other 2 x 2 patches only. Odd sides are stretched by one for the attention.
    """

    def __init__(self, dim: int, heads: int, depth: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, groups=dim), nn.Conv2d(dim, dim, 1), nn.GELU())
        self.far = nn.Sequential(*(AttentionBlock(dim, heads, 2, dropout) for _ in range(depth)))
        self.fuse = nn.Conv2d(2 * dim, dim, 1)

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        h, w = x.shape[2:]
        even = (h + h % 2, w + w % 2)
        y = stretched(self.near(x), even)
        # patch by patch; with all places in one attention the order decides nothing
        y = self.far(y.flatten(2).mT).mT.unflatten(2, even)
        return self.fuse(torch.cat([x, stretched(y, (h, w))], 1))


def stretched(x: Float[Tensor, "b d h w"], size: tuple[int, int]) -> Float[Tensor, "b d y x"]:
    if x.shape[2:] == size:
        return x
    return interpolate(x, size, mode="bilinear", align_corners=False)


class ReducedAttention(nn.Module):
    """Every token of a map looks at a smaller one (PVT, Wang et al. 2021, arXiv:2102.12122, eq. 2).

    Rows and columns that do not fill a square of `ratio` are not in the smaller map.
    """

    def __init__(self, dim: int, heads: int, ratio: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"width {dim} does not divide into {heads} heads")
        self.heads = heads
        self.to_query, self.to_key_value, self.to_out = (nn.Linear(dim, n * dim) for n in (1, 2, 1))
        self.reduce, self.norm = nn.Conv2d(dim, dim, ratio, ratio), nn.LayerNorm(dim)

    def smaller(self, x: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Float[Tensor, "b m d"]:
        return self.norm(self.reduce(x.mT.unflatten(2, grid)).flatten(2).mT)

    def forward(self, x: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Float[Tensor, "b n d"]:
        """`x` row by row of the grid."""
        key, value = self.to_key_value(self.smaller(x, grid)).chunk(2, dim=-1)
        query, key, value = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (self.to_query(x), key, value))
        found = scaled_dot_product_attention(query, key, value)
        return self.to_out(found.transpose(1, 2).flatten(2))


class PVTBlock(nn.Module):
    """Attention to the smaller map, then a feed-forward layer, both added."""

    def __init__(self, dim: int, heads: int, sra_ratio: int, ratio: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_attention, self.norm_feed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend, self.feed = ReducedAttention(dim, heads, sra_ratio), feed_forward(dim, ratio, dropout)

    def forward(self, x: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Float[Tensor, "b n d"]:
        x = x + self.attend(self.norm_attention(x), grid)
        return x + self.feed(self.norm_feed(x))


def near_square(count: int) -> tuple[int, int]:
    """The smallest grid of rows and columns that holds so many, columns growing first: 5 -> (2, 3), 10 -> (3, 4)."""
    rows = columns = math.isqrt(count)
    while rows * columns < count:
        rows, columns = (rows, columns + 1) if columns == rows else (rows + 1, columns)
    return rows, columns


def on_grid(x: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Float[Tensor, "b m d"]:
    """With zeros behind, so that the grid is full."""
    return pad(x, (0, 0, 0, grid[0] * grid[1] - x.shape[1]))
