"""The scene browser's content: pictures, true objects and slots of chosen scenes, small enough for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment

from vitreous.errors import VitreousError
from vitreous.features.store import FeatureStore
from vitreous.metrics.contingency import contingency
from vitreous.metrics.iou import overlaps
from vitreous.metrics.names import named
from vitreous.predict.segment import refine, segment_store, to_pixels
from vitreous.report.differences import LOW_IS_BETTER
from vitreous.report.page_parts.choose import Chosen, choose
from vitreous.report.page_parts.embed import display_size, embed_labels, embed_picture, shrink
from vitreous.report.pictures import PALETTE
from vitreous.report.scored import Scored
from vitreous.runs import Run
from vitreous.types import Frame

SIDE, CLIP_SIDE = 256, 160  # longest side of a picture on the page, still and clip
FRAMES, MOST_CLIPS = 24, 8  # frames of a clip, spread evenly over it; clips, where they are long
BUDGET = 9_000_000  # characters of all scenes: the page stays below 15 MB with its figures
MOST_RUNS = 12  # side by side
BELONGS = 0.1  # least IoU for a slot to be said to show an object
GREY = PALETTE[20]  # background; objects take the other twenty


@dataclass
class Browser:
    """What the page's script is given, and what could not be shown.

    runs    that are shown, by their names
    scenes  as the script reads them: see `scene`
    notes   what is missing and why, in sentences
    """

    runs: list[str]
    scenes: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def data(self, metrics: Sequence[str]) -> dict[str, Any]:
        palette = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in PALETTE[:20].tolist()]
        grey = "#{:02x}{:02x}{:02x}".format(*GREY.tolist())
        names = {metric: named(metric) for metric in metrics}
        found = {"palette": palette, "grey": grey, "metrics": list(metrics), "names": names}
        return found | {"runs": self.runs, "scenes": self.scenes}


@dataclass(frozen=True)
class Source:
    """A scored run that can be looked at: its weights and the features that it was scored on."""

    scored: Scored
    run: Run
    store: FeatureStore


def browse(sources: Sequence[Source], values: Mapping[str, pd.DataFrame], count: int = 24) -> Browser:
    """Scenes with the slots of every run, worst, median, best, and where runs differ most.

    values  metric -> pictures or clips by runs; the first metric decides which scenes are chosen
    count   of scenes at most; fewer where the page would grow too large
    """
    browser = Browser([s.scored.name for s in sources])
    plans = plan_scenes(sources, values, count, browser.notes) if sources and count else []
    maps = [labels(s, np.concatenate([plan[i] for _, plan in plans])) for i, s in enumerate(sources)] if plans else []
    size = 0
    for number, (chosen, plan) in enumerate(plans):
        made = scene(sources, chosen, plan, maps, values)
        size += len(made["labels"]) + sum(map(len, made["pictures"]))
        if size > BUDGET and browser.scenes:
            browser.notes.append(f"{number} of {len(plans)} scenes are shown: with more, the page would open slowly.")
            break
        browser.scenes.append(made)
    return browser


def plan_scenes(
    sources: Sequence[Source], values: Mapping[str, pd.DataFrame], count: int, notes: list[str]
) -> list[tuple[Chosen, list[Int[np.ndarray, " t"]]]]:
    """Scenes, and the rows of their frames in the store of each run."""
    plans, metric = [], next(iter(values))
    longest = min(FRAMES, int(np.median(sources[0].store.lengths)))
    some = min(count, max(MOST_CLIPS, count // longest))
    decisive = values[metric].loc[:, [s.scored.name for s in sources]]
    for chosen in choose(decisive, some, metric in LOW_IS_BETTER):
        try:
            plans.append((chosen, [rows_of(source.store, chosen) for source in sources]))
        except VitreousError as error:
            notes.append(f"{chosen.key} is not shown: {error}")
    return plans


def open_sources(runs: Sequence[Scored]) -> tuple[list[Source], list[str]]:
    """The runs whose weights and store are still there, and what is said of the others."""
    sources, notes, stores = [], [], {}
    shown = side_by_side(runs)
    if len(shown) < len(runs):
        notes.append(f"{len(shown)} of {len(runs)} runs are shown side by side: one per setting, at most {MOST_RUNS}.")
    for scored in shown:
        path = str(scored.data["store"])
        try:
            if path not in stores:
                stores[path] = open_store(scored)
            sources.append(Source(scored, Run.load(scored.folder), stores[path]))
        except (VitreousError, OSError) as error:
            notes.append(f"{scored.name} is not shown: {error}")
    return sources, notes


def side_by_side(runs: Sequence[Scored]) -> list[Scored]:
    """All of them, or, where they are many, one per setting whatever the seed, spread over all settings."""
    if len(runs) <= MOST_RUNS:
        return list(runs)
    kinds: dict[str, Scored] = {}
    for run in runs:
        training = {name: value for name, value in run.recipe.training.items() if name != "seed"}
        kind = str((run.recipe.method, run.recipe.config, run.recipe.backbone.get("digest"), run.recipe.grid, training))
        kinds.setdefault(kind, run)
    some = list(kinds.values())
    return [some[i] for i in np.unique(np.linspace(0, len(some) - 1, min(MOST_RUNS, len(some))).round().astype(int))]


def open_store(scored: Scored) -> FeatureStore:
    """The store that was scored; refused where it holds other pictures by now."""
    path = Path(scored.data["store"])
    if not path.exists():
        raise FileNotFoundError(f"the store that it was scored on is gone: {path}")
    store = FeatureStore(path)
    have, want = store.meta.source["fingerprint"], scored.data["source"]["fingerprint"]
    if have != want:
        raise FileNotFoundError(f"{path} holds other pictures now (fingerprint {have[:8]}, scored: {want[:8]})")
    return store


def rows_of(store: FeatureStore, chosen: Chosen) -> Int[np.ndarray, " t"]:
    """Rows of the frames that are shown."""
    rows = store.rows(chosen.key, chosen.view)
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(FRAMES, len(rows))).round().astype(int))]


def labels(source: Source, rows: Int[np.ndarray, " n"]) -> dict[int, Int[np.ndarray, "y x"]]:
    """Who owns each pixel, row by row, as it was scored; at the size of the page where nothing is refined."""
    wanted, found = set(rows.tolist()), {}
    refined = source.scored.row.endswith(", refined")
    for batch, out in segment_store(source.run, source.store, wanted=wanted):
        for row, masks in zip(batch.reshape(-1).tolist(), out.masks.flatten(0, 1), strict=True):
            if row in wanted:
                image = source.store.frame(row).image
                where = refine(masks[None], image[None]) if refined else to_pixels(masks[None], image.shape[:2])
                found[row] = where.labels[0].numpy()
    return found


def scene(
    sources: Sequence[Source],
    chosen: Chosen,
    plan: Sequence[Int[np.ndarray, " t"]],
    maps: Sequence[Mapping[int, Int[np.ndarray, "y x"]]],
    values: Mapping[str, pd.DataFrame],
) -> dict[str, Any]:
    """One scene as the script reads it.

    labels  layers of label maps (see `embed_labels`): the truth first, where there is any, then every run
    truth   what each label of the truth is called, or null; its first is the background
    runs    match: true label that each slot shows, -1 for none; scores: metric -> value per frame, or of the clip
    """
    frames = [sources[0].store.frame(row) for row in plan[0]]
    height, width = frames[0].image.shape[:2]
    size = display_size(height, width, SIDE if len(frames) == 1 else CLIP_SIDE)
    true, names = truth(frames, sources[0].store.instances(chosen.key))
    found = [np.stack([of_run[int(row)] for row in rows]) for of_run, rows in zip(maps, plan, strict=True)]
    layers = ([] if true is None else [true]) + found
    shown = [np.stack([shrink(one, size) for one in layer]) for layer in layers]
    return {
        "key": chosen.key,
        "view": chosen.view,
        "why": chosen.why,
        "frames": [frame.index for frame in frames],
        "size": list(size),
        "pictures": [embed_picture(frame.image, size) for frame in frames],
        "labels": embed_labels(np.stack(shown)),
        "truth": names,
        "runs": [
            {
                "match": [] if true is None else match(pred, true, len(names or [])),
                "scores": scores(values, source.scored.name, chosen, frames),
            }
            for source, pred in zip(sources, found, strict=True)
        ],
    }


def truth(
    frames: Sequence[Frame], instances: Sequence[dict[str, Any]] | None
) -> tuple[Int[np.ndarray, "t y x"] | None, list[str] | None]:
    """Ids as labels from 0 (the background, there or not) and what they are called."""
    if any(frame.ids is None for frame in frames):
        return None, None
    ids = np.stack([frame.ids for frame in frames if frame.ids is not None])
    there = [int(i) for i in np.unique(ids) if i > 0]
    new = np.searchsorted(there, ids) + 1
    known = {row["id"]: row for row in instances or []}
    names = ["background", *(called(known.get(i, {}), i) for i in there)]
    return np.where(ids > 0, new, ids), names


def called(thing: Mapping[str, Any], number: int) -> str:
    """An object in words as far as its table knows it: small red metal cube."""
    words = [thing.get(name) for name in ("size", "colour", "material", "shape")]
    return " ".join(str(word) for word in words if word) or str(thing.get("category") or f"object {number}")


def match(pred: Int[np.ndarray, "t y x"], true: Int[np.ndarray, "t y x"], count: int) -> list[int]:
    """The true label that each slot shows, one to one over the whole clip (Hungarian, by IoU), -1 for none."""
    table = contingency(torch.from_numpy(pred[None].astype(np.int64)), torch.from_numpy(true[None].astype(np.int64)))
    iou = overlaps(table)[0].numpy()
    found = [-1] * (int(pred.max()) + 1)
    for i, j in zip(*linear_sum_assignment(iou, maximize=True), strict=True):
        slot, label = int(table.pred_labels[i]), int(table.true_labels[j])
        if iou[i, j] >= BELONGS and slot >= 0 and label < count:
            found[slot] = label
    return found


def scores(
    values: Mapping[str, pd.DataFrame], run: str, chosen: Chosen, frames: Sequence[Frame]
) -> dict[str, list[float | None]]:
    """What a run scored on these frames; one number for metrics of clips; None where it is not defined."""
    found = {}
    for metric, table in values.items():
        column: Any = table[run]
        of_clip = [(chosen.key, chosen.view)]
        of_frames = [(chosen.key, frame.index, chosen.view) for frame in frames]
        places = of_clip if table.index.nlevels == 2 else of_frames
        numbers = [float(column.get(place, np.nan)) for place in places]
        found[metric] = [round(number, 4) if np.isfinite(number) else None for number in numbers]
    return found
