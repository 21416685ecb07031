"""How the pictures of a table are divided into folds, as asked for on a command line or in Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from vitreous.errors import DataError, did_you_mean
from vitreous.regress.folds import as_given, check_variance, divide, joined, strata_of
from vitreous.regress.table import Table


@dataclass(frozen=True)
class Division:
    """Folds, one division per seed.

    how     it came about, in plain values for the recipe
    groups  of the pictures, for intervals and residuals; None where each stands for itself
    notes   worth knowing: folds in which a target cannot be scored
    """

    folds: list[Int[np.ndarray, " n"]]
    how: Mapping[str, Any]
    groups: Sequence[str] | None = None
    notes: Sequence[str] = ()

    def taking(self, keep: Bool[np.ndarray, " n"]) -> "Division":
        """Of some of the pictures."""
        groups = None if self.groups is None else [g for g, own in zip(self.groups, keep, strict=True) if own]
        return Division([fold[keep] for fold in self.folds], self.how, groups, self.notes)


def divided(
    table: Table,
    *,
    groups: Sequence[str] = (),
    strata: Sequence[str] = (),
    folds: int | Literal["each"] = 5,
    fold_column: str | None = None,
    seeds: int = 1,
    seed: int = 0,
) -> Division:
    """Divide, and refuse folds from which some target could not be learned.

    groups, strata  columns, or targets for strata
    folds           "each": every group is held out by itself
    """
    if seeds < 1:
        raise DataError(f"{seeds} seeds cannot be: ask for at least 1.")
    names = joined(table.column(groups)) if groups else None
    kinds = strata_of(with_targets(table, strata)) if strata else None
    how = {"folds": folds, "groups": list(groups), "strata": list(strata), "column": fold_column, "seeds": seeds}
    if fold_column is not None:
        named = [str(name) for name in table.column([fold_column])[fold_column]]
        found, called = [as_given(named, fold_column)], sorted(set(named))
        how |= {"folds": len(called), "seeds": 1}
    else:
        if folds == "each":
            if names is None:
                raise DataError("Holding out each group needs to know what a group is:  --groups COLUMN")
            folds = len(set(names))
        found = [divide(len(table), folds, groups=names, strata=kinds, seed=seed + i) for i in range(seeds)]
        called = None
    notes = [note for fold in found for note in check_variance(table.y, fold, table.targets, called)]
    return Division(found, how, names, notes)


def with_targets(table: Table, names: Sequence[str]) -> pd.DataFrame:
    """Columns, among which may be targets: clover is there or not."""
    every = table.columns.assign(**{target: table.y[:, at] for at, target in enumerate(table.targets)})
    for name in names:
        if name not in every:
            raise DataError(f'{table.path} has no column "{name}".{did_you_mean(name, every.columns)}')
    return pd.DataFrame(every[list(names)])


def shares(texts: Sequence[str], targets: Sequence[str]) -> Float[np.ndarray, " t"]:
    """Weights of targets in the score, from texts like "Total=0.5", summing to 1; without any, all the same.

    Who is not named counts nothing.
    """
    found = dict.fromkeys(targets, 0.0 if texts else 1.0)
    for text in texts:
        name, _, value = text.rpartition("=")
        if name not in found:
            raise DataError(f'The weight "{text}" is of no target.{did_you_mean(name, targets)}')
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        if not found[name] >= 0:
            raise DataError(f'The weight "{text}" is not a number of at least 0, as in {name}=0.5.')
    if not sum(found.values()) > 0:
        raise DataError("All weights are 0: nothing would be scored.")
    return np.array(list(found.values())) / sum(found.values())
