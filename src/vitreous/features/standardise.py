"""Features at one scale, whatever the backbone's.

    dataset   per channel, by mean and deviation of the whole data set
    position  minus the mean of its position, then per channel by the deviation of what is left
    token     per patch, over channels (LayerNorm without weights)
    image     per picture and channel, over positions
    none      as the backbone gave them

Features times 0.1 or times 10 come out the same. What never varies comes out 0: deviations are held above a floor
that is itself relative to the features' scale.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from vitreous.errors import FeatureMismatch, VitreousError, did_you_mean
from vitreous.features.statistics import Statistics

Mode = Literal["dataset", "position", "token", "image", "none"]
MODES = get_args(Mode)
FLOOR_DATASET = 1e-6  # of the largest channel's deviation; statistics are exact, so only dead channels are below
FLOOR_IMAGE = 1e-4  # of the picture's root mean square: float32 leaves 1e-7 of it where nothing varies


class Standardiser:
    """Call it on features [... h w d], stored or new; the answer is float32.

    `mean` and `scale` are what it subtracts and multiplies with, in `dataset` and `position` only.
    """

    def __init__(self, mode: str, mean: Tensor | None = None, scale: Tensor | None = None) -> None:
        if mode not in MODES:
            raise VitreousError(f'No way to standardise called "{mode}".{did_you_mean(mode, MODES)}')
        self.mode, self.mean, self.scale = mode, mean, scale

    @classmethod
    def of(cls, statistics: Statistics, mode: str) -> "Standardiser":
        if mode == "dataset":
            mean, std = statistics.mean, statistics.std
        elif mode == "position":
            mean, std = statistics.position_mean, statistics.within_std
        else:
            return cls(mode)
        deviation = torch.from_numpy(std)
        floor = max(FLOOR_DATASET * float(deviation.max()), torch.finfo(torch.float32).tiny)
        return cls(mode, torch.from_numpy(mean).float(), (1 / deviation.clamp_min(floor)).float())

    def __call__(self, features: Float[Tensor, "*b h w d"]) -> Float[Tensor, "*b h w d"]:
        x = features.float()
        if self.mode == "none":
            return x
        if self.mode == "token":
            return spread(x, over=(-1,), within=(-1,))
        if self.mode == "image":
            return spread(x, over=(-3, -2), within=(-3, -2, -1))
        if self.mean is None or self.scale is None:
            raise VitreousError(f'Standardising by "{self.mode}" needs the statistics of a store.')
        if x.shape[-1] != self.scale.shape[-1] or (self.mode == "position" and x.shape[-3:] != self.mean.shape):
            raise FeatureMismatch(
                f"Features of shape {tuple(x.shape[-3:])} cannot be standardised by statistics of "
                f"{tuple(self.mean.shape)}: they come from another backbone or grid."
            )
        mean, scale = self.mean.to(x.device), self.scale.to(x.device)
        # in place where x is a copy: memory that is taken anew costs more than the arithmetic
        return (x.sub_(mean) if x is not features else x - mean).mul_(scale)

    def state(self) -> dict[str, Tensor]:
        """Tensors to save beside a model, the mode among them as ASCII; `from_state` reads them."""
        tensors = {"mode": torch.tensor(list(self.mode.encode()), dtype=torch.uint8), "mean": self.mean}
        return {name: value for name, value in (tensors | {"scale": self.scale}).items() if value is not None}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "Standardiser":
        return cls(bytes(state["mode"].tolist()).decode(), state.get("mean"), state.get("scale"))


def spread(x: Float[Tensor, "*s"], over: tuple[int, ...], within: tuple[int, ...]) -> Float[Tensor, "*s"]:
    """Mean 0 and deviation 1 over some axes; the floor is a share of the root mean square within others."""
    x = x - (centre := x.mean(over, keepdim=True))
    floor = FLOOR_IMAGE * (x.square() + centre.square()).mean(within, keepdim=True).sqrt()
    deviation = x.square().mean(over, keepdim=True).sqrt()
    return x / torch.maximum(deviation, floor).clamp_min(torch.finfo(torch.float32).tiny)
