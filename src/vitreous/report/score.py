"""A run against the truth in a store, beside rows that learn nothing.

scores.json  data         what was scored
             rows         row -> metric -> values per picture (every frame is one), mean, 95 % interval
             clips        the same per clip of more than one frame, the clip as one image, and slots over time
             by           material of the scene, number of objects, frame (of clips) -> value -> row -> metric
             best_iou     of every object: by material, by size -> value -> row
             diagnostics  of the run's masks, without the truth
scores.csv   a line per picture and row
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.errors import RunError
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.metrics.bootstrap import summarise
from vitreous.predict.segment import refine as along_edges
from vitreous.predict.segment import segment_store, to_pixels
from vitreous.report.baselines import ceiling_masks, kmeans_masks, superpixels
from vitreous.report.measure import CLIP_METRICS, METRICS, SIZES, of_clip, of_objects, of_pictures, of_slots
from vitreous.report.tables import Table, brief, parts, print_table, table
from vitreous.runs import Run
from vitreous.types import Frame, Score


@dataclass(frozen=True)
class Picture:
    """A picture of the store: its truth, what each row of the table says, and diagnostics of the run's slots."""

    key: str
    index: int
    view: str
    true: Int[Tensor, "y x"]
    found: dict[str, Int[Tensor, "y x"]]
    slots: dict[str, float]


@dataclass(frozen=True)
class Records:
    """What was measured, one line each: of picture and row, of object and row, of clip and row, of picture."""

    pictures: pd.DataFrame
    objects: pd.DataFrame
    clips: pd.DataFrame
    slots: pd.DataFrame


def score(
    run: Run, store: FeatureStore, *, baselines: bool = True, refine: bool = False, on_training_data: bool = False
) -> Table:
    """Rows (the run, then what learns nothing) by metric, per picture at the stored picture's resolution.

    Every frame is a sample of its own; background is a segment in `ari`, left out of the true segments in the others.
    refine adds, for every row that comes from patches, one whose borders follow the edges of the picture.
    Refused on the data the run was trained on, unless told otherwise. Table and break-downs are kept in the run's
    folder: scores.json, scores.csv.
    """
    if store.meta.source["fingerprint"] == run.recipe.source["fingerprint"] and not on_training_data:
        raise RunError(
            f"{run.folder} was trained on {store.meta.source['name']}, the very data in {store.path}: a score on it "
            "says little.\nScore on other data, or say --on-training-data true."
        )
    records = measure(pictures(run, store, baselines, refine), lambda key: materials(store.instances(key)))
    rows = table(records.pictures, METRICS)
    save_scores(run.folder, store, rows, records)
    return rows


def pictures(run: Run, store: FeatureStore, baselines: bool, refine: bool) -> Iterator[Picture]:
    """Every picture of the store; frames of a clip follow one another."""
    name = f"{run.recipe.method} ({run.recipe.config.get('slots')} slots)"
    as_trained, standardised = Standardiser.from_state(run.statistics), store.standardiser("dataset")
    for clips, out in segment_store(run, store):
        rows = np.reshape(clips, -1)
        features = store.batch(rows)
        diagnosed = of_slots(out, as_trained(features))
        patches = standardised(features) if baselines else [None] * len(rows)
        for row, masks, patch, slots in zip(rows, out.masks.flatten(0, 1), patches, diagnosed, strict=True):
            frame = store.frame(row)
            if frame.ids is None:
                raise RunError(f"{store.path} holds no ids for {frame.key}: there is no truth to score against.")
            true = torch.from_numpy(frame.ids.astype(np.int64))
            found = at_pixels(name, masks, frame, refine)
            if patch is not None:
                found |= without_learning(frame, true, patch, store.grid, refine)
            yield Picture(frame.key, frame.index, store.meta.views[store.view[row]], true, found, slots)


