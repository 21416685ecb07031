"""Vectors become the nearest of a set of codes, and the gradient passes as if they had not."""

from math import cos, exp, lgamma, log, pi, sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import group_norm, mse_loss

SPREAD = 2.35  # what random choices end at, in deviations of a random distance: the release's number


class Quantised(NamedTuple):
    """Which code each vector is nearest to, and the code."""

    index: Int[Tensor, "b n"]
    code: Float[Tensor, "b n c"]


class Codebook(nn.Module):
    """Codes as a frozen random table through a learned layer, so that all of them move when one does.

    Zhao et al. 2025 (VQ-VFM-OCL, arXiv:2502.20263): 4096 codes, rows of 1024 numbers from N(0, 1). With table_dim=None
    the codes themselves are learned, from U(-1/v, 1/v), as in VQ-VAE.
    """

    table: Tensor

    def __init__(self, codes: int, dim: int, table_dim: int | None = 1024) -> None:
        super().__init__()
        self.dim, self.project = dim, None if table_dim is None else nn.Linear(table_dim, dim)
        if table_dim is None:
            self.table = nn.Parameter(torch.empty(codes, dim).uniform_(-1 / codes, 1 / codes))
        else:
            self.register_buffer("table", torch.randn(codes, table_dim))

    def codes(self) -> Float[Tensor, "v c"]:
        return self.table if self.project is None else self.project(self.table)

    def forward(self, x: Float[Tensor, "b n c"], sharpness: float | None = None) -> Quantised:
        """The nearest code of each vector. Gradients reach the codes, not the choice.

        sharpness  while training, others than the nearest are drawn too, the less often the higher it is; None: never
        """
        codes = self.codes()
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            nearness = -torch.cdist(x.float(), codes.float()[None])
            if self.training and sharpness is not None:
                noise = -torch.empty_like(nearness).exponential_().log()  # Gumbel
                nearness = nearness * (sharpness / chi_deviation(self.dim)) + noise
            index = nearness.argmax(-1)
        return Quantised(index, codes[index])


def soft_assignment(x: Float[Tensor, "b n c"], codes: Float[Tensor, "v c"]) -> Float[Tensor, "b n v"]:
    """Softmax over the codes of the negative squared distance: how VQ-VAE's choice would look if it were soft."""
    return (-torch.cdist(x, codes[None]).square()).softmax(-1)


def straight_through(x: Float[Tensor, "*s"], value: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """`value`, with the gradient going to x."""
    return x + (value - x).detach()


def chi_deviation(dim: int) -> float:
    """Deviation of the length of a vector from N(0, I)."""
    mean = sqrt(2) * exp(lgamma((dim + 1) / 2) - lgamma(dim / 2))
    return sqrt(dim - mean**2)


class CodeAutoencoder(nn.Module):
    """A map goes through codes and comes back (VQ-VFM-OCL, stage 1).

    At first the decoder sees what is between the vectors and their codes, in the end the codes; and choices are random
    at first. Four terms: what comes back, codes go to vectors, vectors to codes (0.25), and vectors to their own
    normalised values (0.1), so that codes of unit size fit them.

    encode decode  [b d y x] -> [b c h w] and back
    """

    def __init__(self, encode: nn.Module, decode: nn.Module, book: Codebook) -> None:
        super().__init__()
        self.encode, self.decode, self.book = encode, decode, book

    @torch.no_grad()
    def forward(self, x: Float[Tensor, "b d y x"]) -> Quantised:
        """The nearest codes of a map, row by row: a target, which no gradient passes."""
        return self.book(self.encode(x).flatten(2).mT)

    def terms(self, x: Float[Tensor, "b d y x"], target: Float[Tensor, "b e y x"], done: float) -> dict[str, Tensor]:
        """What the codes learn from, by name. Nothing moves them any more once `done`, the share of their own training
        that is over, is above 1.
        """
        if done > 1:  # but every parameter has a part in it, which training on several devices insists on
            nothing = 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum()
            return dict.fromkeys(("codes_rebuild", "codes_align", "codes_commit", "codes_norm"), nothing)
        latent = self.encode(x)
        code = self.book(latent.flatten(2).mT, sharpness(done)).code.mT.unflatten(2, latent.shape[2:])
        share = mix(done)
        residual = share * latent + (1 - share) * code
        back = self.decode(straight_through(latent, residual))
        return {
            "codes_rebuild": mse_loss(back, target),
            "codes_align": mse_loss(code, latent.detach()),
            "codes_commit": 0.25 * mse_loss(latent, residual.detach()),
            "codes_norm": 0.1 * mse_loss(latent, group_norm(latent.detach(), 1)),
        }


def sharpness(done: float) -> float:
    """From 1 to SPREAD, its logarithm along half a cosine."""
    return exp(log(SPREAD) * 0.5 * (1 - cos(pi * min(1.0, done))))


def mix(done: float) -> float:
    """Share of the vectors beside their codes: from 1 to 0 along half a cosine, in the first half."""
    return 0.5 * (1 + cos(pi * min(1.0, 2 * done)))


def feature_codes(feature_dim: int, codes: int, dim: int, table_dim: int = 1024) -> CodeAutoencoder:
    """Codes of the patches of frozen features, shared by all pictures: what slots can be made to tell.

    The release's encoder, three convolutions of 3x3 as wide as the features. Its decoder paints the picture at half
    its size; this one rebuilds the features, so that no picture is needed.
    """
    d = feature_dim
    encode = nn.Sequential(*conv(d, d), *conv(d, d), nn.Conv2d(d, d, 3, padding=1), nn.GroupNorm(1, d))
    encode.append(nn.Conv2d(d, dim, 1))
    decode = nn.Sequential(nn.Conv2d(dim, d, 1), *conv(d, d), nn.Conv2d(d, d, 3, padding=1))
    return CodeAutoencoder(encode, decode, Codebook(codes, dim, table_dim))


def picture_codes(codes: int, dim: int, width: int = 64, table_dim: int = 1024) -> CodeAutoencoder:
    """Codes of cells of 4x4 pixels: a small convolutional VQ-VAE."""
    w = width
    encode = nn.Sequential(*conv(3, w), *conv(w, w, 2), *conv(w, 2 * w, 2), nn.Conv2d(2 * w, dim, 1))
    decode = nn.Sequential(*conv(dim, 2 * w), *twice(2 * w, w), *twice(w, w), nn.Conv2d(w, 3, 3, padding=1))
    return CodeAutoencoder(encode, decode, Codebook(codes, dim, table_dim))


def conv(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    kernel = 3 if stride == 1 else 2 * stride
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2)
    return [layer, nn.GroupNorm(1, outputs), nn.SiLU()]


def twice(inputs: int, outputs: int) -> list[nn.Module]:
    """Four cells of each."""
    return [*conv(inputs, 4 * outputs), nn.PixelShuffle(2)]
