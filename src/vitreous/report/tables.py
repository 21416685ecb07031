"""Records of what was measured -> tables of means with intervals, as text and for scores.json."""

from collections.abc import Iterable, Iterator
from math import isnan

import pandas as pd

from vitreous.metrics.bootstrap import summarise
from vitreous.metrics.names import named
from vitreous.notebook import as_table
from vitreous.types import Score

Table = dict[str, dict[str, Score]]
WIDTH, CELL = 100, 13  # characters of a printed line, and of one metric in it


class ScoreTable(Table):
    """A table that shows itself: `print(table)`, or as the last line of a notebook's cell. Row -> metric -> Score."""

    def __str__(self) -> str:
        return print_table(self)

    def _repr_html_(self) -> str:
        columns = list(dict.fromkeys(metric for row in self.values() for metric in row))
        lines = [["mean ±95 %", *map(named, columns)]]
        lines += [[name, *(cell(row[c]) if c in row else "" for c in columns)] for name, row in self.items()]
        return as_table(lines, head=True)


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
    return print_cells({name: {metric: cell(s) for metric, s in row.items()} for name, row in rows.items()}, title)


def print_cells(rows: dict[str, dict[str, str]], title: str) -> str:
    """A table of text by row and column, columns beyond 100 characters below."""
    width = max(len(title), *map(len, rows))
    blocks = []
    for columns in fitting(rows, WIDTH - width):
        lines = [f"{title:{width}}" + "".join(f"{name:>{wide}}" for name, wide in columns.items())]
        for name, row in rows.items():
            lines.append(f"{name:{width}}" + "".join(f"{row.get(c, ''):>{wide}}" for c, wide in columns.items()))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def fitting(rows: dict[str, dict[str, str]], room: int) -> Iterator[dict[str, int]]:
    """Columns side by side with their widths, as many as there is room for."""
    some: dict[str, int] = {}
    for name in next(iter(rows.values())):
        wide = max(CELL, len(name) + 2, *(len(row.get(name, "")) + 1 for row in rows.values()))
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
