"""Who doubles whom: agglomerative clustering of slots, for all samples of a batch at once."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize, one_hot

Linkage = Literal["average", "complete", "single"]
Same = float | Literal["auto"]  # cosine distance in [0, 2] below which two slots are one; auto: of the picture
AUTO = 0.2  # share of the distance between the two parts of a picture that differ most: see docs/methods/dias.md


class Tree(NamedTuple):
    """Every clustering from "each for itself" to "all in one".

    heights  distance at which each merge happens, in order; inf where there was nothing left to merge
    labels   after 0, 1 .. k - 1 merges, the cluster of each member: its lowest member's number
    """

    heights: Float[Tensor, "b m"]
    labels: Int[Tensor, "b m+1 k"]

    def cut(self, merges: Int[Tensor, " b"]) -> Int[Tensor, "b k"]:
        """The clusters of each sample after so many merges."""
        return self.labels[torch.arange(merges.shape[0], device=merges.device), merges]

    def below(self, threshold: float | Float[Tensor, " b"]) -> Int[Tensor, " b"]:
        """How many merges happen below a distance. Linkages here never go down but for rounding, which is smoothed."""
        if isinstance(threshold, Tensor):
            threshold = threshold[:, None]
        return ((~(self.heights < threshold)).cumsum(1) == 0).sum(1)  # as of a running maximum, which ONNX has not

    def top(self) -> Float[Tensor, " b"]:
        """Distance between the last two clusters; 0 where there never were two."""
        return (
            torch.cat([self.heights.new_zeros(self.heights.shape[0], 1), self.heights], 1).nan_to_num(posinf=0).amax(1)
        )


@torch.no_grad()
def merge_tree(distance: Float[Tensor, "b k k"], size: Float[Tensor, "b k"], linkage: Linkage = "average") -> Tree:
    """Merge the two nearest clusters until one is left (Lance & Williams 1967): k - 1 steps, whatever the batch.

    distance  symmetric; inf between members that must not meet
    size      weight of each member in averages; members of size 0 are not there and stay alone
    """
    b, k = size.shape
    rows, names = torch.arange(b, device=size.device), torch.arange(k, device=size.device)
    there = size > 0
    apart = there[:, :, None] & there[:, None] & (names[:, None] != names)
    d, size = distance.float().masked_fill(~apart, torch.inf), size.float().where(there, 1.0)
    labels, heights = [names.expand(b, k)], [d.new_zeros(b, 0)]
    for _ in range(k - 1):
        height, pair = d.flatten(1).min(1)
        one, other = pair // k, pair % k
        one, other = torch.minimum(one, other), torch.maximum(one, other).where(height < torch.inf, one)
        mine, its = d[rows, one], d[rows, other]
        if linkage == "average":
            share = size[rows, one] / (size[rows, one] + size[rows, other])
            both = mine * share[:, None] + its * (1 - share)[:, None]
            size[rows, one] += size[rows, other]
        else:
            both = torch.maximum(mine, its) if linkage == "complete" else torch.minimum(mine, its)
        d[rows, one], d[rows, :, one] = both, both
        d[rows, other], d[rows, :, other], d[rows, one, one] = torch.inf, torch.inf, torch.inf
        labels.append(labels[-1].where(labels[-1] != other[:, None], one[:, None]))
        heights.append(height[:, None])
    return Tree(torch.cat(heights, 1), torch.stack(labels, 1))


def joined(labels: Int[Tensor, "b k"]) -> Float[Tensor, "b k k"]:
    """Row c: ones at the members of the cluster named c; zeros where there is none."""
    return one_hot(labels, labels.shape[1]).mT.float()


def cosine_distance(slots: Float[Tensor, "b k s"]) -> Float[Tensor, "b k k"]:
    """Between all slots of a sample, in [0, 2]; in float32, as a rounded cosine is blind to small angles."""
    with torch.autocast(slots.device.type, enabled=False):
        x = normalize(slots.float(), dim=-1)
        return 1 - x @ x.mT


class Distinct(NamedTuple):
    """Slots without those that double another.

    keep     of each cluster the slot that owns most; False for slots that were not there
    members  row c: ones at the slots that c stands for, itself among them; zeros where c is not kept
    """

    keep: Bool[Tensor, "b k"]
    members: Float[Tensor, "b k k"]

    def slots(self, slots: Float[Tensor, "b k s"], own: Float[Tensor, "b k"]) -> Float[Tensor, "b k s"]:
        """Each kept slot as the mean of those it stands for, by what they own; zeros where none is kept."""
        weight = self.members * own.clamp(min=1e-6)[:, None]
        return weight / weight.sum(-1, keepdim=True).clamp(min=1e-6) @ slots


@torch.no_grad()
def distinct(
    slots: Float[Tensor, "b k s"],
    own: Float[Tensor, "b k"],
    same: Same,
    keep: Bool[Tensor, "b k"] | None = None,
    apart: Bool[Tensor, "b k"] | None = None,
) -> Distinct:
    """One slot of each cluster (Zhao et al. 2025, DIAS, arXiv:2507.23755; average linkage is our choice).

    own    patches that each slot owns, as the sum of its shares
    keep   which slots there are; None: all
    apart  slots that never double each other, and stand for whoever doubles them
    """
    distance = cosine_distance(slots)
    there = torch.ones_like(own, dtype=torch.bool) if keep is None else keep
    tree = merge_tree(distance, there.float())
    near = AUTO * tree.top() if same == "auto" else same
    if apart is not None:
        tree = merge_tree(distance.masked_fill(apart[:, :, None] & apart[:, None], torch.inf), there.float())
        own = own.masked_fill(apart, torch.inf)
    clusters = joined(tree.cut(tree.below(near))) * there[:, None]
    first = own[:, None].masked_fill(clusters == 0, -1).argmax(-1)  # b c: who owns most in each cluster
    stands = one_hot(first, own.shape[1]) * clusters.any(-1, keepdim=True)
    return Distinct(stands.any(1), stands.mT.float() @ clusters)
