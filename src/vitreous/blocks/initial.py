"""Where slots start."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from vitreous.blocks.redundancy import joined, merge_tree


class SharedGaussian(nn.Module):
    """All slots from one learned Gaussian, sampled in training and evaluation (Locatello et al. 2020).

    mean and log-std are Xavier-uniform, as in the public code: U(-sqrt(3/s), sqrt(3/s)).
    """

    def __init__(self, slots: int, slot_dim: int) -> None:
        super().__init__()
        self.slots = slots
        self.mean = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 1, slot_dim)))
        self.log_std = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 1, slot_dim)))

    def forward(
        self, features: Float[Tensor, "b n d"], *, noise: Float[Tensor, "b k s"] | None = None
    ) -> Float[Tensor, "b k s"]:
        """Draw slots for each sample; of `features` only the number of samples matters."""
        if noise is None:
            shape = (features.shape[0], self.slots, self.mean.shape[-1])
            noise = torch.randn(shape, device=features.device, dtype=self.mean.dtype)
        return self.mean + noise * self.log_std.exp()


class SlotGaussian(nn.Module):
    """Each slot from a learned Gaussian of its own.

    spread  "own": a width per slot, s^-1/2 at the start, drawn in training only; at test a slot starts at its mean
            (Genera1Z: DIAS and relatives). "shared": one width for all slots, Xavier-uniform like the means, drawn
            at test too (the seed project)
    """

    def __init__(self, slots: int, slot_dim: int, spread: Literal["own", "shared"] = "own") -> None:
        super().__init__()
        self.spread = spread
        if spread == "own":
            self.mean = nn.Parameter(nn.init.xavier_uniform_(torch.empty(slots, slot_dim))[None])
            self.log_std = nn.Parameter(torch.full((1, slots, slot_dim), slot_dim**-0.5).log())
        else:  # drawn in three dimensions, as there: U(-(6 / s(k + 1))^1/2, ...) and U(-(3 / s)^1/2, ...)
            self.mean = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, slots, slot_dim)))
            self.log_std = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 1, slot_dim)))

    def forward(
        self, features: Float[Tensor, "b n d"], *, noise: Float[Tensor, "b k s"] | None = None
    ) -> Float[Tensor, "b k s"]:
        """Draw slots for each sample; of `features` only the number of samples matters."""
        mean = self.mean.expand(features.shape[0], -1, -1)
        if self.spread == "own" and not self.training:
            return mean
        if noise is None:
            noise = torch.randn(mean.shape, device=features.device, dtype=mean.dtype)
        return mean + noise * self.log_std.exp()


class LearnedSlots(nn.Module):
    """The same learned slots for every sample, N(0, 1/s) before training (VideoSAUR; Jia et al. 2023 train them by
    bi-level gradients).
    """

    def __init__(self, slots: int, slot_dim: int) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.randn(1, slots, slot_dim) * slot_dim**-0.5)

    def forward(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k s"]:
        """Of `features` only the number of samples matters."""
        return self.slots.expand(features.shape[0], -1, -1)


class BoxSlots(nn.Module):
    """A slot per given box of the first frame (Kipf et al. 2022, SAVi, arXiv:2111.12594): MLP 4 -> hidden -> s.

    Rows without a box are all zeros; they share one start, and the first of them becomes the background.
    """

    def __init__(self, slot_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, hidden), nn.Linear(hidden, slot_dim)

    def forward(self, boxes: Float[Tensor, "b k 4"]) -> Float[Tensor, "b k s"]:
        """Boxes as of `boxes_of`."""
        return self.fc2(self.fc1(boxes).relu())


def groups_of(ids: Int[Tensor, "b n"], slots: int) -> Float[Tensor, "b k n"]:
    """Rows of 0 and 1 as of PatchGroups, from ids 0..k-1 of patches; patches of other ids are in no group."""
    return (ids[:, None] == torch.arange(slots, device=ids.device)[:, None]).float()


def boxes_of(ids: Int[Tensor, "b h w"], slots: int) -> Float[Tensor, "b k 4"]:
    """(top, left, bottom, right) in [0, 1] of ids 0..k-1 on the patch grid; zeros for the background, 0, and for an id
    that is not there.
    """
    there = groups_of(ids.flatten(1), slots).unflatten(2, ids.shape[1:]) > 0
    sides = []
    for size, line in zip(ids.shape[1:], (there.any(3), there.any(2)), strict=True):
        place = torch.arange(size, device=ids.device)
        low = place.where(line, size).amin(-1)
        high = (place + 1).where(line, 0).amax(-1)
        sides.append((low / size, high / size))
    boxes = torch.stack([low for low, _ in sides] + [high for _, high in sides], dim=-1)
    objects = there.any((2, 3)) & (torch.arange(slots, device=ids.device) > 0)
    return boxes * objects[..., None]


class PatchGroups(nn.Module):
    """Slots start as groups of like patches, as many as there are: the warm start (ours).

    Patches that lie far apart are picked (`candidates`; farthest-first traversal, Gonzalez 1985), every patch joins the
    most alike, and the two groups that are most alike on average are merged (average linkage, Sokal & Michener 1958),
    while there are more than `slots` or their mean cosine distance is below `merge`. Like is the cosine between frozen
    features, so training cannot spoil it. The first pick is the patch nearest to the mean, or, while training, any
    patch, so that the model meets many starts; at test nothing is random.

    merge  in [0, 2]; 0 merges only to come down to `slots`
    """

    def __init__(self, slots: int, candidates: int = 24, merge: float = 0.3) -> None:
        super().__init__()
        self.slots, self.candidates, self.merge = slots, max(slots, candidates), merge

    @torch.no_grad()
    def forward(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k n"]:
        """One row of 0 and 1 per group, the largest first; rows of zeros where a picture has fewer than `slots`."""
        x = normalize(features.float(), dim=-1)
        groups = self.nearest(x, self.pick(x))
        size = groups.sum(-1)
        mean = groups @ x / size.clamp(min=1)[..., None]  # dot products of these are mean cosines
        tree = merge_tree(1 - mean @ mean.mT, size)
        merges = torch.maximum(tree.below(self.merge), (size > 0).sum(1) - self.slots)
        groups = joined(tree.cut(merges)) @ groups
        largest = groups.sum(-1).argsort(dim=1, descending=True, stable=True)[:, : self.slots]
        return groups.gather(1, largest[..., None].expand(-1, -1, x.shape[1]))

    def pick(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b c d"]:
        """Candidates, far apart. With fewer patches than candidates some are picked twice."""
        rows = torch.arange(x.shape[0], device=x.device)
        if self.training:
            pick = torch.randint(x.shape[1], (len(x),), device=x.device)
        else:
            pick = (x - x.mean(1, keepdim=True)).square().sum(2).argmin(1)
        picked, nearest = [x[rows, pick]], torch.full(x.shape[:2], torch.inf, device=x.device)
        for _ in range(self.candidates - 1):
            nearest = torch.minimum(nearest, (x - picked[-1][:, None]).square().sum(2))
            picked.append(x[rows, nearest.argmax(1)])
        return torch.stack(picked, dim=1)

    @staticmethod
    def nearest(x: Float[Tensor, "b n d"], picked: Float[Tensor, "b c d"]) -> Float[Tensor, "b c n"]:
        """1 where a patch is most like a pick; the first of equals."""
        return one_hot((x @ picked.mT).argmax(2), picked.shape[1]).mT.float()
