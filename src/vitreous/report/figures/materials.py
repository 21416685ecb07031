"""Material against material: single objects, and scenes of one material or mixed."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vitreous.metrics.bootstrap import interval
from vitreous.report.comparison_text import number, plus
from vitreous.report.figures.shown import only, shown
from vitreous.report.figures.style import GREY, MATERIALS, Drawing, NotDrawn, new_figure, plain, score_label
from vitreous.report.frames import dicts, keys, known, numbers, rows

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

TITLES = {"object": "single objects", "scene": "scenes of one material, and mixed"}
HEIGHT = 0.5  # of all boxes of a setting, where settings are 1 apart; what is left holds the test in words


def materials(comparison: "Comparison") -> Drawing:
    """Objects of metal and of rubber, scenes of either and mixed: how values spread, their mean, the tests."""
    table = comparison.materials
    if table.empty:
        raise NotDrawn("no two materials are known of the objects that were scored")
    groups = shown(comparison)
    title = f"Material against material: 5 to 95 %, quartiles, mean with 95 % interval{only(comparison, groups)}"
    panels = [("object", "best_iou", "material"), ("object", "object_ari", "material")]
    panels += [("scene", metric, "scene") for metric in rows(table, unit="scene")["metric"].head(1)]
    figure = new_figure(5.0 * len(panels), 1.3 + 1.15 * len(groups), title)
    kinds: list[str] = []
    for (unit, metric, column), axes in zip(panels, figure.subplots(1, len(panels), sharey=True), strict=True):
        lines = comparison.lines("objects" if unit == "object" else "pictures")
        kinds = sorted(lines[column].dropna().unique(), key=lambda kind: (kind == "mixed", kind))
        for i, group in enumerate(groups):
            spread(axes, rows(lines, label=group.label), metric, column, kinds, i)
            in_figures(axes, rows(table, unit=unit, metric=metric, label=group.label), i)
        axes.set(xlabel=score_label(metric), title=TITLES[unit], ylim=(len(groups) - 0.3, -0.45))
        axes.set_yticks(range(len(groups)), [group.label for group in groups])
        plain(axes, "x")
    handles = [axes.plot([], [], "s", color=MATERIALS.get(kind, GREY), label=kind)[0] for kind in kinds]  # pyright: ignore
    figure.legend(handles=handles, loc="outside upper right", ncols=len(kinds), frameon=False)
    alt = (
        f"Best IoU and ARI of single objects by material, and a score of scenes ({', '.join(kinds)}), for "
        f"{len(groups)} settings. Bars: quartiles; lines: 5 to 95 %; dots: means with 95 % intervals. {in_words(table)}"
    )
    return Drawing(figure, title, alt)


def spread(axes: Axes, lines: pd.DataFrame, metric: str, column: str, kinds: list[str], row: int) -> None:
    """A line from 5 to 95 %, a bar between the quartiles, a tick at the median, the mean with its interval."""
    for j, kind in enumerate(kinds):
        some = known(rows(lines, **{column: kind}), metric)
        if some.empty:
            continue
        place, colour = row + (j - (len(kinds) - 1) / 2) * HEIGHT / len(kinds), MATERIALS.get(kind, GREY)
        values = numbers(some, metric)
        least, low, middle, high, most = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
        axes.hlines(place, least, most, color=colour, linewidth=1)
        axes.hlines(place, low, high, color=colour, linewidth=7, alpha=0.3)
        axes.plot([middle], [place], "|", color=colour, markersize=9)
        mean = interval(values, groups=keys(some))
        error = [[mean.mean - mean.low], [mean.high - mean.mean]]
        axes.errorbar([mean.mean], [place], xerr=error, fmt="o", color=colour, markersize=4, capsize=3, zorder=4)


def in_figures(axes: Axes, tests: pd.DataFrame, row: int) -> None:
    """Difference, interval and p of the first pair (metal and rubber), below the bars."""
    for r in dicts(tests)[:1]:
        p = f"p {number(r['permutation'])} (Welch {number(r['welch'])})"
        text = f"{said(r)} [{plus(r['low'])}, {plus(r['high'])}], {p}"
        axes.annotate(text, (0.01, row + 0.45), xycoords=("axes fraction", "data"), fontsize=7.5, va="center")


def said(row: dict) -> str:
    return f"{row['first']} - {row['second']}: {plus(row['difference'])}"


def in_words(table: pd.DataFrame, most: int = 4) -> str:
    found = dicts(rows(table, unit="object", metric="best_iou"))[:most]
    return "; ".join(f"{r['label']}, IoU {said(r)}, p {number(r['permutation'])}" for r in found) + "."
