"""Slots that start at objects which somebody points out in a clip's first frame."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vitreous.blocks.grouping import Begun
from vitreous.blocks.initial import BoxSlots, boxes_of, groups_of

Spare = Literal["absent", "background"]


def renumbered(ids: Int[Tensor, "b y x"], slots: int) -> Int[Tensor, "b y x"]:
    """Objects of each sample as 1, 2, ... in the order of their ids; -1 where no slot is left for them, or unknown."""
    new = torch.zeros_like(ids).where(ids == 0, -1)
    for there, numbers in zip(ids, new, strict=True):
        names = there[there > 0].unique()[: slots - 1]
        number = torch.searchsorted(names, there)
        found = names[number.clamp(max=len(names) - 1)] == there if len(names) else torch.zeros_like(there) > 0
        numbers[found] = number[found] + 1
    return new


class BoxStart(nn.Module):
    """A slot per box of the first frame, the first one for the background (SAVi: Kipf et al. 2022, arXiv:2111.12594).

    spare  slots without an object are "absent", or start at the "background" as in the release, where they stay alike
           and share it
    """

    def __init__(self, slots: int, slot_dim: int, hidden: int = 256, spare: Spare = "absent") -> None:
        super().__init__()
        self.slots, self.spare = slots, spare
        self.boxes = BoxSlots(slot_dim, hidden)

    def forward(self, ids: Int[Tensor, "b y x"]) -> Begun:
        boxes = boxes_of(renumbered(ids, self.slots), self.slots)
        there = boxes.any(-1) | (torch.arange(self.slots, device=ids.device) == 0)
        return Begun(self.boxes(boxes), there if self.spare == "absent" else None)


class IdStart(nn.Module):
    """A slot per object of the first frame, told from the mean of what is seen there; the first is the background's.

    spare  as of BoxStart
    """

    def __init__(self, slots: int, feature_dim: int, slot_dim: int, hidden: int = 256, spare: Spare = "absent") -> None:
        super().__init__()
        self.slots, self.spare = slots, spare
        self.mlp = nn.Sequential(nn.Linear(feature_dim, hidden), nn.ReLU(), nn.Linear(hidden, slot_dim))

    def forward(self, ids: Int[Tensor, "b y x"], x: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Begun:
        """x: of the cells of a grid over the picture, row by row."""
        small = interpolate(renumbered(ids, self.slots)[:, None].float(), grid, mode="nearest-exact")[:, 0].long()
        groups = groups_of(small.flatten(1), self.slots)
        size = groups.sum(-1, keepdim=True)
        mean = groups @ x.float() / size.clamp(min=1)
        there = (size[..., 0] > 0) | (torch.arange(self.slots, device=ids.device) == 0)
        mean = mean.where(there[..., None], mean[:, :1])
        return Begun(self.mlp(mean), there if self.spare == "absent" else None)
