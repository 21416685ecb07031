"""Scores against settings that are numbers: K, mask temperature, steps ..."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from vitreous.report.figures.style import (
    GREY,
    Drawing,
    NotDrawn,
    legend_below,
    listed,
    look_of_line,
    new_figure,
    plain,
    score_label,
    setting_label,
)
from vitreous.report.frames import dicts, numbers, rows
from vitreous.report.grouping import Group
from vitreous.report.means import values
from vitreous.report.settings import label, telling

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

MOST_LINES, MOST_PANELS = 7, 5


def against_settings(comparison: "Comparison") -> dict[str, Callable[["Comparison"], Drawing]]:
    """A figure for each setting that is a number and differs: name -> what draws it."""
    told = telling([group.settings for group in comparison.groups], list(comparison.settings))
    wanted = [
        name
        for name in comparison.settings
        if len(values_of(comparison, name)) > 1 and (name in told or alone(comparison, name))
    ]
    return {f"against_{name}": lambda comparison, name=name: against(comparison, name) for name in wanted}


def alone(comparison: "Comparison", setting: str) -> bool:
    """Whether any two groups differ in this setting and in nothing else."""
    return max(map(len, lines_of(comparison, setting)[0].values())) > 1


def values_of(comparison: "Comparison", name: str) -> list[float]:
    """Values of a setting, rising; none where any is no number."""
    values = {group.settings[name] for group in comparison.groups if name in group.settings}
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return []
    return sorted(float(value) for value in values)


def against(comparison: "Comparison", setting: str) -> Drawing:
    """Each metric against one setting; a line per combination of the others, bands are 95 % over pictures and seeds.

    Where the others make more lines than anybody can follow, one per combination of words (method, backbone ...)
    stays: the one with the best score.
    """
    if not alone(comparison, setting):
        raise NotDrawn(f"no two settings differ in {setting} alone")
    lines, left_out = lines_of(comparison, setting)
    metrics, ticks = comparison.metrics[:MOST_PANELS], values_of(comparison, setting)
    title = f"Scores against {setting_label(setting)}"
    figure = new_figure(3.4 * len(metrics) + 0.4, 3.8, title)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for metric, axes in zip(metrics, panels, strict=True):
        for i, (name, groups) in enumerate(lines.items()):
            draw_line(axes, comparison, metric, setting, groups, name, i)
        draw_references(axes, comparison, metric)
        scale(axes, ticks)
        axes.set(xlabel=setting_label(setting), ylabel=score_label(metric))
        plain(axes)
    legend_below(figure, panels[0])
    alt = (
        f"Line charts of {listed([score_label(m) for m in metrics], 5)} against {setting_label(setting)}, from "
        f"{ticks[0]:g} to {ticks[-1]:g}. Bands: 95 % intervals over pictures and seeds; dots: single seeds; thin grey "
        f"lines: what learns nothing.{f' {left_out} other combinations of settings are left out.' if left_out else ''}"
    )
    return Drawing(figure, title, alt)


def lines_of(comparison: "Comparison", setting: str) -> tuple[dict[str, list[Group]], int]:
    """Groups that differ in this setting alone, by what the others are; and how many lines were left out."""
    others = [name for name in comparison.settings if name != setting]
    parts: dict[str, list[Group]] = defaultdict(list)
    for group in comparison.groups:
        if setting in group.settings:
            parts[repr([group.settings.get(name) for name in others])].append(group)
    kept = list(parts.values())
    if len(kept) > MOST_LINES:
        in_words = [name for name in others if not values_of(comparison, name)]
        best: dict[str, list[Group]] = {}
        for groups in sorted(kept, key=lambda groups: -best_of(comparison, groups)):
            best.setdefault(repr([groups[0].settings.get(name) for name in in_words]), groups)
        kept = list(best.values())[:MOST_LINES]
    lines = {}
    said = telling([group.settings for group in comparison.groups], others)
    for groups in kept:
        name = label(groups[0].settings, said) or groups[0].runs[0].recipe.method
        lines[name] = sorted(groups, key=lambda group: group.settings[setting])
    return lines, len(parts) - len(lines)


def best_of(comparison: "Comparison", groups: list[Group]) -> float:
    found = rows(comparison.table, metric=comparison.metrics[0], kind="run")
    return max(numbers(rows(found, label=group.label), "mean")[0] for group in groups)


def draw_line(
    axes: Axes, comparison: "Comparison", metric: str, setting: str, groups: list[Group], name: str, i: int
) -> None:
    """Means joined, their band, and a dot per seed."""
    x = [float(group.settings[setting]) for group in groups]
    found, style = rows(comparison.table, metric=metric, kind="run").set_index("label"), look_of_line(i)
    found = found.loc[[group.label for group in groups]]
    axes.plot(x, numbers(found, "mean"), label=name, markersize=5, **style)
    low, high = numbers(found, "low"), numbers(found, "high")
    axes.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if len(x) == 1:  # a band of no width is not seen
        axes.vlines(x, low, high, color=style["color"], alpha=0.4)
    for place, group in zip(x, groups, strict=True):
        if len(group.runs) > 1:
            means = [values(run, metric).mean() for run in group.runs]
            axes.plot([place] * len(means), means, ".", color=style["color"], alpha=0.6, markersize=4)


def draw_references(axes: Axes, comparison: "Comparison", metric: str) -> None:
    """What learns nothing, as thin grey lines with their names."""
    for row in dicts(rows(comparison.table, kind="reference", metric=metric)):
        if np.isfinite(row["mean"]):
            axes.axhline(row["mean"], color=GREY, linewidth=0.8, linestyle=":", zorder=1)
            name = row["label"].partition(" (")[0].partition(",")[0]
            place = {"xy": (1, row["mean"]), "xycoords": ("axes fraction", "data")}
            axes.annotate(name, **place, ha="right", va="bottom", fontsize=7, color=GREY)


def scale(axes: Axes, ticks: list[float]) -> None:
    """Ticks where something was measured; logarithmic where values span more than a factor of twenty."""
    if ticks[0] > 0 and ticks[-1] / ticks[0] > 20:
        axes.set_xscale("log")
    if len(ticks) <= 8:
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
