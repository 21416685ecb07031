"""How good a run is on pictures that its heads had not seen: out_of_fold.csv, by_view.csv, scores.json."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from vitreous.metrics.regression import interval, mean_absolute_error, r2, weighted_r2
from vitreous.regress.ensemble import mean_over, spreads
from vitreous.regress.leakage import look_up, look_ups, warning
from vitreous.regress.run import BY_VIEW, OUT_OF_FOLD, SCORES, RegressionRun, write_text
from vitreous.regress.table import Table
from vitreous.types import Score

LOOK_UPS = 5  # best ones that are kept


def score_out_of_fold(
    run: RegressionRun,
    table: Table,
    folds: Sequence[Int[np.ndarray, " n"]],
    groups: Sequence[str] | None,
    numbers: Float[np.ndarray, "n v k t"],
    views: Sequence[str],
) -> dict[str, Any]:
    """Write the three files; returns what scores.json holds. `numbers` are NaN where a member has seen the picture."""
    voted = mean_over(numbers)
    pred = run.settled(voted)
    found = scores(run, table, folds, groups, pred, numbers, views)
    frame = out_of_fold(table, folds, groups, pred, voted, spreads(numbers)[1])
    write_text(run.folder / OUT_OF_FOLD, frame.to_csv(index=False, float_format="%.6g"))
    each = np.nanmean(numbers.astype(np.float64), axis=2)
    by_view = [
        pd.DataFrame(each[:, at], columns=list(table.targets)).assign(view=view, image_path=table.pictures)
        for at, view in enumerate(views)
    ]
    columns = ["image_path", "view", *table.targets]
    write_text(run.folder / BY_VIEW, pd.concat(by_view)[columns].to_csv(index=False, float_format="%.6g"))
    write_text(run.folder / SCORES, json.dumps(plain(found), indent=1) + "\n")
    return found


def out_of_fold(
    table: Table,
    folds: Sequence[Int[np.ndarray, " n"]],
    groups: Sequence[str] | None,
    pred: Float[np.ndarray, "n t"],
    voted: Float[np.ndarray, "n t"],
    over_views: Float[np.ndarray, "n t"],
) -> pd.DataFrame:
    """A row per picture and target: what is true, what was said, and before it was made to add up."""
    count = len(table.targets)
    rows = {
        "image_path": np.repeat(table.pictures, count),
        "group": np.repeat([""] * len(table) if groups is None else list(groups), count),
        "fold": np.repeat([" ".join(str(fold[i]) for fold in folds) for i in range(len(table))], count),
        "target": list(table.targets) * len(table),
    }
    values = {"true": table.y, "predicted": pred, "as_voted": voted, "spread_over_views": over_views}
    return pd.DataFrame(rows | {name: value.reshape(-1) for name, value in values.items()})


def scores(
    run: RegressionRun,
    table: Table,
    folds: Sequence[Int[np.ndarray, " n"]],
    groups: Sequence[str] | None,
    pred: Float[np.ndarray, "n t"],
    numbers: Float[np.ndarray, "n v k t"],
    views: Sequence[str],
) -> dict[str, Any]:
    weights, y, fold = np.array(run.recipe.weights), table.y, folds[0]
    names = None if groups is None else np.asarray(groups)

    def of_all(true: Float[np.ndarray, "n t"], said: Float[np.ndarray, "n t"]) -> float:
        return weighted_r2(true, said, weights)

    value = interval(of_all, y, pred, names)
    found = look_ups(y, table.columns, fold, weights)
    held_out = [fold == part for part in range(int(fold.max()) + 1)]
    return {
        "pictures": len(table),
        "groups": None if names is None else len(set(names.tolist())),
        "weighted_r2": brief(value),
        "as_voted": of_all(y, mean_over(numbers)),
        "mean_of_each_target": of_all(y, look_up(y, [""] * len(y), fold)),
        "targets": {name: of_target(y[:, [at]], pred[:, [at]], names) for at, name in enumerate(table.targets)},
        "folds": [{"pictures": int(own.sum()), "weighted_r2": of_all(y[own], pred[own])} for own in held_out],
        "views": of_views(run, y, numbers, views),
        "look_ups": [{"columns": list(o.columns), "kinds": o.kinds, "weighted_r2": o.score} for o in found[:LOOK_UPS]],
        "warning": warning(found, value.mean),
    }


def of_target(
    true: Float[np.ndarray, "n 1"], pred: Float[np.ndarray, "n 1"], groups: np.ndarray | None
) -> dict[str, dict[str, float]]:
    def explained(a: Float[np.ndarray, "n 1"], b: Float[np.ndarray, "n 1"]) -> float:
        return r2(a[:, 0], b[:, 0])

    def error(a: Float[np.ndarray, "n 1"], b: Float[np.ndarray, "n 1"]) -> float:
        return mean_absolute_error(a[:, 0], b[:, 0])

    return {
        "r2": brief(interval(explained, true, pred, groups)),
        "mean_absolute_error": brief(interval(error, true, pred, groups)),
    }


def of_views(
    run: RegressionRun, y: Float[np.ndarray, "n t"], numbers: Float[np.ndarray, "n v k t"], views: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The score with each view alone, and with all but it."""
    weights, found = np.array(run.recipe.weights), {}
    for at, view in enumerate(views):
        found[view] = {"alone": weighted_r2(y, run.settled(mean_over(numbers[:, [at]])), weights)}
        if len(views) > 1:
            without = mean_over(np.delete(numbers, at, axis=1))
            found[view]["without"] = weighted_r2(y, run.settled(without), weights)
    return found


def brief(score: Score) -> dict[str, float]:
    return {"value": score.mean, "low": score.low, "high": score.high}


def plain(value: Any) -> Any:
    """As JSON can hold it: what is not defined is null."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
