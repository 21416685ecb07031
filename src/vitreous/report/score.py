"""A run against the truth in a store, beside rows that learn nothing.

scores.json  data         what was scored, with digests of the list of pictures and of their truth
             conventions  how: two runs are compared where both agree, see report/comparable.py
             pruned       distance below which slots were made one, or auto; null: none were
             rows         row -> metric -> values per picture (every frame is one), mean, 95 % interval
             clips        the same per clip of more than one frame, the clip as one image, and slots over time
             by           material of the scene, number of objects, frame (of clips) -> value -> row -> metric
             best_iou     of every object: by material, by size -> value -> row
             diagnostics  of the run's masks, without the truth
scores.csv   a line per picture and row; objects.csv per object and row, clips.csv per clip and row, slots.csv per
             picture of the run's own masks: what `vitreous compare` reads
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.errors import RunError, StoreError
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.predict.prune import Same, check_same
from vitreous.predict.regions import check_area, separated
from vitreous.predict.segment import EDGE, REACH, segment_store, to_pixels
from vitreous.predict.segment import refine as along_edges
from vitreous.report.baselines import ceiling_masks, kmeans_masks, superpixels
from vitreous.report.measure import CLIP_METRICS, METRICS, VERSION, of_slots
from vitreous.report.records import PLACE, Picture, Records, measure
from vitreous.report.tables import Table, parts, print_table, summaries, table
from vitreous.runs import Run
from vitreous.shipped import is_shipped
from vitreous.types import Frame, Score


def score(
    run: Run,
    store: FeatureStore,
    *,
    baselines: bool = True,
    refine: bool = False,
    same: Same | None = None,
    apart: float | int = 0,
    on_training_data: bool = False,
) -> Table:
    """Rows (the run, then what learns nothing) by metric, per picture at the stored picture's resolution.

    Every frame is a sample of its own; background is a segment in `ari`, left out of the true segments in the others.
    refine adds, for every row that comes from patches, one whose borders follow the edges of the picture; same makes
    slots one that are nearer than this, or auto, as of `find_slots`; apart makes regions that do not touch segments of
    their own, from this size on, in the run's rows and those of k-means (`predict.regions.separated`).
    Refused on the data the run was trained on, unless told otherwise. Table and break-downs are kept in the run's
    folder: scores.json, scores.csv.
    """
    if store.meta.source["fingerprint"] == run.recipe.source["fingerprint"] and not on_training_data:
        raise RunError(
            f"{run.folder} was trained on {store.meta.source['name']}, the very data in {store.path}: a score on it "
            "says little.\nScore on other data, or say --on-training-data true."
        )
    if is_shipped(run.folder):
        raise RunError(
            f"{run.folder} belongs to the package or to the hub's cache, and scores are kept in the run's folder.\n"
            f"Score a copy of it:  cp -rL {run.folder} copy"
        )
    if not len(store):
        raise StoreError(f"{store.path} is empty: there is nothing to score.")
    check_same(same)
    if check_area(apart, "apart") and max(store.lengths) > 1:
        raise RunError(
            f"apart is for stills, and {store.path} holds videos: regions have no numbers that last over one."
        )
    records = measure(pictures(run, store, baselines, refine, same, apart), store.instances)
    rows = table(records.pictures, METRICS)
    save_scores(run.folder, store, rows, records, refine, same, apart)
    return rows


def pictures(
    run: Run,
    store: FeatureStore,
    baselines: bool,
    refine: bool,
    same: Same | None = None,
    apart: float | int = 0,
) -> Iterator[Picture]:
    """Every picture of the store; frames of a clip follow one another."""
    name = f"{run.recipe.method} ({run.recipe.config.get('slots')} slots{'' if same is None else ', pruned'})"
    as_trained, standardised = Standardiser.from_state(run.statistics), store.standardiser("dataset")
    for clips, out in segment_store(run, store, same=same):
        rows = np.reshape(clips, -1)
        features = store.batch(rows)
        diagnosed = of_slots(out, as_trained(features))
        patches = standardised(features) if baselines else [None] * len(rows)
        for row, masks, patch, slots in zip(rows, out.masks.flatten(0, 1), patches, diagnosed, strict=True):
            frame = store.frame(row)
            if frame.ids is None:
                raise RunError(f"{store.path} holds no ids for {frame.key}: there is no truth to score against.")
            true = torch.from_numpy(frame.ids.astype(np.int64))
            found = at_pixels(name, masks, frame, refine, apart)
            if patch is not None:
                found |= without_learning(frame, true, patch, store.grid, refine, apart)
            yield Picture(frame.key, frame.index, store.meta.views[store.view[row]], true, found, slots)


def without_learning(
    frame: Frame,
    true: Int[Tensor, "y x"],
    patch: Float[Tensor, "h w d"],
    grid: tuple[int, int],
    refine: bool,
    apart: float | int,
) -> dict[str, Int[Tensor, "y x"]]:
    """Rows to judge the run's by. Superpixels and k-means see each frame alone, so no segment lasts over a clip."""
    segments = max(2, len(true[true >= 0].unique()))
    found = at_pixels("k-means, true number", kmeans_masks(patch, segments), frame, refine, apart)
    found["superpixels (Felzenszwalb)"] = torch.from_numpy(superpixels(frame.image).astype(np.int64))
    ids = true.clamp(min=0).unique()  # of the masks: the same in every frame
    ceiling = at_pixels("ceiling of the grid", ceiling_masks(true, grid), frame, refine)
    return found | {name: ids[labels] for name, labels in ceiling.items()}


