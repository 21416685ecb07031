"""What makes objects hard: how many there are, their size, how much others touch them; and how many slots are used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from vitreous.metrics.bootstrap import interval
from vitreous.report.figures.shown import only, shown
from vitreous.report.figures.style import (
    COLOURS,
    GREY,
    Drawing,
    NotDrawn,
    legend_below,
    look_of_line,
    new_figure,
    plain,
    score_label,
)
from vitreous.report.frames import keys, known, numbers, rows
from vitreous.report.grouping import Group
from vitreous.report.measure import METRICS

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

BINS, FEWEST = 6, 3  # of sizes; scenes below which an interval says nothing
TOUCHING = (-0.01, 0.001, 0.125, 0.25, 0.5, 1.01)  # none, and shares of the outline
PERCENT = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # where a logarithmic axis of sizes has its ticks
CEILING = "ceiling of the grid"


@dataclass(frozen=True)
class Trend:
    """A metric against something that makes objects hard.

    kind    of lines: pictures or objects
    column  what it is plotted against, times `factor`, in bins with these edges
    """

    kind: str
    metric: str
    column: str
    edges: np.ndarray
    words: str
    factor: float = 1.0


def difficulty(comparison: "Comparison") -> Drawing:
    """Scores against the number of objects, their size, and how much of their outline touches others."""
    if comparison.lines("objects").empty:
        raise NotDrawn("no object was scored")
    groups, trends = shown(comparison, 5), trends_of(comparison)
    title = f"What makes objects hard{only(comparison, groups)}"
    figure = new_figure(14.0, 4.4, title)
    panels = figure.subplots(1, len(trends))
    for trend, axes in zip(trends, panels, strict=True):
        lines = comparison.lines(trend.kind)
        for i, group in enumerate(groups):
            draw_trend(axes, trend, rows(lines, label=group.label), group.label, i)
        if run := next((run for run in comparison.runs if CEILING in run.rows), None):
            best = run.pictures if trend.kind == "pictures" else run.objects
            draw_trend(axes, trend, rows(best, row=CEILING), CEILING, None)
        axes.set(xlabel=trend.words, ylabel=score_label(trend.metric))
        plain(axes)
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[1].set_xscale("log")
    least, most = panels[1].get_xlim()
    ticks = [tick for tick in PERCENT if least <= tick <= most]
    panels[1].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[1].xaxis.set_minor_locator(NullLocator())
    legend_below(figure, panels[0])
    alt = (
        f"Three line charts, a line per setting: {score_label(trends[0].metric)} against the number of objects; best "
        f"IoU of an object against its size; and against: {trends[2].words}. Bands: 95 % intervals, scenes drawn "
        "whole; dashed grey: the best masks that the grid allows."
    )
    return Drawing(figure, title, alt)


def trends_of(comparison: "Comparison") -> list[Trend]:
    pictures, objects = comparison.lines("pictures"), comparison.lines("objects")
    metric = next((metric for metric in comparison.metrics if metric in METRICS), "fg_ari")
    counts = np.arange(-0.5, numbers(pictures, "objects").max() + 1)
    sizes = np.unique(np.quantile(numbers(objects, "share"), np.linspace(0, 1, BINS + 1)))
    sizes[0] -= 1e-9  # bins are open below
    found = [
        Trend("pictures", metric, "objects", counts, "objects in the picture (number)"),
        Trend("objects", "best_iou", "share", sizes, "size of the object (% of the picture's pixels)", 100.0),
    ]
    if len(known(objects, "visible")):
        seen = Trend(
            "objects", "best_iou", "visible", np.linspace(-0.01, 1, 6), "share of the object that is visible (%)", 100.0
        )
    else:
        words = "outline that touches another object (%)"
        seen = Trend("objects", "best_iou", "touching", np.array(TOUCHING), words, 100.0)
    return [*found, seen]


def draw_trend(axes: Axes, trend: Trend, lines: pd.DataFrame, name: str, i: int | None) -> None:
    """Mean by bin, at the bin's own mean, with a band; of the ceiling (i None) a dashed line without."""
    lines = known(lines, trend.metric, trend.column)
    bins, places, means = np.digitize(numbers(lines, trend.column), trend.edges, right=True), [], []
    for one in np.unique(bins):
        some = lines.loc[bins == one]
        if len(np.unique(keys(some))) >= FEWEST:
            places.append(trend.factor * numbers(some, trend.column).mean())
            means.append(interval(numbers(some, trend.metric), groups=keys(some)))
    values = [mean.mean for mean in means]
    if i is None:
        axes.plot(places, values, "--", color=GREY, linewidth=1, label=name)
        return
    style = look_of_line(i)
    axes.plot(places, values, label=name, markersize=5, **style)
    low, high = [mean.low for mean in means], [mean.high for mean in means]
    axes.fill_between(places, low, high, color=style["color"], alpha=0.13, linewidth=0)


def active_slots(comparison: "Comparison") -> Drawing:
    """How many slots win a patch, picture by picture, beside how many segments there truly are."""
    groups = shown(comparison)
    title = f"Slots in use{only(comparison, groups)}"
    slots, first = comparison.lines("slots"), comparison.lines("pictures")
    true = numbers(rows(first, name=groups[0].runs[0].name), "objects") + 1
    used = numbers(slots, "active_slots")
    most = int(max(used.max(), true.max(), *(slots_of(group) for group in groups)))
    figure = new_figure(7.5, 1.5 + 1.0 * len(groups), title)
    panels = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    edges, said = np.arange(0.5, most + 1), []
    for group, axes in zip(groups, panels, strict=True):
        mine = rows(slots, label=group.label)
        values = numbers(mine, "active_slots")
        of_all = np.full(len(values), 100 / len(values))
        axes.hist(values, edges, weights=of_all, color=COLOURS[0], alpha=0.75, label="slots in use")
        of_true = np.full(len(true), 100 / len(true))
        axes.hist(true, edges, weights=of_true, histtype="step", color="black", label="objects and background")
        axes.axvline(slots_of(group), color=COLOURS[3], linestyle="--", linewidth=1.4, label="slots there are (K)")
        mean = interval(values, groups=keys(mine))
        said.append(f"{group.label}: {mean.mean:.1f} [{mean.low:.1f}, {mean.high:.1f}]")
        axes.set_title(said[-1], fontsize=9, loc="left")
        plain(axes)
    panels[-1].set(xlabel="slots that win at least one patch (number)", xticks=np.arange(1, most + 1))
    figure.supylabel("pictures (%)", fontsize=10)
    legend_below(figure, panels[0])
    alt = (
        f"Histograms of the slots in use per picture; means: {'; '.join(said)}. True segments: mean {true.mean():.1f}."
    )
    return Drawing(figure, title, alt)


def slots_of(group: Group) -> int:
    return int(group.runs[0].recipe.config.get("slots", 0))