def without_learning(
    frame: Frame, true: Int[Tensor, "y x"], patch: Float[Tensor, "h w d"], grid: tuple[int, int], refine: bool
) -> dict[str, Int[Tensor, "y x"]]:
    """Rows to judge the run's by. Superpixels and k-means see each frame alone, so no segment lasts over a clip."""
    segments = max(2, len(true[true >= 0].unique()))
    found = at_pixels("k-means, true number", kmeans_masks(patch, segments), frame, refine)
    found["superpixels (Felzenszwalb)"] = torch.from_numpy(superpixels(frame.image).astype(np.int64))
    ids = true.clamp(min=0).unique()  # of the masks: the same in every frame
    ceiling = at_pixels("ceiling of the grid", ceiling_masks(true, grid), frame, refine)
    return found | {name: ids[labels] for name, labels in ceiling.items()}


def at_pixels(name: str, masks: Float[Tensor, "k h w"], frame: Frame, refine: bool) -> dict[str, Int[Tensor, "y x"]]:
    """Labels of the picture's pixels from masks of patches: interpolated, and, if asked, along edges."""
    found = {name: to_pixels(masks[None], (frame.image.shape[0], frame.image.shape[1])).labels[0]}
    return found | ({f"{name}, refined": along_edges(masks[None], frame.image[None]).labels[0]} if refine else {})


def materials(instances: list[dict[str, Any]] | None) -> dict[int, str]:
    """Material of each object of a scene, as far as its table tells."""
    return {row["id"]: row["material"] for row in instances or [] if row.get("material")}


def measure(found: Iterator[Picture], materials_of: Callable[[str], dict[int, str]]) -> Records:
    """All metrics of all rows, clip by clip; a clip is held whole."""
    of_picture, of_object, of_whole, of_slot = [], [], [], []
    for (key, view), some in groupby(found, key=lambda picture: (picture.key, picture.view)):
        clip, material = list(some), materials_of(key)
        true = torch.stack([picture.true for picture in clip])
        of_slot += [{"key": key} | picture.slots for picture in clip]
        for row in clip[0].found:
            pred, name = torch.stack([picture.found[row] for picture in clip]), {"key": key, "row": row}
            for picture, values, objects in zip(clip, of_pictures(pred, true), of_objects(pred, true), strict=True):
                kinds = sorted({material[o["id"]] for o in objects if o["id"] in material})
                place = "" if len(clip) == 1 else "first" if picture is clip[0] else "last" * (picture is clip[-1])
                about = {"objects": len(objects), "materials": " ".join(kinds)}
                groups = {"scene": "mixed" if len(kinds) > 1 else "".join(kinds), "place": place}
                of_picture.append(name | {"frame": picture.index, "view": view} | values | about | groups)
                of_object += [name | o | {"material": material.get(o["id"])} for o in objects]
            if len(clip) > 1:
                of_whole.append(name | of_clip(pred, true))
    return Records(*(pd.DataFrame(lines) for lines in (of_picture, of_object, of_whole, of_slot)))


def save_scores(folder: Path, store: FeatureStore, rows: Table, records: Records) -> None:
    """scores.json and scores.csv, each in whole or not at all."""
    about = {"store": str(store.path), "source": store.meta.source, "grid": list(store.grid), "pictures": len(store)}
    scenes, objects = records.pictures, records.objects
    by = {"material": parts(known(scenes, "scene"), METRICS, "scene"), "objects": parts(scenes, METRICS, "objects")}
    best = {}
    if len(objects):
        objects["size"] = pd.Categorical(objects["size"], list(SIZES))
        best = {column: parts(known(objects, column), ["best_iou"], column) for column in ("material", "size")}
    slots = records.slots.drop(columns="key")
    saved = {
        "data": about,
        "rows": full(rows),
        "clips": full(table(records.clips, CLIP_METRICS)) if len(records.clips) else {},
        "by": shortened(by | {"frame": parts(known(scenes, "place"), METRICS, "place")}),
        "best_iou": shortened(best),
        "diagnostics": {name: asdict(summarise(slots[name].to_numpy(), groups=records.slots["key"].to_numpy())) for name in slots},
    }
    columns = ["key", "frame", "view", "row", *METRICS, "objects", "materials"]
    text = records.pictures[columns].to_csv(index=False, float_format="%.6f")
    for name, content in (("scores.json", json.dumps(saved, indent=1) + "\n"), ("scores.csv", text)):
        new = folder / f"{name}.new"
        new.write_text(content)
        new.replace(folder / name)
