"""Which scenes to look at, out of hundreds: where runs differ most, the worst, the best, the middle."""

from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import pandas as pd

DIFFER, WORST, MEDIAN, BEST = "runs differ most", "worst", "median", "best"


@dataclass(frozen=True)
class Chosen:
    """A picture or clip and why it is shown.

    value  that decided: mean over runs, or for `runs differ most` the highest minus the lowest of them
    """

    key: str
    view: str
    why: str
    value: float


def choose(values: pd.DataFrame, count: int, low_is_better: bool = False) -> list[Chosen]:
    """About `count` scenes, as many of each kind, the kinds taking turns, so that any first part holds all of them.

    values  a metric, index (key, frame, view) or (key, view), a column per run; a clip counts by the mean of its
            frames. Scenes where it is not defined are not chosen
    """
    scenes: Any = values.groupby(level=["key", "view"], sort=False).mean()
    mean, spread = scenes.mean(axis=1).dropna(), (scenes.max(axis=1) - scenes.min(axis=1)).dropna()
    orders = {DIFFER: spread[spread > 0].sort_values(ascending=False, kind="stable")}
    orders |= {
        WORST: mean.sort_values(ascending=not low_is_better, kind="stable"),
        MEDIAN: mean.iloc[(mean - mean.median()).abs().argsort(kind="stable")],
        BEST: mean.sort_values(ascending=low_is_better, kind="stable"),
    }
    orders = {why: order for why, order in orders.items() if len(order)}
    each, taken, found = -(-min(count, len(scenes)) // max(1, len(orders))), set(), []
    for why, order in orders.items():
        free = order[[scene not in taken for scene in order.index]][:each]
        taken.update(free.index)
        found.append([Chosen(str(key), str(view), why, float(value)) for (key, view), value in free.items()])
    turns = chain.from_iterable(zip_longest(*found))
    return [chosen for chosen in turns if chosen is not None][:count]
