"""How much could be known without looking at any picture: a score worth less than it seems.

Pictures of one visit, place or plate are alike, and so are their numbers. Where they stand on both sides of the folds,
a look-up of the mean of their kind scores well, and a head may do no more than recognise the kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from vitreous.metrics.regression import weighted_r2
from vitreous.regress.folds import joined

SUSPICIOUS = 0.1  # so much more than the targets' means explain is worth a warning
MOST_COLUMNS = 8  # of which pairs are looked at, too


@dataclass(frozen=True)
class LookUp:
    """What knowing some columns of a picture is worth.

    columns  that tell its kind
    kinds    how many there are
    score    weighted R² of the mean of the kind among the pictures of the other folds; of all of them where it has none
    floor    of the mean of all: what costs nothing
    """

    columns: tuple[str, ...]
    kinds: int
    score: float
    floor: float


def look_up(y: Float[np.ndarray, "n t"], kind: Sequence[str], fold: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n t"]:
    """The mean of each picture's kind, found in the other folds."""
    names = np.unique(np.asarray(kind, dtype=str), return_inverse=True)[1]
    found = np.empty_like(y)
    for part in np.unique(fold):
        learns, held_out = fold != part, fold == part
        count = np.bincount(names[learns], minlength=names.max() + 1)
        sums = np.stack([np.bincount(names[learns], column, minlength=names.max() + 1) for column in y[learns].T], 1)
        mean = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], y[learns].mean(0))
        found[held_out] = mean[names[held_out]]
    return found


def look_ups(
    y: Float[np.ndarray, "n t"],
    columns: pd.DataFrame,
    fold: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " t"],
) -> list[LookUp]:
    """All columns that tell kinds (the same value in at least two pictures, on average), and pairs; best first."""
    telling = [name for name in columns if 1 < len(set(columns[name])) <= len(columns) / 2]
    floor = weighted_r2(y, look_up(y, [""] * len(y), fold), weights)
    found = []
    for chosen in [(name,) for name in telling] + list(combinations(telling[:MOST_COLUMNS], 2)):
        kind = joined(pd.DataFrame(columns[list(chosen)]))
        if len(set(kind)) <= len(columns) / 2:
            score = weighted_r2(y, look_up(y, kind, fold), weights)
            found.append(LookUp(tuple(map(str, chosen)), len(set(kind)), score, floor))
    return sorted(found, key=lambda one: (-one.score, len(one.columns)))


def warning(found: Sequence[LookUp], score: float | None = None) -> str | None:
    """What to be told, if anything: the best look-up, beside the model's own score where that is known."""
    best = found[0] if found else None
    if best is None or not best.score - best.floor > SUSPICIOUS:
        return None
    names, option = " and ".join(best.columns), ",".join(best.columns)
    text = (
        f"The folds leak: without any picture, the mean of the same {names} in the other folds scores {best.score:.3f} "
        f"(the mean of all: {best.floor:.3f})."
    )
    if score is not None and score > best.floor:
        share = (best.score - best.floor) / (score - best.floor)
        text += f" That is {min(share, 1):.0%} of what the heads explain beyond the mean ({score:.3f})."
    return f"{text}\nPictures of one {names} are in several folds. Keep them together:  --groups {option}"
