"""What a run sees, on one page: pictures, their features, the truth if known, and the slots."""

from pathlib import Path

import numpy as np

from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.predict.segment import check_store, find_slots, to_pixels
from vitreous.report.pictures import overlay, paint, principal_colours, save, sheet
from vitreous.runs import Run


def result_sheet(run: Run, store: FeatureStore, path: Path, rows: list[int] | None = None) -> Path:
    """Input, principal components of the patch features, truth (where known) and slots of eight rows of a store."""
    check_store(run, store)
    rows = rows if rows is not None else spread(len(store), 8)
    standardised = Standardiser.from_state(run.statistics)(store.batch(rows))
    masks = find_slots(run, standardised[:, None]).masks
    frames = [store.frame(row) for row in rows]
    columns = [
        ("picture", [f.image for f in frames]),
        ("features (PCA)", list(principal_colours(standardised))),
    ]
    if all(f.ids is not None for f in frames):
        columns.append(("truth", [paint(f.ids) for f in frames if f.ids is not None]))
    found = [to_pixels(m, f.image.shape[:2]).labels[0].numpy() for f, m in zip(frames, masks, strict=True)]
    columns.append(("slots", [overlay(f.image, labels) for f, labels in zip(frames, found, strict=True)]))
    return save(sheet(columns), path)


def spread(count: int, wanted: int) -> list[int]:
    """Row numbers spread evenly over a store."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist()
