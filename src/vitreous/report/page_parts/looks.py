"""Sections that look at the runs again, so they need weights and stores: failures, diagnosis, features."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vitreous.errors import VitreousError
from vitreous.report.diagnose import diagnose
from vitreous.report.diagnosis import Diagnosis, fine, read_diagnosis
from vitreous.report.failure_sheet import failure_sheet
from vitreous.report.failures import Failure, most_different, print_failures, worst
from vitreous.report.feature_space import COLUMNS, draw_panels, feature_panels
from vitreous.report.measure import METRICS
from vitreous.report.page_parts.embed import embed_drawing, embed_picture
from vitreous.report.page_parts.layout import Card, Figure, Fold, Part
from vitreous.report.page_parts.scenes import Source
from vitreous.report.page_parts.tables import Cell, Sortable, count, number, words
from vitreous.report.scored import Scored
from vitreous.report.slot_figures import draw_space
from vitreous.report.slot_space import print_clusters, short, slot_space

LOOKED_AT = 32  # pictures, for a diagnosis that nobody has made yet
MOST_SHEETS, ROWS = 4, 6  # runs with a sheet of their own; pictures on it
FAILURES = "Wrong pixels by their cause, in colours that the words beside them name; numbers are the ids of the truth."
SLOTS = 1000  # about so many points
SPACE = (
    "Slots of like directions lie near each other. Where colours form groups of their own, slots tell these things "
    "apart; purity and information say how well, against chance."
)
FEATURES = "Features as the backbone gave them, before they are standardised, on at most 200 pictures."


def failures(sources: Sequence[Source], missing: Sequence[str], metrics: Sequence[str]) -> Part:
    """Sheets of the worst pictures of each run, and of those where first and last run differ most."""
    metric = next((name for name in metrics if name in METRICS), "mbo")
    runs = [source.scored for source in sources]
    some = [runs[i] for i in np.unique(np.linspace(0, len(runs) - 1, MOST_SHEETS).round().astype(int))] if runs else []
    sheets, absent = [], list(missing)
    try:
        sheets = [differing(some[0], some[-1], metric)] if len(some) > 1 else []
        sheets += [sheet(worst(run, ROWS, metric), f"The worst pictures of {run.name}") for run in some]
    except VitreousError as error:
        absent.append(str(error))
    if len(runs) > len(some):
        absent.append(f"{len(some)} of {len(runs)} runs are shown.")
    folds = [Fold("The same in words", in_words(figure)) for figure in sheets[:1]]
    folds += [Fold(figure.note, in_words(figure), figures=[replace(figure, note="")]) for figure in sheets[1:]]
    return Part("failures", "Failures", [FAILURES] if sheets else [], absent, figures=sheets[:1], folds=folds)


def in_words(figure: Figure) -> list[str]:
    """The description without the title, a line per picture."""
    return figure.alt.splitlines()[1:]


def differing(one: Scored, other: Scored, metric: str) -> Figure:
    return sheet(most_different(one, other, ROWS, metric), f"Where {one.name} and {other.name} differ most")


def sheet(found: Sequence[Failure], title: str) -> Figure:
    """Picture, truth, slots, errors, and the likely cause in words, which are also the description."""
    image = failure_sheet(found)
    source = embed_picture(np.asarray(image), (image.height, image.width), 88)
    return Figure(source, f"{title}.\n{print_failures(found)}", title, broad=True)


def diagnosis(sources: Sequence[Source], missing: Sequence[str]) -> Part:
    """What each run fails at: as `vitreous diagnose` saved it, else looked at now."""
    cards = []
    for source in sources:
        saved = read_diagnosis(source.run.folder)
        cards.append(card(source.scored.name, saved or diagnose(source.run, source.store, LOOKED_AT)))
    words = ["How each run fails, told from its masks, and what to try next. More:  vitreous diagnose RUN"]
    return Part("diagnosis", "Diagnosis", words if cards else [], missing, cards=cards)


def card(name: str, found: Diagnosis) -> Card:
    lines = []
    for finding in found.findings:
        evidence = "; ".join(fact.text() for fact in finding.facts)
        cure = f"follows from {finding.follows}" if finding.follows else f"try next: {finding.next}"
        lines.append(f"{finding.says} {evidence}. {cure[0].upper()}{cure[1:]}.")
    verdict = "healthy" if found.healthy else ", ".join(found.names)
    looked_at = [f"{name}: {'; '.join(fine(fact) for fact in facts)}" for name, facts in found.facts.items()]
    where = f"Measured on {found.pictures} pictures of {Path(found.store).name}"
    return Card(name, verdict, found.healthy, [*lines, *found.notes], where, looked_at)


def slots(sources: Sequence[Source], missing: Sequence[str], values: pd.DataFrame) -> Part:
    """Where the slots of the run with the highest mean lie, and of the one with the lowest.

    values  pictures or clips by runs
    """
    means: Any = values.mean()
    by_mean = sorted(sources, key=lambda source: -float(means[source.scored.name]))
    figures, tables, absent = [], [], list(missing)
    for source in by_mean[:: max(1, len(by_mean) - 1)]:
        name = source.scored.name
        try:
            space = slot_space(source.run, source.store, SLOTS)
        except VitreousError as error:
            absent.append(f"{name}: {error}")
            continue
        tables.append(cluster_table(space.clusters, name))
        note = f"Slots of {name}, each a point, coloured by what it shows"
        figures.append(Figure(embed_drawing(draw_space(space)), f"{note}. {print_clusters(space)}", note, broad=True))
    return Part("slots", "Slot space", [SPACE] if figures else [], absent, tables=tables, figures=figures)


def cluster_table(clusters: pd.DataFrame, run: str) -> Sortable:
    """A line per number of clusters: purity by label, below it that of one cluster, and information."""
    labels = [str(column).removesuffix("_purity") for column in clusters if str(column).endswith("_purity")]
    rows = []
    for line in clusters.to_dict("records"):
        cells = [count(float(line["clusters"])), number(float(line["silhouette"]))]
        for label in labels:
            purity, chance, information = (line[f"{label}_{what}"] for what in ("purity", "by_chance", "information"))
            cells.append(Cell(f"{purity:.2f}", float(purity), f"chance {short(chance)}, info {short(information)}"))
        rows.append(tuple(cells))
    caption = f"k-means clusters of the slots of {run}: purity by what they show; info: adjusted, 0 is chance."
    return Sortable(caption, ("clusters", "silhouette", *labels), tuple(rows))


def features(sources: Sequence[Source]) -> Part:
    """What slots have to work with, by store."""
    stores = list({source.store.path: source.store for source in sources}.values())
    if not stores:
        return Part("features", "Features", absent=["No store is left to measure."])
    panels = feature_panels(stores)
    rows = [
        (
            words(p.name),
            *(Cell(how.format(p.numbers[name]), float(p.numbers[name])) for name, (_, how) in COLUMNS.items()),
        )
        for p in panels
    ]
    table = Sortable(FEATURES, ("backbone", *(title for title, _ in COLUMNS.values())), tuple(rows))
    about = "; ".join(
        f"{p.name}: cosine of two patches {p.numbers['cosine']:.2f}, position share {p.numbers['position_share']:.0%}"
        for p in panels
    )
    drawn = Figure(embed_drawing(draw_panels(panels)), about, broad=True)
    return Part("features", "Features", tables=[table], figures=[drawn])
