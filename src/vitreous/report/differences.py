"""Every difference that a comparison names, with its interval and its test."""

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np
import pandas as pd

from vitreous.metrics.seeds import SeedNoise
from vitreous.metrics.significance import holm, paired
from vitreous.report.frames import known, numbers, rows
from vitreous.report.grouping import Group
from vitreous.report.means import seed_noises, side_by_side, values

LOW_IS_BETTER = ("mask_similarity", "top_share", "gini", "entropy", "mean_fill")  # see docs/metrics.md
COLUMNS = [
    "label",
    "against",
    "metric",
    "difference",
    "low",
    "high",
    "p",
    "holm",
    "behind",
    "test",
    "pictures",
    "seeds",
]


def difference_table(
    groups: Sequence[Group], metrics: Sequence[str], means: pd.DataFrame, baseline: str | None
) -> pd.DataFrame:
    """Each group against the baseline, or, without one, against the best of each metric: label - against.

    holm    p corrected metric by metric; without a baseline for all pairs of groups, as the best was picked by looking
            at these very pictures
    behind  the same for a lesser claim, that it is not the best: the truly best one is called worse only if it fails
            one of as many tests as there are others (Hsu 1984, Annals of Statistics 12), so pairs do not count
    """
    by_label = {group.label: group for group in groups}
    lines = []
    for metric in metrics:
        against, noise = baseline or best(means, metric), seed_noises(groups, metric)
        for label, group in by_label.items():
            if against is not None and label != against:
                lines.append(difference(group, by_label[against], metric, noise))
    table = pd.DataFrame(lines, columns=COLUMNS)
    for metric in metrics:
        here = (table["metric"] == metric).to_numpy()
        p = numbers(table, "p")[here]
        table.loc[here, "holm"] = holm(p, None if baseline else comb(len(groups), 2))
        table.loc[here, "behind"] = holm(p)
    return table


def best(means: pd.DataFrame, metric: str) -> str | None:
    """Label of the group with the best mean; None where it is defined for none."""
    found = known(rows(means, metric=metric, kind="run"), "mean")
    if found.empty:
        return None
    values = numbers(found, "mean")
    return str(found["label"].iloc[values.argmin() if metric in LOW_IS_BETTER else values.argmax()])


def difference(group: Group, other: Group, metric: str, noise: Mapping[str, SeedNoise]) -> dict[str, object]:
    x, keys = side_by_side([values(run, metric) for run in (*group.runs, *other.runs)])
    of_seeds = noise.get(group.label), noise.get(other.label)
    found = paired(x[:, : len(group.runs)], x[:, len(group.runs) :], groups=keys, noise=of_seeds)
    return {
        "label": group.label,
        "against": other.label,
        "metric": metric,
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "test": found.test,
        "pictures": int(np.isfinite(x).all(1).sum()),
        "seeds": f"{len(group.runs)} and {len(other.runs)}",
    }
