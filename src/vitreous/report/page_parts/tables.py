"""Tables that a page can sort: what a cell shows, and what it is sorted by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

import pandas as pd

from vitreous.metrics.names import named
from vitreous.report.comparison_text import SURE, plus


@dataclass(frozen=True)
class Cell:
    """What is shown, and by what it is sorted: text, or a number (NaN goes last whichever way).

    note    smaller, below: the interval of a mean; beside: on the same line where there is room
    span    where the interval (low, high) and the mean lie on the column's scale, in percent; None for no bar
    strong  in bold
    """

    text: str
    by: str | float
    note: str = ""
    span: tuple[float, float, float] | None = None
    strong: bool = False
    beside: bool = False

    @property
    def order(self) -> str:
        """For the script: a number, or nothing where it is none."""
        return self.by if isinstance(self.by, str) else f"{self.by:.9g}" if isfinite(self.by) else ""

    @property
    def numeric(self) -> bool:
        return not isinstance(self.by, str)


@dataclass(frozen=True)
class Sortable:
    """A table: caption (what it says), names of its columns, rows of cells."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def numeric(self) -> list[bool]:
        """Columns of numbers: to the right, largest first."""
        return [all(row[i].numeric for row in self.rows) for i in range(len(self.columns))]


LEARNS_NOTHING = "learns nothing"
AT = f"at {100 * SURE:.0f} %"
NOT_MEASURED = Cell("–", float("nan"), "not measured")


def interval(line: Mapping[str, Any], name: str) -> tuple[float, float, float]:
    """A number of a line, and the interval beside it."""
    return float(line[name]), float(line["low"]), float(line["high"])


def words(value: object) -> Cell:
    return Cell(str(value), str(value))


def number(value: float, digits: int = 3) -> Cell:
    return Cell(f"{value:.{digits}f}" if isfinite(value) else "–", float(value))


def count(value: float) -> Cell:
    return Cell(f"{int(value):,}" if isfinite(value) else "–", float(value))


def mean(value: float, low: float, high: float, scale: tuple[float, float] | None = None, sign: bool = False) -> Cell:
    """A mean and its interval, always together; scale: lowest and highest value of the column."""
    if not isfinite(value):
        return Cell("–", float("nan"), "not defined")
    text = signed if sign else plain
    note = f"{text(low)} to {text(high)}" if isfinite(low) and high > low else "no interval"
    span = None
    if scale is not None and isfinite(low) and scale[1] > scale[0]:
        left, middle, right = (100 * (x - scale[0]) / (scale[1] - scale[0]) for x in (low, value, high))
        span = (round(left, 2), round(middle, 2), round(right, 2))
    return Cell(text(value), float(value), note, span, beside=sign)


def signed(value: float) -> str:
    return plus(value).replace("-", "−")


