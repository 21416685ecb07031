"""Tables that a page can sort: what a cell shows, and what it is sorted by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pandas as pd

NAMES = {"fg_ari": "FG-ARI", "ari": "ARI", "mbo": "mBO", "miou": "mIoU", "boundary_f": "boundary F"}
NAMES |= {
    "video_fg_ari": "video FG-ARI",
    "video_ari": "video ARI",
    "video_mbo": "video mBO",
    "video_miou": "video mIoU",
}
SURE = 0.05  # level of the tests after Holm


@dataclass(frozen=True)
class Cell:
    """What is shown, and by what it is sorted: text, or a number (NaN goes last whichever way).

    note  smaller, below: the interval of a mean
    span  where the interval (low, high) and the mean lie on the column's scale, in percent; None for no bar
    """

    text: str
    by: str | float
    note: str = ""
    span: tuple[float, float, float] | None = None

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
    digits = "+.3f" if sign else ".3f"
    note = f"{low:{digits}} to {high:{digits}}".replace("-", "−") if isfinite(low) and high > low else "no interval"
    span = None
    if scale is not None and isfinite(low) and scale[1] > scale[0]:
        left, middle, right = (100 * (x - scale[0]) / (scale[1] - scale[0]) for x in (low, value, high))
        span = (round(left, 2), round(middle, 2), round(right, 2))
    return Cell(f"{value:{digits}}".replace("-", "−"), float(value), note, span)


def named(metric: str) -> str:
    """A metric as people write it."""
    return NAMES.get(metric, metric.replace("_", " "))


def score_table(table: pd.DataFrame, metrics: Iterable[str]) -> Sortable:
    """A line per setting and per row that learns nothing: every metric with its interval."""
    metrics = list(metrics)
    by = {(line["label"], line["metric"]): line for line in table.to_dict("records")}
    scales = {m: (float(rows["low"].min()), float(rows["high"].max())) for m, rows in table.groupby("metric")}
    rows = []
    order = table.sort_values("kind", key=lambda kind: kind != "run", kind="stable")  # what learns nothing comes last
    for label, lines in order.groupby("label", sort=False):
        first = lines.iloc[0]
        cells = [words(label), words("run" if first["kind"] == "run" else "learns nothing")]
        for metric in metrics:
            line = by.get((label, metric))
            cells.append(NOT_MEASURED if line is None else mean(*interval(line, "mean"), scales[metric]))
        rows.append((*cells, count(float(first["seeds"])), count(float(first["pictures"]))))
    columns = ("setting", "kind", *map(named, metrics), "seeds", "pictures")
    return Sortable("Mean over pictures and seeds; below it the 95 % interval.", columns, tuple(rows))


def difference_table(tests: pd.DataFrame) -> Sortable:
    """A line per difference that is named, with what can be said of it in words."""
    rows = []
    for line in tests.to_dict("records"):
        verdict = "not tested" if not isfinite(line["holm"]) else "differs" if line["holm"] < SURE else "not shown"
        rows.append(
            (
                words(line["label"]),
                words(line["against"]),
                words(named(line["metric"])),
                mean(*interval(line, "difference"), sign=True),
                p_value(float(line["p"])),
                p_value(float(line["holm"])),
                words(verdict),
                words(line["test"]),
                count(float(line["pictures"])),
            )
        )
    columns = (
        "setting",
        "against",
        "metric",
        "difference",
        "p",
        "p (Holm)",
        f"at {100 * SURE:.0f} %",
        "test",
        "pictures",
    )
    return Sortable("Paired differences with their 95 % interval.", columns, tuple(rows))


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
