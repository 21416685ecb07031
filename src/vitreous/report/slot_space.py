"""Where slots lie: all slots of a data set with what they show, as coordinates and as clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor

from vitreous.errors import RunError, StoreError
from vitreous.features.store import FeatureStore
from vitreous.metrics.contingency import contingency
from vitreous.metrics.information import mutual_information, purity
from vitreous.metrics.iou import overlaps
from vitreous.predict.segment import segment_store, to_pixels
from vitreous.report.contact import spread
from vitreous.report.measure import size
from vitreous.runs import Run

SHOWS = 0.3  # least IoU for a slot to be said to show an object
LABELS = ("material", "shape", "colour", "size")
CLUSTERS = (2, 4, 8, 16)


@dataclass(frozen=True)
class SlotSpace:
    """Slots that own something, of many pictures.

    slots     as the method answered them
    table     a line per slot: key, frame, view, row of the store, slot, share of the patches it wins; with the truth
              object (id of the true segment of the best IoU; 0 background), best_iou, kind (object, background or
              nothing) and material, shape, colour, size of the object that it shows; after `place`: pca_x, pca_y,
              tsne_x, tsne_y, cluster
    clusters  a line per number of clusters: silhouette, and per label purity, by_chance (of one cluster) and
              information (adjusted, 0 is chance)
    masks     soft masks of every picture, by row
    """

    slots: Float[np.ndarray, "n s"]
    table: pd.DataFrame
    clusters: pd.DataFrame
    masks: dict[int, Float16[Tensor, "k h w"]]

    @property
    def unit(self) -> Float[np.ndarray, "n s"]:
        """Of length 1, so that distances are those of directions: slot attention norms its slots, too."""
        return self.slots / np.linalg.norm(self.slots, axis=1, keepdims=True).clip(1e-12)


def slot_space(
    run: Run, store: FeatureStore, most: int = 3000, clusters: Sequence[int] = CLUSTERS, seed: int = 0
) -> SlotSpace:
    """Slots of so many pictures that there are about `most`, spread evenly over the store, placed and clustered."""
    return place(collect(run, store, most), clusters, seed)


def collect(run: Run, store: FeatureStore, most: int = 3000) -> SlotSpace:
    """Slots and what they show."""
    if not len(store):
        raise StoreError(f"{store.path} is empty: there are no slots to look at.")
    rows = np.flatnonzero(store.view == 0)
    count = max(2, most // max(1, int(run.recipe.config.get("slots", 1))))
    wanted = set(rows[spread(len(rows), count)].tolist())
    slots, lines, kept = [], [], {}
    for batch, out in segment_store(run, store, wanted=wanted):
        for row, vectors, masks in zip(batch.flat, out.slots.flatten(0, 1), out.masks.flatten(0, 1), strict=True):
            if int(row) in wanted:
                won = masks.argmax(0).unique().tolist()
                lines += about(store, int(row), masks, won)
                slots.append(vectors[won].float())
                kept[int(row)] = masks.half()
    vectors = torch.cat(slots).numpy()
    if not np.isfinite(vectors).all():
        raise RunError(f"{run.folder} answers slots that are not finite: its training has diverged. Train it again.")
    return SlotSpace(vectors, pd.DataFrame(lines), pd.DataFrame(), kept)


def about(store: FeatureStore, row: int, masks: Float[Tensor, "k h w"], slots: list[int]) -> list[dict[str, Any]]:
    """A line per slot of a picture that wins a patch."""
    frame, winner = store.frame(row), masks.argmax(0)
    view = store.meta.views[store.view[row]]
    share = [float((winner == slot).float().mean()) for slot in slots]
    lines = [
        {"key": frame.key, "frame": frame.index, "view": view, "row": row, "slot": slot, "share": won}
        for slot, won in zip(slots, share, strict=True)
    ]
    if frame.ids is None:
        return lines
    things = {thing["id"]: thing for thing in store.instances(frame.key) or []}
    found = shown(masks, frame.ids)
    return [line | seen(*found.get(line["slot"], (0, 0.0, 0.0)), things) for line in lines]


def shown(masks: Float[Tensor, "k h w"], ids: Int[np.ndarray, "y x"]) -> dict[int, tuple[int, float, float]]:
    """Of each slot that owns a pixel: the true segment of the best IoU, that IoU, and its share of the picture."""
    true = torch.from_numpy(ids.astype(np.int64))[None]
    table = contingency(to_pixels(masks[None], (ids.shape[0], ids.shape[1])).labels, true)
    if not len(table.true_labels):
        return {}
    best, column = overlaps(table)[0].max(1)
    share = table.shared[0].sum(0).double() / true.numel()
    return {
        slot: (int(table.true_labels[at]), value, float(share[at]))
        for slot, value, at in zip(table.pred_labels.tolist(), best.tolist(), column.tolist(), strict=True)
    }


def seen(thing: int, iou: float, share: float, things: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What a slot shows."""
    kind = "nothing" if iou < SHOWS else "object" if thing else "background"
    known = things.get(thing, {}) if kind == "object" else {}
    labels = {name: known.get(name) for name in ("material", "shape", "colour")}
    return (
        {"object": thing, "best_iou": iou, "kind": kind} | labels | {"size": size(share) if kind == "object" else None}
    )


