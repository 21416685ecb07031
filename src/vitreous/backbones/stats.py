"""What the features of a backbone are like: scale, similarity, dimensions, and how much of them is mere position.

Everything is summed in float64 while pictures stream by, around the mean of the first chunk, so that channels whose
mean is far from 0 lose nothing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from vitreous.errors import BackboneError


@dataclass(frozen=True)
class FeatureSummary:
    """Features of many pictures, in numbers.

    mean, std       per channel, over pictures and positions
    norm            mean length of a token
    cosine          mean cosine between two different patches of one picture: near 1, they all look alike
    spatial         variance over the patches of a picture, mean over pictures and channels: what slots have to go by
    spectrum        share of the variance that each principal component holds, the largest first; zeros where none is
    pca90, pca95    principal components that hold 90 or 95 % of the variance, of `dim`
    position_share  variance of the mean at each position, over that of all tokens, both summed over channels: what can
                    be known of a token from its place alone. For n pictures of pure noise it is 1 / n, not 0
    """

    pictures: int
    grid: tuple[int, int]
    dim: int
    mean: Float64[Tensor, " d"]
    std: Float64[Tensor, " d"]
    norm: float
    cosine: float
    spatial: float
    spectrum: Float64[Tensor, " d"]
    position_share: float

    @property
    def pca90(self) -> int:
        return components_for(self.spectrum, 0.9)

    @property
    def pca95(self) -> int:
        return components_for(self.spectrum, 0.95)

    def numbers(self) -> dict[str, float | int | list[int]]:
        """For people and JSON: channels are summed up by their mean of means and root mean square of stds."""
        return {
            "pictures": self.pictures,
            "grid": list(self.grid),
            "dim": self.dim,
            "mean": float(self.mean.mean()),
            "std": float(self.std.square().mean().sqrt()),
            "norm": self.norm,
            "cosine": self.cosine,
            "spatial": self.spatial,
            "pca90": self.pca90,
            "pca95": self.pca95,
            "position_share": self.position_share,
        }


class FeatureStats:
    """Add features of pictures as they come, then ask for `summary()`."""

    def __init__(self) -> None:
        self.pictures = 0

    def add(self, features: Float[Tensor, "n h w d"]) -> None:
        """All chunks must have one grid and width, and be finite."""
        if not len(features):
            return
        x = features.detach().cpu().double()
        if not x.isfinite().all():
            raise BackboneError("Features are not finite: the weights are broken, or the precision is too low.")
        if not self.pictures:
            self.begin(x)
        if x.shape[1:] != self.places.shape:
            raise BackboneError(
                f"Features of {tuple(x.shape[1:])} among those of {tuple(self.places.shape)} (h, w, d)."
            )
        tokens = x.flatten(1, 2)
        lengths = tokens.norm(dim=2)
        self.lengths += lengths.sum()
        self.alike += mean_cosine(tokens, lengths).sum()
        x = x - self.around
        self.within += (x - x.mean((1, 2), keepdim=True)).square().mean((1, 2, 3)).sum()
        self.pictures += len(x)
        self.places += x.sum(0)
        x = x.flatten(0, 2)
        self.products += x.mT @ x

    def begin(self, x: Float64[Tensor, "n h w d"]) -> None:
        d = x.shape[3]
        self.around = x.mean((0, 1, 2))
        self.places = torch.zeros_like(x[0])
        self.products = x.new_zeros(d, d)
        self.lengths, self.alike, self.within = (x.new_zeros(()) for _ in range(3))

    def summary(self) -> FeatureSummary:
        if not self.pictures:
            raise BackboneError("No pictures, no statistics.")
        h, w, d = self.places.shape
        n, tokens = self.pictures, self.pictures * h * w
        middle = self.places.sum((0, 1)) / tokens
        covariance = self.products / tokens - middle.outer(middle)
        variance = covariance.diagonal().clamp(min=0)
        total = variance.sum()
        by_place = (self.places / n - middle).square().sum() / (h * w)
        return FeatureSummary(
            pictures=n,
            grid=(h, w),
            dim=d,
            mean=self.around + middle,
            std=variance.sqrt(),
            norm=float(self.lengths / tokens),
            cosine=float(self.alike / n),
            spatial=float(self.within / n),
            spectrum=spectrum(covariance),
            position_share=float(by_place / total) if total > 0 else 0.0,
        )


def mean_cosine(tokens: Float64[Tensor, "n k d"], lengths: Float64[Tensor, "n k"]) -> Float64[Tensor, " n"]:
    """Over all pairs of different tokens, without making the pairs: |sum of unit vectors|^2 counts each pair twice."""
    k = tokens.shape[1]
    if k < 2:
        return torch.ones(len(tokens), dtype=tokens.dtype)
    unit = tokens / lengths.clamp(min=torch.finfo(tokens.dtype).tiny)[..., None]
    return (unit.sum(1).square().sum(1) - unit.square().sum((1, 2))) / (k * (k - 1))


def spectrum(covariance: Float64[Tensor, "d d"]) -> Float64[Tensor, " d"]:
    """Share of the variance along each principal axis, the largest first; zeros where nothing varies."""
    values = torch.linalg.eigvalsh(covariance).clamp(min=0).flip(0)
    return values / values.sum() if values.sum() > 0 else torch.zeros_like(values)


def components_for(spectrum: Float64[Tensor, " d"], share: float) -> int:
    """So many principal components hold this share of the variance; 0 where nothing varies."""
    return int((spectrum.cumsum(0) < share - 1e-12).sum()) + 1 if spectrum.sum() > 0 else 0
