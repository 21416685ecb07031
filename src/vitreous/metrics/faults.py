"""What is wrong with predicted segments, object by object and pixel by pixel, against the truth (0: background).

An object's main segment is the one that owns most of it; the background's is the one that owns most of that.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vitreous.metrics.boundary import edges, near
from vitreous.metrics.contingency import contingency

SPLIT = 0.2  # share of an object that a second segment must own to count as a part: below it is its border, mostly
CAUSES = ("right", "border bleed", "missed", "merged", "split", "background leak", "background split")
RIGHT, BLEED, MISSED, MERGED, CUT, LEAK, TORN = range(len(CAUSES))


@dataclass(frozen=True)
class Faults:
    """What became of each true object (columns: `ids`) of each sample (rows).

    there    objects with enough points to be judged
    main     label of the segment that owns most of it
    missed   that is the background's segment
    merged   that is the main segment of another object, too
    split    a second segment, not the background's, owns at least SPLIT of it
    kept     of each sample: the share of the background that its largest segment owns; NaN without background
    ground   of each sample: the label of that segment; means nothing without background
    """

    ids: Int[Tensor, " q"]
    there: Bool[Tensor, "b q"]
    main: Int[Tensor, "b q"]
    missed: Bool[Tensor, "b q"]
    merged: Bool[Tensor, "b q"]
    split: Bool[Tensor, "b q"]
    kept: Float[Tensor, " b"]
    ground: Int[Tensor, " b"]

    def share(self, fault: str) -> Float[Tensor, " b"]:
        """Share of each sample's objects with this fault: missed, merged or split. NaN without objects."""
        count = self.there.sum(1)
        return (getattr(self, fault).sum(1) / count).double().where(count > 0, torch.nan)


def faults(pred: Int[Tensor, "b *points"], true: Int[Tensor, "b *points"], *, least: float = 1.0) -> Faults:
    """Judge every object of at least `least` points; negative true labels do not count."""
    table = contingency(pred, true)
    ground_column = table.true_labels == 0
    shared = table.shared[:, :, ~ground_column].double()
    ground = table.shared[:, :, ground_column].double().sum(2)  # b p; zeros without background
    points, (owned, row) = shared.sum(1), shared.max(1)
    there, rows = points >= max(least, 1.0), torch.arange(len(shared), device=pred.device)
    ground_row = ground.argmax(1)
    has_ground = ground.sum(1) > 0
    missed = there & (row == ground_row[:, None]) & has_ground[:, None]
    found = there & ~missed
    same = (row[:, :, None] == row[:, None]) & found[:, :, None] & found[:, None]
    others = shared.clone()
    others.scatter_(1, row[:, None], 0)
    others[rows[has_ground], ground_row[has_ground]] = 0
    return Faults(
        ids=table.true_labels[~ground_column],
        there=there,
        main=table.pred_labels[row],
        missed=missed,
        merged=same.sum(2) > 1,
        split=there & (others.amax(1) >= SPLIT * points) & (owned > 0),
        kept=(ground.amax(1) / ground.sum(1)).where(has_ground, torch.nan),
        ground=table.pred_labels[ground_row],
    )


def error_map(pred: Int[Tensor, "b y x"], true: Int[Tensor, "b y x"], *, reach: int) -> Int[Tensor, "b y x"]:
    """What is wrong at each pixel, as a number into CAUSES; -1 where the true label is negative.

    right             in the main segment of its object, and no larger object shares it; background in its own
    border bleed      wrong, but no further than `reach` pixels from a true border (half a patch is what a grid blurs)
    missed            of an object, in the background's segment
    merged            of an object, in a segment that is another object's
    split             of an object, in a segment that is nobody's main one
    background leak   of the background, in an object's segment
    background split  of the background, in a segment that is nobody's main one

    The whole of an object that is missed or shares its segment is wrong, its border too.
    """
    found = torch.full_like(true, RIGHT)
    borders = near_borders(true, reach)
    for i in range(len(pred)):  # objects and segments differ from picture to picture
        found[i] = errors_of(pred[i], true[i], borders[i])
    return found


def errors_of(pred: Int[Tensor, "y x"], true: Int[Tensor, "y x"], border: Bool[Tensor, "y x"]) -> Int[Tensor, "y x"]:
    judged = faults(pred[None], true[None])
    segments, owner = pred.unique(), owners(pred, true)
    # segment by true label: what a pixel of both is, if it lies far from borders; whether its border is judged alike
    ids = torch.cat([judged.ids.new_zeros(1), judged.ids])
    kind = torch.full((len(segments), len(ids)), RIGHT, device=pred.device)
    firm = torch.zeros(kind.shape, dtype=torch.bool, device=pred.device)
    for row, segment in enumerate(segments.tolist()):
        mine = owner.get(segment)
        for column, thing in enumerate(ids.tolist()):
            if mine == thing:
                firm[row, column] = True  # right is right
            elif thing == 0:
                kind[row, column] = TORN if mine is None else LEAK
            else:
                kind[row, column] = {None: CUT, 0: MISSED}.get(mine, MERGED)
                firm[row, column] = int(judged.main[0, column - 1]) == segment  # missed or merged as a whole
    at = torch.searchsorted(segments, pred), torch.searchsorted(ids, true.clamp(min=0))
    found = kind[at].where(firm[at] | ~border, BLEED)
    return found.where(true >= 0, -1)


def owners(pred: Int[Tensor, "y x"], true: Int[Tensor, "y x"]) -> dict[int, int]:
    """Whose each segment is, by true label: 0 the background's; of objects with one main segment, the largest's in it.

    A segment that is nobody's main one is not in it.
    """
    judged = faults(pred[None], true[None])
    owner, most = {}, {}
    for column, thing in enumerate(judged.ids.tolist()):
        if judged.there[0, column]:
            segment = int(judged.main[0, column])
            size = int(((true == thing) & (pred == segment)).sum())
            if size > most.get(segment, 0):
                owner[segment], most[segment] = thing, size
    if not judged.kept[0].isnan():
        owner[int(judged.ground[0])] = 0
    return owner


def near_borders(true: Int[Tensor, "b y x"], reach: int) -> Bool[Tensor, "b y x"]:
    """Pixels at most `reach` from a border between true segments, on either side of it."""
    right_and_below = edges(true)
    turned = edges(true.flip(1, 2)).flip(1, 2)
    return near(right_and_below | turned, max(reach - 1, 0)) if reach > 0 else torch.zeros_like(right_and_below)
