"""Runs that differ in nothing but their seed belong together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from vitreous.report.scored import Scored
from vitreous.report.settings import differing, label, order, settings_of, telling


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed.

    label     what sets this group apart from the others, in a few words: "slots 7, mask temperature 0.5"
    settings  the same as values: setting -> value, without those that its method does not have
    """

    label: str
    runs: tuple[Scored, ...]
    settings: dict[str, Any]


def group_runs(runs: Sequence[Scored]) -> tuple[Group, ...]:
    """Groups in order of their settings, their runs by seed, each run with a name that is unique.

    Runs of the same settings and the same seed are groups of their own, named by their folders: something that no
    recipe knows sets them apart, and as two seeds they would feign certainty.
    """
    alike: dict[str, list[Scored]] = defaultdict(list)
    for run in runs:
        alike[repr(sorted(settings_of(run.recipe).items()))].append(run)
    parts: list[tuple[list[Scored], bool]] = []
    for some in alike.values():
        twice = len({run.seed for run in some}) < len(some)
        parts += [([run], True) for run in some] if twice else [(sorted(some, key=lambda run: run.seed), False)]
    found = [settings_of(part[0].recipe) for part, _ in parts]
    names = differing(found)
    told = telling(found, names)
    labels = distinct([about(part, one, told, twice) for (part, twice), one in zip(parts, found, strict=True)])
    made = [
        Group(text, tuple(named(part, text)), {name: one[name] for name in names if name in one})
        for (part, _), one, text in zip(parts, found, labels, strict=True)
    ]
    return tuple(sorted(made, key=lambda group: (order(group.settings, told), group.label)))


def about(part: list[Scored], settings: dict[str, Any], told: Sequence[str], twice: bool) -> str:
    text = label(settings, told) or part[0].recipe.method
    return f"{text} ({part[0].folder.name})" if twice else text


def distinct(labels: list[str]) -> list[str]:
    """Labels that were cut to the same words get a number."""
    seen: dict[str, int] = defaultdict(int)
    made = []
    for text in labels:
        seen[text] += 1
        made.append(f"{text} #{seen[text]}" if labels.count(text) > 1 else text)
    return made


def named(part: list[Scored], text: str) -> list[Scored]:
    if len(part) == 1:
        return [replace(part[0], name=text)]
    return [replace(run, name=f"{text}, seed {run.seed}") for run in part]


def settings_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Group by setting: those that differ between groups."""
    names = list(dict.fromkeys(name for group in groups for name in group.settings))
    rows = [[group.settings.get(name) for name in names] for group in groups]
    return pd.DataFrame(rows, index=pd.Index([g.label for g in groups], name="label"), columns=names, dtype=object)