def plain(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def score_table(table: pd.DataFrame, metrics: Sequence[str], leaders: Mapping[str, set[str]]) -> Sortable:
    """A line per setting and per row that learns nothing: every metric with its interval.

    leaders  metric -> labels to set in bold
    """
    lines: list[dict[str, Any]] = table.to_dict("records")
    by = {(line["label"], line["metric"]): line for line in lines}
    scales = {m: scale([line for line in lines if line["metric"] == m]) for m in metrics}
    first = {line["label"]: line for line in reversed(lines)}
    rows = []
    # what learns nothing comes last
    for label in sorted(
        dict.fromkeys(line["label"] for line in lines), key=lambda label: first[label]["kind"] != "run"
    ):
        learns = first[label]["kind"] == "run"
        cells = [Cell(label, label, "" if learns else LEARNS_NOTHING)]
        for metric in metrics:
            line = by.get((label, metric))
            found = NOT_MEASURED if line is None else mean(*interval(line, "mean"), scales[metric])
            cells.append(replace(found, strong=learns and label in leaders.get(metric, ())))
        seeds, pictures = float(first[label]["seeds"]), float(first[label]["pictures"])
        rows.append((*cells, count(seeds if learns else nan), count(pictures)))
    columns = ("setting", *map(named, metrics), "seeds", "pictures")
    return Sortable("Mean over pictures and seeds; below it the 95 % interval.", columns, tuple(rows))


def scale(lines: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """From the lowest to the highest end of all intervals."""
    ends = [float(line[end]) for line in lines for end in ("low", "high") if isfinite(line[end])]
    return (min(ends), max(ends)) if ends else (nan, nan)


def difference_table(tests: pd.DataFrame) -> Sortable:
    """A line per difference that is named, with what can be said of it in words."""
    ways = sorted({str(test) for test in tests["test"]})
    several, rows = len(ways) > 1, []
    for line in tests.to_dict("records"):
        cells = [words(line["label"]), words(line["against"]), words(named(line["metric"]))]
        cells += [mean(*interval(line, "difference"), sign=True), p_value(float(line["p"])), *verdict(line)]
        rows.append((*cells, *([words(line["test"])] if several else []), count(float(line["pictures"]))))
    columns = ("setting", "against", "metric", "difference", "p", "p (Holm)", AT, *(["test"] * several), "pictures")
    how = f" Test: {ways[0]}." if len(ways) == 1 else ""
    return Sortable(f"Paired differences with their 95 % interval.{how}", columns, tuple(rows))


def material_table(materials: pd.DataFrame, unit: str) -> Sortable:
    """A line per setting, metric and two materials: of objects, or of scenes that hold one material."""
    rows = []
    short = {"best_iou": "best IoU", "object_ari": "ARI"} if unit == "object" else {}
    for line in materials.to_dict("records"):
        if line["unit"] != unit:
            continue
        metric, pair = short.get(line["metric"], named(line["metric"])), f"{line['first']} − {line['second']}"
        cells = [words(line["label"]), words(metric), words(pair)]
        for side in ("first", "second"):
            value = float(line[f"mean_{side}"])
            cells.append(Cell(f"{value:.3f} ({line[f'count_{side}']:,})", value))
        cells.append(mean(*interval(line, "difference"), sign=True))
        rows.append((*cells, p_value(float(line["welch"])), p_value(float(line["permutation"])), *verdict(line)))
    columns = ("setting", "metric", "materials", "first", "second", "difference", "p Welch", "p labels", "p (Holm)", AT)
    what = {"object": "Objects by their own material", "scene": "Scenes by the material of all their objects"}[unit]
    return Sortable(f"{what}: mean (how many), and the difference with its 95 % interval.", columns, tuple(rows))


def verdict(line: Mapping[str, Any]) -> tuple[Cell, Cell]:
    """p after Holm, and what it says in words."""
    p = float(line["holm"])
    return p_value(p), words("not tested" if not isfinite(p) else "differs" if p < SURE else "not shown")


def p_value(value: float) -> Cell:
    return Cell("–" if not isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}", float(value))


def plain_table(records: pd.DataFrame, caption: str, names: Mapping[str, str] | None = None) -> Sortable:
    """Any data frame; low and high beside a mean or difference go into its cell, as its interval."""
    shown, hidden = list(records.columns), set()
    for value in ("mean", "difference"):
        if {value, "low", "high"} <= set(shown):
            hidden = {"low", "high"}
    shown = [str(name) for name in shown if name not in hidden]
    rows = [
        tuple(cell(name, record, bool(hidden)) for name in shown)
        for record in records.rename(columns=str).to_dict("records")
    ]
    return Sortable(caption, tuple((names or {}).get(name, name.replace("_", " ")) for name in shown), tuple(rows))


def cell(name: str, record: Mapping[str, Any], intervals: bool) -> Cell:
    value = record[name]
    if intervals and name in ("mean", "difference"):
        return mean(*interval(record, name), sign=name == "difference")
    if name in ("p", "holm"):
        return p_value(float(value))
    if name == "metric":
        return words(named(str(value)))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return words({True: "yes", False: "no", None: "–"}.get(value, value))
    if isinstance(value, Sequence):
        return words(", ".join(map(str, value)))
    return count(float(value)) if float(value).is_integer() else number(float(value))
