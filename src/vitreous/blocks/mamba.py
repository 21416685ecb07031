"""Mixing along a sequence: Mamba's selective state space, and the gated convolution that goes by the same name."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

STEPS = (1e-3, 0.1)  # a step begins log-uniform between these, as in the Mamba release


def selective_scan(
    x: Float[Tensor, "b n d"],
    step: Float[Tensor, "b n d"],
    rate: Float[Tensor, "d s"],
    write: Float[Tensor, "b n s"],
    read: Float[Tensor, "b n s"],
) -> Float[Tensor, "b n d"]:
    """A memory that each token may keep, write to and read from (Gu & Dao 2023, arXiv:2312.00752, Algorithm 2).

        h_t = exp(step_t rate) h_{t-1} + step_t x_t write_t,    y_t = h_t · read_t,    h_0 = 0

    step > 0 and rate < 0, so that the memory fades. All tokens at once: two stretches of the recurrence that follow
    each other are one of the same form, so log2(n) doublings cover the sequence. Nothing is ever divided by a product
    of decays, which underflows on long sequences.
    """
    keep = torch.exp(step[..., None] * rate)  # b n d s
    held = (step * x)[..., None] * write[:, :, None]
    far = 1
    while far < x.shape[1]:
        held, keep = held + keep * later(held, far, 0.0), keep * later(keep, far, 1.0)
        far *= 2
    return torch.einsum("bnds,bns->bnd", held, read)


def later(x: Float[Tensor, "b n d s"], by: int, first: float) -> Float[Tensor, "b n d s"]:
    """What stood `by` tokens before; `first` where there was none."""
    return pad(x[:, :-by], (0, 0, 0, 0, by, 0), value=first)


class StateSpace(nn.Module):
    """Mamba's block, added to what it was given; tokens are read in both directions with the same weights.

    Figure 3 of the paper; both directions because tiles of a picture have no first and no last.

    state   numbers of memory per channel
    widen   channels inside, in multiples of `dim`
    kernel  tokens that the short convolution sees, the present one being the last
    """

    def __init__(self, dim: int, *, state: int = 16, widen: int = 2, kernel: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        inside, rank = widen * dim, math.ceil(dim / 16)
        self.kernel, self.sizes = kernel, (rank, state, state)
        self.norm = nn.LayerNorm(dim)
        self.to_inside = nn.Linear(dim, 2 * inside, bias=False)
        self.near = nn.Conv1d(inside, inside, kernel, groups=inside)
        self.to_choices = nn.Linear(inside, sum(self.sizes), bias=False)
        self.to_step = nn.Linear(rank, inside)
        self.log_rate = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(inside, 1))
        self.direct = nn.Parameter(torch.ones(inside))
        self.to_out, self.dropout = nn.Linear(inside, dim, bias=False), nn.Dropout(dropout)
        with torch.no_grad():
            low, high = (math.log(bound) for bound in STEPS)
            begin = (torch.rand(inside) * (high - low) + low).exp()
            self.to_step.bias.copy_(begin + (-(-begin).expm1()).log())  # softplus of it is `begin`

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        inside, gate = self.to_inside(self.norm(x)).chunk(2, dim=-1)
        found = (self.read(inside) + self.read(inside.flip(1)).flip(1)) / 2
        return x + self.dropout(self.to_out(found * silu(gate)))

    def read(self, x: Float[Tensor, "b n e"]) -> Float[Tensor, "b n e"]:
        """From the first token to the last."""
        x = silu(self.near(pad(x.mT, (self.kernel - 1, 0))).mT)
        step, write, read = self.to_choices(x).split(self.sizes, dim=-1)
        step = softplus(self.to_step(step))
        return selective_scan(x, step, -self.log_rate.exp(), write, read) + self.direct * x


class GatedConvolution(nn.Module):
    """Tokens gate themselves, then each gathers its neighbours: x + proj(conv(y ⊙ σ(gate(y)))) with y = norm(x).

    "LocalMamba" in the notebooks of the CSIRO competition, where it holds no state space.

    kernel  odd; how many tokens each gathers, itself in the middle
    """

    def __init__(self, dim: int, *, kernel: int = 5, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm, self.gate = nn.LayerNorm(dim), nn.Linear(dim, dim)
        self.near = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.to_out, self.dropout = nn.Linear(dim, dim), nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        y = self.norm(x)
        y = y * self.gate(y).sigmoid()
        return x + self.dropout(self.to_out(self.near(y.mT).mT))
