"""The sections of the page: what each says and shows of a comparison."""

import platform
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from math import isfinite

import pandas as pd

from vitreous import __version__
from vitreous.metrics.names import named
from vitreous.report.compare import Comparison
from vitreous.report.comparison_text import SURE, leaders, notes
from vitreous.report.differences import LOW_IS_BETTER
from vitreous.report.figures import Drawn
from vitreous.report.page_parts import commands
from vitreous.report.page_parts.layout import Figure, Fold, Part
from vitreous.report.page_parts.scenes import Browser
from vitreous.report.page_parts.tables import (
    difference_table,
    material_table,
    plain_table,
    score_table,
)

MATERIALS = (
    "Values of objects and of scenes, averaged over seeds; objects of a scene are drawn together. p of Welch's test, "
    "of labels drawn anew, and of the latter after Holm, for all lines of its table."
)
PACKAGES = ("torch", "numpy", "pandas", "matplotlib", "scikit-learn", "jinja2")
SCENES = (
    "The same scenes for all runs. A slot has the colour of the object that it shows. Press a slot's number, or the "
    "slot itself, to hide it; let a press follow it, and every other run shows the slot that overlaps it most. "
    "3 → 4 means that slot 3 shows object 4."
)


def title(comparison: Comparison) -> str:
    runs = len(comparison.runs)
    return f"{runs} run{'s' if runs > 1 else ''} on {comparison.runs[0].data['source']['name']}"


def summary(comparison: Comparison) -> list[str]:
    """The first lines: what leads, and whether its lead is more than chance."""
    metric = comparison.metrics[0]
    lines = [line for line in comparison.table.to_dict("records") if line["metric"] == metric and line["kind"] == "run"]
    lines = [line for line in lines if isfinite(line["mean"])]
    data = comparison.runs[0].data
    over = f"Scored on {data['pictures']:,} pictures of {data['source']['name']}, the same for all runs."
    own = [r.name for r in comparison.runs if r.recipe.source["fingerprint"] == data["source"]["fingerprint"]]
    if own:
        over += f" These were trained on the very same pictures, so their scores say little: {', '.join(own)}."
    if not lines:
        return [f"{named(metric)} is defined for none of the runs.", over]
    best = (min if metric in LOW_IS_BETTER else max)(lines, key=lambda line: line["mean"])
    lead = (
        f"{best['label']} has the best {named(metric)}: {best['mean']:.3f} ({best['low']:.3f} to {best['high']:.3f})."
    )
    tests = [line["holm"] for line in comparison.tests.to_dict("records") if line["metric"] == metric]
    if tests:
        clear = sum(p < SURE for p in tests)
        lead += f" {clear} of {len(tests)} differences in it are more than chance at {100 * SURE:.0f} %."
    return [lead, over]


def scenes(found: Browser, missing: Sequence[str]) -> Part:
    absent = [*missing, *found.notes, *([] if found.scenes else ["No scene can be shown."])]
    return Part("scenes", "Scenes", [SCENES] if found.scenes else [], absent, browser=bool(found.scenes))


def scores(comparison: Comparison) -> Part:
    tables = [score_table(comparison.table, comparison.metrics, leaders(comparison))]
    return Part("scores", "Scores", [" ".join(notes(comparison))], tables=tables)


def figures(drawn: Iterable[Drawn]) -> Part:
    shown, skipped = [], []
    for one in drawn:
        if one.skipped:
            skipped.append(f"{one.name.replace('_', ' ')}: {one.skipped}")
        else:
            shown.append(Figure.of(one.best, one.alt))
    folds = [Fold("Not drawn", skipped)] if skipped else []
    return Part("figures", "Figures", absent=[] if shown else ["None was drawn."], figures=shown, folds=folds)


def differences(comparison: Comparison) -> Part:
    if not len(comparison.tests):
        return Part("differences", "Differences", absent=["One setting alone: there is nothing to tell apart."])
    words = [f"Below {SURE} after Holm, settings are said to differ. “Not shown” does not mean that they are alike."]
    return Part("differences", "Differences", words, tables=[difference_table(comparison.tests)])


def materials(comparison: Comparison) -> Part:
    if not len(comparison.materials):
        absent = ["The store's object tables know no two materials."]
        return Part("materials", "Materials", absent=absent)
    units = [unit for unit in ("object", "scene") if unit in set(comparison.materials["unit"])]
    return Part("materials", "Materials", [MATERIALS], tables=[material_table(comparison.materials, u) for u in units])


def made_by(comparison: Comparison, command: str) -> Part:
    """Commands, data and versions: all it takes to make the page again."""
    folds, data = [], []
    for run in comparison.runs:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(commands.scored_at(run)))
        folds.append(
            Fold(
                run.name,
                [f"Folder {run.folder}, scored {when}, trained with vitreous {run.recipe.vitreous or 'unknown'}."],
                [*commands.train_commands(run), commands.score_command(run)],
            )
        )
        source = run.data["source"]
        data.append(
            {
                "run": run.name,
                "trained on": run.recipe.source.get("name", ""),
                "its fingerprint": run.recipe.source["fingerprint"][:12],
                "scored on": source["name"],
                "of fingerprint": source["fingerprint"][:12],
                "store": str(run.data["store"]),
                "backbone": run.recipe.backbone["name"],
                "weights": str(run.recipe.backbone.get("digest"))[:12],
            }
        )
    conventions = "; ".join(said(name, value) for name, value in comparison.runs[0].conventions.items() if value)
    words = [f"vitreous {__version__}, Python {platform.python_version()}, {versions()}.", f"Scored by: {conventions}."]
    tables = [plain_table(pd.DataFrame(data), "Data and weights, by the first digits of their SHA-256.")]
    if len(comparison.settings.columns) > 1:
        kept = comparison.settings.rename_axis("setting").reset_index()
        tables.append(plain_table(kept, "What the settings differ in."))
    typed = [command] if command else []
    return Part("made-by", "Made by", words, tables=tables, folds=folds, commands=typed)


def said(name: str, value: object) -> str:
    return f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}"


def versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
