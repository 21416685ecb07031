"""Which settings a figure shows that cannot hold them all."""

from typing import TYPE_CHECKING

from vitreous.report.differences import LOW_IS_BETTER
from vitreous.report.frames import rows
from vitreous.report.grouping import Group

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison


def shown(comparison: "Comparison", most: int = 7) -> list[Group]:
    """The best by the first metric, in their usual order."""
    if len(comparison.groups) <= most:
        return list(comparison.groups)
    metric = comparison.metrics[0]
    found = rows(comparison.table, kind="run", metric=metric).sort_values("mean", ascending=metric in LOW_IS_BETTER)
    best = set(found["label"].head(most))
    return [group for group in comparison.groups if group.label in best]


def only(comparison: "Comparison", groups: list[Group]) -> str:
    """What a title adds where not all are shown."""
    return "" if len(groups) == len(comparison.groups) else f", best {len(groups)} of {len(comparison.groups)} settings"
