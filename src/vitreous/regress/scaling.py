"""Targets as heads learn them, and back without a trace."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vitreous.errors import RunError, did_you_mean

ScalingName = Literal["none", "mean", "max", "log1p"]
SCALINGS = get_args(ScalingName)


@dataclass(frozen=True)
class Scaling:
    """One unit per head and target, found on the head's own pictures.

    none   as they are
    mean   over the mean, so that a head begins at 1 whatever it measures
    max    over the largest
    log1p  log(1 + y) over its mean: large ones count for less; the answer is then nearer the median than the mean
    """

    kind: str
    unit: Float[Tensor, "m t"]

    @staticmethod
    def of(kind: str, y: Float[Tensor, "n t"], trains: Bool[Tensor, "m n"]) -> "Scaling":
        """`trains` says which pictures each head learns from."""
        if kind not in SCALINGS:
            raise RunError(f'No scaling "{kind}".{did_you_mean(kind, SCALINGS)}')
        values = y.log1p() if kind == "log1p" else y
        if kind == "none":
            unit = torch.ones(len(trains), y.shape[1])
        elif kind == "max":
            unit = torch.stack([values[own].abs().amax(0) for own in trains])
        else:
            unit = torch.stack([values[own].double().abs().mean(0).float() for own in trains])
        return Scaling(kind, unit.where(unit > 0, 1.0))

    def scaled(self, y: Float[Tensor, "b t"]) -> Float[Tensor, "b m t"]:
        """As each head would see them."""
        return (y.log1p() if self.kind == "log1p" else y)[:, None] / self.unit

    def back(self, z: Float[Tensor, "*b m t"]) -> Float[Tensor, "*b m t"]:
        values = z * self.unit
        return values.expm1() if self.kind == "log1p" else values
