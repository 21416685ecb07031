"""Material against material: is metal harder than rubber? Objects by their own material, scenes by what they hold."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from vitreous.metrics.significance import holm, unpaired
from vitreous.report.frames import known, numbers
from vitreous.report.grouping import Group
from vitreous.report.means import together
from vitreous.report.measure import METRICS

OF_OBJECTS = ("best_iou", "object_ari")
OBJECT, SCENE = ["key", "frame", "view", "id"], ["key", "frame", "view"]
COLUMNS = [
    "label", "unit", "metric", "first", "second", "mean_first", "mean_second", "difference", "low", "high",
    "welch", "permutation", "holm", "count_first", "count_second", "scenes",
]  # fmt: skip


def material_table(groups: Sequence[Group], metrics: Sequence[str]) -> pd.DataFrame:
    """A line per group, unit, metric and two materials, values averaged over the seeds of the group.

    unit     object: best_iou and object_ari of objects by their material, objects of one scene drawn together;
             scene: the metrics of pictures, by scenes of one material and mixed ones
    welch permutation  p of the two tests; `holm` is that of the second, corrected for all lines of its unit

    No line where no two materials are known.
    """
    of_scenes = [metric for metric in metrics if metric in METRICS]
    lines = [*unit_lines(groups, "object", OBJECT, "material", OF_OBJECTS)]
    lines += unit_lines(groups, "scene", SCENE, "scene", of_scenes)
    table = pd.DataFrame(lines, columns=COLUMNS)
    for unit in ("object", "scene"):
        here = (table["unit"] == unit).to_numpy()
        table.loc[here, "holm"] = holm(numbers(table, "permutation")[here])
    return table


def unit_lines(
    groups: Sequence[Group], unit: str, place: list[str], column: str, metrics: Sequence[str]
) -> Iterator[dict[str, object]]:
    """All groups at once: they were scored on the same things, so labels are drawn once for all."""
    kind = "objects" if unit == "object" else "pictures"
    lines = known(together(groups, kind), column)
    if lines.empty or not metrics:
        return
    wide = lines.pivot_table(list(metrics), [*place, column], "label", sort=False, observed=True)  # means over seeds
    kinds = wide.index.get_level_values(column)
    for first, second in combinations(sorted(set(kinds), key=lambda name: (name == "mixed", name)), 2):
        some = wide.loc[(kinds == first) | (kinds == second)]
        is_second = some.index.get_level_values(column) == second
        keys = some.index.get_level_values("key").to_numpy()
        x = some.to_numpy(np.float64)
        tests = unpaired(x, is_second, groups=keys)
        for (metric, label), values, found in zip(some.columns, x.T, tests, strict=True):
            yield {
                "label": label,
                "unit": unit,
                "metric": metric,
                "first": first,
                "second": second,
                "mean_first": values[~is_second].mean(),
                "mean_second": values[is_second].mean(),
                "difference": found.mean,
                "low": found.low,
                "high": found.high,
                "welch": found.welch,
                "permutation": found.permutation,
                "count_first": int((~is_second).sum()),
                "count_second": int(is_second.sum()),
                "scenes": len(np.unique(keys)),
            }
