"""Ground truth in other shapes, brought to label maps."""

from jaxtyping import Bool, Int
from torch import Tensor


def from_masks(masks: Bool[Tensor, "b c *points"], *, gap: int = -1, overlap: int = -1) -> Int[Tensor, "b *points"]:
    """One label per point: its mask's number, `overlap` where it is in several, `gap` where in none.

    -1 takes points out of everything. A label of their own, named in `ignore`, leaves them in the predicted areas.
    """
    count = masks.sum(1)
    label = masks.int().argmax(1)
    return label.where(count < 2, overlap).where(count > 0, gap)


def class_map(ids: Int[Tensor, "b *points"], classes: Int[Tensor, "b n"]) -> Int[Tensor, "b *points"]:
    """Class instead of object at each point: object i of a sample is of class `classes[:, i]`; -1 stays -1.

    With it, mean_best_overlap gives class mBO. classes[:, 0] is the background's, 0 as a rule.
    """
    found = classes.gather(1, ids.flatten(1).clamp(min=0).long()).view_as(ids)
    return found.where(ids >= 0, -1)
