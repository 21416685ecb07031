"""Records of what was measured -> tables of means with intervals, as text and for scores.json."""

from collections.abc import Iterable, Iterator
from math import isnan

import pandas as pd

from vitreous.metrics.bootstrap import summarise
from vitreous.types import Score

Table = dict[str, dict[str, Score]]
WIDTH, CELL = 100, 13  # characters of a printed line, and of one metric in it


def table(records: pd.DataFrame, metrics: Iterable[str]) -> Table:
    """Means by row, in order of appearance."""
    return {str(name): summaries(group, metrics) for name, group in records.groupby("row", sort=False)}


def summaries(records: pd.DataFrame, metrics: Iterable[str]) -> dict[str, Score]:
    """Mean of each column, records of one clip (`key`) drawn together."""
    return {metric: summarise(records[metric].to_numpy(), groups=records["key"].to_numpy()) for metric in metrics}


def parts(records: pd.DataFrame, metrics: Iterable[str], column: str) -> dict[str, Table]:
    """Table by row for each value of a column, in its order; records without a value are in none."""
    return {str(value): table(group, metrics) for value, group in records.groupby(column, observed=True)}


def print_table(rows: Table, title: str = "mean ±95 %") -> str:
    """The table as text, mean and half of the 95 % interval; metrics beyond 100 characters stand below.

    No interval where there is but one picture or clip to draw from.
    """
    width = max(len(title), *map(len, rows))
    blocks = []
    for metrics in fitting(next(iter(rows.values())), WIDTH - width):
        lines = [f"{title:{width}}" + "".join(f"{name:>{wide}}" for name, wide in metrics.items())]
        for name, row in rows.items():
            lines.append(f"{name:{width}}" + "".join(f"{cell(row[m]):>{wide}}" for m, wide in metrics.items()))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def fitting(metrics: Iterable[str], room: int) -> Iterator[dict[str, int]]:
    """Metrics side by side with their widths, as many as there is room for."""
    some: dict[str, int] = {}
    for name in metrics:
        wide = max(CELL, len(name) + 2)
        if some and sum(some.values()) + wide > room:
            yield some
            some = {}
        some[name] = wide
    yield some


def cell(score: Score) -> str:
    half = (score.high - score.low) / 2
    if isnan(score.mean):
        return "-"
    return f"{score.mean:.3f} ±{half:.3f}".replace("±0.", "±.") if half > 0 else f"{score.mean:.3f}{'':6}"
