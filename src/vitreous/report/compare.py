"""Runs side by side: one table with intervals, a test for every difference that is named."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vitreous.report.scored import Scored, find_runs, read_scored

__all__ = ["Comparison", "Group", "Scored", "compare", "find_runs", "read_scored"]


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed.

    label     what sets this group apart from the others, in a few words: "slots 7, temperature 0.5"
    settings  the same as values: setting -> value, None where its method has no such setting
    """

    label: str
    runs: tuple[Scored, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """What sets runs apart, and by how much.

    runs       each with a name that is unique among them
    groups     the same runs by what they differ in beside their seed, in order of these settings
    settings   group by setting: those that differ between groups
    metrics    that were asked for
    baseline   label of the group that the others are tested against
    table      a line per group (kind: run) and per row that learns nothing (kind: reference) and metric: label, kind,
               metric, mean, low, high (95 %), seeds, pictures, spread (standard deviation of the seeds' means)
    tests      a line per group and metric: label, against, metric, difference, low, high, p, holm, pictures, seeds
    materials  material against material, by group, metric and unit (object, scene): see report/materials.py
    """

    runs: tuple[Scored, ...]
    groups: tuple[Group, ...]
    settings: pd.DataFrame
    metrics: tuple[str, ...]
    baseline: str
    table: pd.DataFrame
    tests: pd.DataFrame
    materials: pd.DataFrame

    def values(self, metric: str) -> pd.DataFrame:
        """Pictures (index key, frame, view) by runs (names); clips (key, view) where the metric is one of clips."""
        return pd.concat({run.name: values(run, metric) for run in self.runs}, axis=1)


def values(run: Scored, metric: str) -> pd.Series:
    """A metric of a run's own row, by picture, or by clip for metrics of clips."""
    if metric in run.slots:
        return run.slots.set_index(["key", "frame", "view"])[metric]
    if metric in run.pictures:
        return run.pictures[run.pictures["row"] == run.row].set_index(["key", "frame", "view"])[metric]
    return run.clips[run.clips["row"] == run.row].set_index(["key", "view"])[metric]


def compare(
    folders: Sequence[Path | str],
    metrics: Sequence[str] = ("fg_ari", "ari", "mbo", "miou"),
    *,
    baseline: Path | str | None = None,
    refined: bool = False,
) -> Comparison:
    """Compare scored runs, or folders of them, from what they saved.

    baseline  a run: the others are tested against its group; none: against the best, metric by metric
    refined   compare the masks whose borders follow the edges of the picture, where they were scored
    """
    raise NotImplementedError