def place(space: SlotSpace, clusters: Sequence[int] = CLUSTERS, seed: int = 0) -> SlotSpace:
    """Coordinates by PCA and t-SNE, and clusters by k-means, of the slots' directions."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    unit, table = space.unit, space.table.copy()
    n, width = unit.shape
    if n < 4:
        raise RunError(f"Only {n} slots own anything: there is no space to look at. Take more pictures.")
    main = PCA(min(50, n, width), random_state=seed).fit_transform(unit)
    table["pca_x"], table["pca_y"] = main[:, 0], main[:, 1] if main.shape[1] > 1 else 0.0
    near = TSNE(2, init="pca" if main.shape[1] > 1 else "random", perplexity=min(30.0, (n - 1) / 3), random_state=seed)
    table["tsne_x"], table["tsne_y"] = near.fit_transform(main).T
    found = {k: grouped(unit, k, seed) for k in clusters if 2 <= k < n}
    lines = [{"clusters": k} | judged(unit, labels, table) for k, labels in found.items()]
    summary = pd.DataFrame(lines)
    if found:
        table["cluster"] = found[int(summary.loc[summary["silhouette"].fillna(-1.0).idxmax(), "clusters"])]
    return SlotSpace(space.slots, table, summary, space.masks)


def grouped(unit: Float[np.ndarray, "n s"], clusters: int, seed: int) -> Int[np.ndarray, " n"]:
    """k-means; fewer clusters where fewer slots differ."""
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    distinct = len(np.unique(unit, axis=0))
    # n_init takes a number too, whatever the stubs say
    means = KMeans(min(clusters, distinct), n_init=4, random_state=seed)  # pyright: ignore[reportArgumentType]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # slots that differ by rounding only: said above
        return means.fit_predict(unit)


def judged(unit: Float[np.ndarray, "n s"], clusters: Int[np.ndarray, " n"], table: pd.DataFrame) -> dict[str, float]:
    """Silhouette, and how well clusters tell labels apart, of slots that have the label."""
    from sklearn.metrics import silhouette_score

    several = 1 < len(np.unique(clusters)) < len(unit)
    found = {"silhouette": float(silhouette_score(unit, clusters)) if several else nan}
    for name in ("kind", *LABELS):
        if name not in table or not (has := table[name].notna().to_numpy()).any():
            continue
        labels = table.loc[has, name].astype(str)
        codes = torch.from_numpy(labels.astype("category").cat.codes.to_numpy().astype(np.int64))[None]
        own = torch.from_numpy(clusters[has].astype(np.int64))[None]
        found[f"{name}_purity"] = purity(clusters[has], labels.tolist())
        found[f"{name}_by_chance"] = float(labels.value_counts(normalize=True).iloc[0])
        found[f"{name}_information"] = mutual_information(own, codes).item()
    return found


def print_clusters(space: SlotSpace) -> str:
    """The clusters as text: silhouette; per label purity, that of one cluster in brackets, and information."""
    names = [name for name in ("kind", *LABELS) if f"{name}_purity" in space.clusters]
    rows = [["clusters", "silhouette", *names]]
    for line in space.clusters.to_dict("records"):
        cells = [[short(line[f"{name}_{what}"]) for what in ("purity", "by_chance", "information")] for name in names]
        rows.append([f"{line['clusters']}", f"{line['silhouette']:.3f}", *(f"{p} ({c}) {i}" for p, c, i in cells)])
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, width, strict=True)) for row in rows]
    said = "purity (that of one cluster) information: 0 is chance" if names else ""
    return "\n".join([*lines, *([said] if said else [])])


def short(value: float) -> str:
    """0.4 as .40; what rounds to nothing has no sign."""
    return f"{value if abs(value) >= 0.005 else 0:.2f}".replace("0.", ".", 1)


def write_slots(space: SlotSpace, out: Path) -> list[Path]:
    """slots.csv (a line per slot), clusters.csv, and slots.safetensors: the vectors, in the order of the lines."""
    from safetensors.numpy import save_file

    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "slots.csv", out / "clusters.csv", out / "slots.safetensors"]
    space.table.to_csv(paths[0], index=False, float_format="%.5f")
    space.clusters.to_csv(paths[1], index=False, float_format="%.4f")
    save_file({"slots": np.ascontiguousarray(space.slots, dtype=np.float32)}, paths[2])
    return paths
