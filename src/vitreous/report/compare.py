"""Runs side by side: one table with intervals, a test for every difference that is named.

from vitreous.report.compare import compare
compare(["runs/slots_7_0", "runs/slots_7_1", "runs/slots_9_0"])
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from vitreous.errors import RunError, did_you_mean
from vitreous.report.comparable import check_comparable
from vitreous.report.differences import difference_table
from vitreous.report.grouping import Group, group_runs, settings_table
from vitreous.report.materials import material_table
from vitreous.report.means import mean_table, together, values
from vitreous.report.measure import CLIP_METRICS, METRICS
from vitreous.report.records import PLACE
from vitreous.report.scored import Scored, find_runs, read_scored, unscored

if TYPE_CHECKING:
    from vitreous.report.figures.looks import Looks

__all__ = ["Comparison", "Group", "Scored", "compare", "find_runs", "read_scored"]

CLIPS = ("video_fg_ari", "video_mbo", "keeps_object")  # compared too where there are clips


@dataclass(frozen=True)
class Comparison:
    """What sets runs apart, and by how much. Printed, it is its table.

    runs       each with a name that is unique among them
    groups     the same runs by what they differ in beside their seed, in order of these settings
    settings   group by setting: those that differ between groups
    metrics    that were asked for
    baseline   label of the group that the others are tested against; None: against the best, metric by metric
    table      a line per group (kind: run) and per row that learns nothing (kind: reference) and metric: label, kind,
               metric, mean, low, high (95 %), seeds, pictures, spread (standard deviation of the seeds' means)
    tests      a line per difference: label, against, metric, difference, low, high, p, holm, behind, test,
               pictures, seeds
    materials  material against material, by group, metric and unit (object, scene): see report/materials.py
    left_out   runs in the folders that were given, which nobody scored yet
    """

    runs: tuple[Scored, ...]
    groups: tuple[Group, ...]
    settings: pd.DataFrame
    metrics: tuple[str, ...]
    baseline: str | None
    table: pd.DataFrame
    tests: pd.DataFrame
    materials: pd.DataFrame
    left_out: tuple[Path, ...] = ()

    def values(self, metric: str) -> pd.DataFrame:
        """Pictures (index key, frame, view) by runs (names); clips (key, view) where the metric is one of clips."""
        return pd.concat({run.name: values(run, metric) for run in self.runs}, axis=1)

    def lines(self, kind: str) -> pd.DataFrame:
        """All runs' own lines of pictures, objects, clips or slots together, with columns label, name and seed."""
        return self.all_lines[kind]

    @cached_property
    def all_lines(self) -> dict[str, pd.DataFrame]:
        return {kind: together(self.groups, kind) for kind in ("pictures", "objects", "clips", "slots")}

    @cached_property
    def looks(self) -> "Looks":
        """Chosen scenes as the runs see them; loads runs and store."""
        from vitreous.report.figures.looks import Looks

        return Looks(self)

    def __str__(self) -> str:
        from vitreous.report.comparison_text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from vitreous.report.comparison_text import as_html

        return as_html(self)


def compare(
    folders: Sequence[Path | str] | Path | str,
    metrics: Sequence[str] | None = None,
    *,
    baseline: Path | str | None = None,
    refined: bool = False,
) -> Comparison:
    """Compare scored runs, or folders of them, from what they saved.

    metrics   of pictures, clips or slots; none: FG-ARI, ARI, mBO, mIoU, boundary F, and of clips where there are any
    baseline  a run: the others are tested against its group; none: against the best, metric by metric
    refined   compare the masks whose borders follow the edges of the picture, where they were scored
    """
    given = [folders] if isinstance(folders, (Path, str)) else folders
    paths = [Path(path) for path in given]
    runs = [read_scored(path, refined=refined) for path in find_runs(paths)]
    check_comparable(runs)
    wanted = check_metrics(metrics, runs)
    groups = group_runs(runs)
    base = group_of(baseline, groups) if baseline is not None else None
    table = mean_table(groups, wanted)
    return Comparison(
        tuple(run for group in groups for run in group.runs),
        groups,
        settings_table(groups),
        wanted,
        base,
        table,
        difference_table(groups, wanted, table, base),
        material_table(groups, wanted),
        tuple(unscored(paths)),
    )


def check_metrics(metrics: Sequence[str] | None, runs: Sequence[Scored]) -> tuple[str, ...]:
    clips = all(len(run.clips) for run in runs)
    if metrics is None:
        return (*METRICS, *(CLIPS if clips else ()))
    slots = [name for name in runs[0].slots if name not in PLACE]
    known = {*METRICS, *CLIP_METRICS, *slots}
    for name in metrics:
        if name not in known:
            raise RunError(f'There is no metric "{name}".{did_you_mean(name, known)}')
        if name in CLIP_METRICS and not clips:
            raise RunError(f"{name} is of clips, and {runs[0].data['source']['name']} holds stills only.")
    return tuple(dict.fromkeys(metrics))


def group_of(baseline: Path | str, groups: Sequence[Group]) -> str:
    """Label of the group that a run is in, by its folder."""
    for group in groups:
        if any(Path(baseline).resolve() == run.folder for run in group.runs):
            return group.label
    raise RunError(f"The baseline {baseline} is none of the runs that are compared: name it among them, too.")
