"""What a run sees, on one page: pictures, their features, the truth if known, and the slots."""

from pathlib import Path

import numpy as np

from vitreous.features.store import FeatureStore
from vitreous.predict.prune import Same
from vitreous.predict.regions import separated
from vitreous.predict.segment import find_slots, reader, refine, to_pixels
from vitreous.report.pictures import overlay, paint, principal_colours, save, sheet
from vitreous.runs import Run


def result_sheet(
    run: Run,
    store: FeatureStore,
    path: Path,
    rows: list[int] | None = None,
    same: Same | None = None,
    apart: float | int = 0,
) -> Path:
    """Input, principal components of the patch features, truth (where known), slots of eight rows of a store, as
    they are and with borders that follow the picture's edges. same: as of `find_slots`;
    apart: as of `predict.regions.separated`.
    """
    rows = rows if rows is not None else spread(len(store), 8)
    seen = reader(run, store)(np.array(rows)[:, None])
    masks, standardised = find_slots(run, seen, same=same).masks, seen.features[:, 0]
    frames = [store.frame(row) for row in rows]
    columns = [
        ("picture", [f.image for f in frames]),
        ("features (PCA)", list(principal_colours(standardised))),
    ]
    if all(f.ids is not None for f in frames):
        columns.append(("truth", [paint(f.ids) for f in frames if f.ids is not None]))
    plain = [to_pixels(m, (f.image.shape[0], f.image.shape[1])) for f, m in zip(frames, masks, strict=True)]
    refined = [refine(m, f.image[None]) for f, m in zip(frames, masks, strict=True)]
    if apart:
        plain, refined = ([separated(one, apart)[0] for one in found] for found in (plain, refined))
    for title, found in (("slots", plain), ("slots, refined", refined)):
        columns.append((title, [overlay(f.image, s.labels[0].numpy()) for f, s in zip(frames, found, strict=True)]))
    return save(sheet(columns), path)


def spread(count: int, wanted: int) -> list[int]:
    """Row numbers spread evenly over a store."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist()
