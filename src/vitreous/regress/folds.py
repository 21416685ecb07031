"""Who is held out with whom: k parts of the pictures, each held out once.

What belongs together (pictures of one visit, tiles of one slide) must not stand on both sides, or the score tells how
well a visit is recognised: `groups`. What should be alike in all parts (places, whether there is any clover) is given
as `strata`.
"""

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.model_selection import StratifiedGroupKFold

from vitreous.errors import DataError
from vitreous.regress.cells import as_numbers

FEW = 10  # a column of numbers with more values than this is cut into bins
BINS = 5


def divide(
    count: int, folds: int, *, groups: Sequence[str] | None = None, strata: Sequence[str] | None = None, seed: int = 0
) -> Int[np.ndarray, " n"]:
    """The fold of each picture, 0 .. folds - 1, about equal in size.

    groups  pictures with the same name go together
    strata  each fold gets about the same share of each, as far as groups allow
    """
    check(count, folds, groups)
    one = np.zeros(count, dtype=int)
    kinds = one if strata is None else np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1]
    if max(np.bincount(kinds)) < folds:  # scikit-learn refuses; so rare kinds could not be spread anyway
        kinds = one
    together = np.arange(count) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    found = np.full(count, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "the least populated class": strata are best effort
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(one, kinds, together)
        for fold, (_, held_out) in enumerate(parts):
            found[held_out] = fold
    return balanced(found, together, folds)


def check(count: int, folds: int, groups: Sequence[str] | None) -> None:
    if folds < 2:
        raise DataError(f"{folds} folds cannot be: some learn while others are held out. Ask for at least 2.")
    if count < folds:
        raise DataError(
            f"There are {count} pictures for {folds} folds, and each fold needs at least one.\n"
            "Ask for fewer:  --folds 2"
        )
    names = Counter(groups or ())
    if len(names) == 1:
        raise DataError(
            f'All {count} pictures are in one group ("{next(iter(names))}"), so none could be held out from the '
            "others.\nChoose another column for --groups, or leave it out."
        )
    if groups is not None and len(names) < folds:
        raise DataError(
            f"There are {len(names)} groups ({', '.join(list(names)[:5])}) for {folds} folds, and a group is never "
            f"divided.\nAsk for fewer folds:  --folds {len(names)}"
        )


def balanced(found: Int[np.ndarray, " n"], together: Int[np.ndarray, " n"], folds: int) -> Int[np.ndarray, " n"]:
    """A fold that came out empty, as with one huge group, takes the smallest group of the fold that has most groups."""
    for empty in sorted(set(range(folds)) - set(found.tolist())):
        groups = {fold: np.unique(together[found == fold]) for fold in range(folds)}
        rich = max(groups, key=lambda fold: len(groups[fold]))
        smallest = min(groups[rich], key=lambda group: int((together == group).sum()))
        found[together == smallest] = empty
    return found


def as_given(named: Sequence[str], column: str) -> Int[np.ndarray, " n"]:
    """Folds as a column names them, in the order of their names."""
    names, fold = np.unique(np.asarray(named, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise DataError(f'Column "{column}" names one fold only ("{names[0]}"); at least two are needed.')
    return fold


def joined(columns: pd.DataFrame) -> list[str]:
    """One name per picture from several columns: a state and a date make a visit."""
    return [" / ".join(map(str, row)) for row in columns.itertuples(index=False)]


def strata_of(columns: pd.DataFrame) -> list[str]:
    """As `joined`, but columns of many numbers are cut: nothing, then bins of about equal size."""
    return joined(pd.DataFrame({name: cut(list(columns[name])) for name in columns}))


def cut(values: Sequence[object]) -> list[str]:
    numbers, found = as_numbers(values), [str(value) for value in values]
    if np.isnan(numbers).any() or len(set(numbers)) <= FEW:
        return found
    order = [at for at in np.argsort(numbers, kind="stable") if numbers[at]]
    for at, part in enumerate(np.array_split(order, min(BINS, len(order)))):
        for place in part:
            found[place] = f"bin {at}"
    return ["0" if not number else name for number, name in zip(numbers, found, strict=True)]


def check_variance(
    y: Float[np.ndarray, "n t"], fold: Int[np.ndarray, " n"], targets: Sequence[str], names: Sequence[str] | None = None
) -> list[str]:
    """Refuse folds in which there is nothing to learn; return notes on those in which nothing can be scored."""
    notes = []
    for part in range(fold.max() + 1):
        called = f"fold {part}" if names is None else f'fold "{names[part]}"'
        for at, target in enumerate(targets):
            learns, held_out = y[fold != part, at], y[fold == part, at]
            if learns.max() == learns.min():
                raise DataError(
                    f"In {called} every picture to learn {target} from has {target} = {learns[0]:g}: there is nothing "
                    "to learn.\nChoose fewer folds, other groups or strata, or leave this target out."
                )
            if len(held_out) > 1 and held_out.max() == held_out.min():
                value = f"{target} = {held_out[0]:g}"
                notes.append(f"in {called} all {len(held_out)} held-out pictures have {value}: no R² of its own")
    return notes