def at_pixels(
    name: str, masks: Float[Tensor, "k h w"], frame: Frame, refine: bool, apart: float | int = 0
) -> dict[str, Int[Tensor, "y x"]]:
    """Labels of the picture's pixels from masks of patches: interpolated, and, if asked, along edges."""
    name = f"{name}, apart" if apart else name
    found = {name: to_pixels(masks[None], (frame.image.shape[0], frame.image.shape[1]))}
    if refine:
        found[f"{name}, refined"] = along_edges(masks[None], frame.image[None])
    return {row: (separated(one, apart)[0] if apart else one).labels[0] for row, one in found.items()}


def save_scores(
    folder: Path,
    store: FeatureStore,
    rows: Table,
    records: Records,
    refine: bool,
    same: Same | None,
    apart: float | int,
) -> None:
    """scores.json and the tables beside it, each in whole or not at all."""
    scenes, objects = records.pictures, records.objects
    diagnostics = [name for name in records.slots if name not in PLACE]
    saved = {
        "data": {
            "store": str(store.path.resolve()),
            "source": store.meta.source,
            "grid": list(store.grid),
            "pictures": len(store),
            **records.seen.digests(),
        },
        "conventions": conventions(store, records, refine, apart),
        "pruned": same,
        "rows": full(rows),
        "clips": full(table(records.clips, CLIP_METRICS)),
        "by": {name: brief(parts(scenes, METRICS, name)) for name in ("scene", "objects", "frame_of_clip")},
        "best_iou": {name: brief(parts(objects, ["best_iou"], name)) for name in ("material", "size")},
        "diagnostics": full({"slots": summaries(records.slots, diagnostics)})["slots"],
    }
    columns = [*PLACE, "row", *METRICS, "objects", "materials", "scene", "frame_of_clip"]
    tables = {"scores": scenes[columns], "objects": objects, "clips": records.clips, "slots": records.slots}
    (folder / "scores.json").unlink(missing_ok=True)  # no old one beside new tables, should this be killed
    for name, lines in tables.items():
        write(folder / f"{name}.csv", lines.to_csv(index=False, float_format="%.6f"))
    write(folder / "scores.json", json.dumps(saved, indent=1) + "\n")  # last: it says that all is there


def conventions(store: FeatureStore, records: Records, refine: bool, apart: float | int) -> dict[str, Any]:
    """All that moves a number beside run and data; two runs can be compared where it is the same."""
    return {
        "metrics": VERSION,
        "resolution": sorted(records.seen.sizes),
        "fit": store.meta.fit,
        "ignored": "pixels labelled -1",
        "background": "a segment in ari; not to be found in the others",
        "upsampling": "shares of patches, bilinear; then the largest",
        "refine": f"guided filter, {REACH} patches, {EDGE}" if refine else None,
        **({"apart": apart} if apart else {}),  # left out else: scores from before compare
    }


def write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


def full(rows: Table) -> dict[str, Any]:
    """For scores.json: with the values."""
    return {name: {metric: asdict(value) for metric, value in row.items()} for name, row in rows.items()}


def brief(groups: dict[str, Table]) -> dict[str, Any]:
    """For scores.json: with the number of values in place of them."""
    return {
        group: {
            name: {
                metric: {"mean": s.mean, "low": s.low, "high": s.high, "count": int(np.isfinite(s.values).sum())}
                for metric, s in row.items()
            }
            for name, row in rows.items()
        }
        for group, rows in groups.items()
    }


def print_details(folder: Path) -> str:
    """What scores.json says beyond the table of pictures: clips by row, and for the run itself all break-downs."""
    saved = json.loads((folder / "scores.json").read_text())
    run = next(iter(saved["rows"]))
    blocks = [print_table(read(saved["clips"]), "clips")] if saved["clips"] else []
    for kind in ("by", "best_iou"):
        for column, groups in saved[kind].items():
            rows = {f"{group} ({count(rows[run])})": rows[run] for group, rows in groups.items() if run in rows}
            if rows:
                blocks.append(print_table(read(rows), column.replace("_", " ")))
    return "\n\n".join([*blocks, print_table(read({run: saved["diagnostics"]}), "without truth")])


def read(rows: dict[str, Any]) -> Table:
    """Means and intervals as they were saved."""
    return {
        name: {metric: Score((), s["mean"], s["low"], s["high"]) for metric, s in row.items()}
        for name, row in rows.items()
    }


def count(row: dict[str, Any]) -> int:
    """Pictures or objects in a part: those that any metric is defined on."""
    return max(value["count"] for value in row.values())
