"""Means of scored runs with their intervals, over pictures and seeds; beside them the rows that learn nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from vitreous.metrics.bootstrap import clustered
from vitreous.metrics.seeds import SeedNoise, over_seeds, pooled, seed_noise
from vitreous.report.frames import indexed, rows
from vitreous.report.grouping import Group
from vitreous.report.measure import CLIP_METRICS, METRICS
from vitreous.report.records import PLACE
from vitreous.report.scored import Scored

REFINED = ", refined"
COLUMNS = ["label", "kind", "metric", "mean", "low", "high", "seeds", "pictures", "spread"]


def values(run: Scored, metric: str, row: str | None = None) -> pd.Series:
    """A metric of a row (default: the run's own masks), by picture, or by clip for metrics of clips."""
    row = row or run.row
    if metric in METRICS:
        return indexed(rows(run.pictures, row=row), PLACE, metric)
    if metric in CLIP_METRICS:
        return indexed(rows(run.clips, row=row), ["key", "view"], metric)
    return indexed(run.slots, PLACE, metric)


def side_by_side(found: Sequence[pd.Series]) -> tuple[Float[np.ndarray, "n s"], np.ndarray]:
    """Values by picture and run, and the clip of each picture, which is drawn whole."""
    index = found[0].index
    x = np.stack([one.reindex(index).to_numpy(np.float64) for one in found], 1)
    return x, index.get_level_values("key").to_numpy()


def mean_table(groups: Sequence[Group], metrics: Sequence[str]) -> pd.DataFrame:
    """A line per group and per row that learns nothing, and metric: see `Comparison.table`."""
    noise = {metric: seed_noises(groups, metric) for metric in metrics}
    lines = [
        line(group.label, "run", metric, [values(run, metric) for run in group.runs], noise[metric].get(group.label))
        for group in groups
        for metric in metrics
    ]
    lines += [
        line(label, "reference", metric, [values(run, metric, row)])
        for label, row, run in references(groups)
        for metric in metrics
        if metric in METRICS or metric in CLIP_METRICS
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def seed_noises(groups: Sequence[Group], metric: str) -> dict[str, SeedNoise]:
    """How much seeds scatter, by label of those groups that have several: pooled over them, unless one stands out."""
    own: dict[str, SeedNoise] = {}
    for group in groups:
        x, keys = side_by_side([values(run, metric) for run in group.runs])
        if found := seed_noise(*clustered(x, keys)):
            own[group.label] = found
    return {label: pooled(one, [other for name, other in own.items() if name != label]) for label, one in own.items()}


def line(
    label: str, kind: str, metric: str, found: Sequence[pd.Series], noise: SeedNoise | None = None
) -> dict[str, Any]:
    x, keys = side_by_side(found)
    mean, defined = over_seeds(x, groups=keys, noise=noise), np.isfinite(x).all(1)
    return {
        "label": label,
        "kind": kind,
        "metric": metric,
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "seeds": x.shape[1],
        "pictures": int(defined.sum()),
        "spread": float(x[defined].mean(0).std(ddof=1)) if x.shape[1] > 1 and defined.any() else np.nan,
    }


def references(groups: Sequence[Group]) -> Iterator[tuple[str, str, Scored]]:
    """Rows that learn nothing, of one run each: once where all runs have the same, else once per features.

    k-means and the ceiling depend on features and grid, superpixels on the picture alone.
    """
    runs = [run for group in groups for run in group.runs]
    refined = runs[0].row.endswith(REFINED)
    every = dict.fromkeys(row for run in runs for row in run.rows if not row.startswith(run.rows[0]))
    for row in every:
        sibling = row.removesuffix(REFINED) if row.endswith(REFINED) else row + REFINED
        if row.endswith(REFINED) != refined and sibling in every:
            continue
        have: dict[str, Scored] = {}
        for run in runs:
            if row in run.rows:
                have.setdefault(features(run), run)
        different = {tuple(values(run, "ari", row)): name for name, run in reversed(have.items())}
        for name in sorted(different.values(), key=list(have).index):
            yield f"{row} ({name})" if len(different) > 1 else row, row, have[name]


def features(run: Scored) -> str:
    backbone, grid = run.recipe.backbone, run.recipe.grid
    return f"{backbone['name']} {str(backbone.get('digest'))[:4]}, {grid[0]}x{grid[1]}"


def together(groups: Sequence[Group], kind: str) -> pd.DataFrame:
    """All runs' own lines of pictures, objects, clips or slots, with label, name and seed of their run."""
    found = []
    for group in groups:
        for run in group.runs:
            lines: pd.DataFrame = getattr(run, kind)
            own = rows(lines, row=run.row).drop(columns="row") if "row" in lines else lines
            found.append(own.assign(label=group.label, name=run.name, seed=run.seed))
    return pd.concat(found, ignore_index=True)
