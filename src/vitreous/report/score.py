"""A run against the truth in a store, beside rows that learn nothing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.errors import RunError
from vitreous.features.store import FeatureStore
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.bootstrap import summarise
from vitreous.metrics.iou import matched_iou, mean_best_overlap
from vitreous.predict.segment import refine as along_edges
from vitreous.predict.segment import segment_store, to_pixels
from vitreous.report.baselines import ceiling_masks, kmeans_masks, superpixels
from vitreous.runs import Run
from vitreous.types import Frame, Score

METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "fg_ari": lambda pred, true: adjusted_rand_index(pred, true, ignore=0),
    "ari": adjusted_rand_index,
    "mbo": mean_best_overlap,
    "miou": matched_iou,
}
Table = dict[str, dict[str, Score]]


def score(
    run: Run, store: FeatureStore, *, baselines: bool = True, refine: bool = False, on_training_data: bool = False
) -> Table:
    """Rows (the run, then what learns nothing) by metric, per picture at the stored picture's resolution.

    Every frame is a sample of its own; background is a segment in `ari`, left out of the true segments in the others.
    refine adds, for every row that comes from patches, one whose borders follow the edges of the picture.
    Refused on the data the run was trained on, unless told otherwise. The table is kept in the run's scores.json.
    """
    if store.meta.source["fingerprint"] == run.recipe.source["fingerprint"] and not on_training_data:
        raise RunError(
            f"{run.folder} was trained on {store.meta['source']['name']}, the very data in {store.path}: a score on it "
            "says little.\nScore on other data, or say --on-training-data true."
        )
    table = score_rows(labels_by_row(run, store, baselines, refine))
    save_scores(run.folder, store, table)
    return table


def labels_by_row(
    run: Run, store: FeatureStore, baselines: bool, refine: bool
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Per picture: the truth, and what each row of the table says."""
    name = f"{run.recipe.method} ({run.recipe.config.get('slots')} slots)"
    standardised = store.standardiser("dataset")
    for clips, out in segment_store(run, store):
        rows = clips.reshape(-1)
        features = standardised(store.batch(rows)) if baselines else [None] * len(rows)
        for row, masks, patch in zip(rows, out.masks.flatten(0, 1), features, strict=True):
            frame = store.frame(row)
            if frame.ids is None:
                raise RunError(f"{store.path} holds no ids for {frame.key}: there is no truth to score against.")
            true = torch.from_numpy(frame.ids.astype(np.int64))
            found = at_pixels(name, masks, frame, refine)
            if patch is not None:
                segments = max(2, len(true[true >= 0].unique()))
                found |= at_pixels("k-means, true number", kmeans_masks(patch, segments), frame, refine)
                found["superpixels (Felzenszwalb)"] = torch.from_numpy(superpixels(frame.image).astype(np.int64))
                found |= at_pixels("ceiling of the grid", ceiling_masks(true, store.grid), frame, refine)
            yield true, found


def at_pixels(name: str, masks: Float[Tensor, "k h w"], frame: Frame, refine: bool) -> dict[str, Tensor]:
    """Labels of the picture's pixels from masks of patches: interpolated, and, if asked, along edges."""
    found = {name: to_pixels(masks[None], (frame.image.shape[0], frame.image.shape[1])).labels[0]}
    return found | ({f"{name}, refined": along_edges(masks[None], frame.image[None]).labels[0]} if refine else {})


def score_rows(pictures: Iterator[tuple[Tensor, dict[str, Tensor]]]) -> Table:
    values: dict[str, dict[str, list[float]]] = {}
    for true, found in pictures:
        for name, labels in found.items():
            row = values.setdefault(name, {metric: [] for metric in METRICS})
            for metric, value in measure(labels, true).items():
                row[metric].append(value)
    return {name: {m: summarise(v) for m, v in row.items()} for name, row in values.items()}


def measure(pred: Int[Tensor, "y x"], true: Int[Tensor, "y x"]) -> dict[str, float]:
    """All metrics of one picture."""
    return {name: metric(pred[None], true[None]).item() for name, metric in METRICS.items()}


def save_scores(folder: Path, store: FeatureStore, table: Table) -> None:
    about = {"store": str(store.path), "source": store.meta.source, "grid": list(store.grid), "pictures": len(store)}
    rows = {name: {metric: asdict(value) for metric, value in row.items()} for name, row in table.items()}
    new = folder / "scores.json.new"
    new.write_text(json.dumps({"data": about, "rows": rows}, indent=1) + "\n")
    new.replace(folder / "scores.json")


def print_table(table: Table) -> str:
    """The table as text: mean and 95 % interval."""
    width = max(map(len, table))
    head = f"{'':{width}}  " + "  ".join(f"{name:>19}" for name in METRICS)
    lines = [
        f"{name:{width}}  " + "  ".join(f"{s.mean:.3f} [{s.low:.3f} {s.high:.3f}]" for s in row.values())
        for name, row in table.items()
    ]
    return "\n".join([head, *lines])
