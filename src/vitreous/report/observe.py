"""Everything that a diagnosis rests on, measured of a run on a store: one value per picture each."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vitreous.errors import RunError, StoreError
from vitreous.features.store import FeatureStore
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.diagnostics import active_slots, entropy, mean_fill, pattern_fill, top_share
from vitreous.metrics.faults import faults
from vitreous.metrics.information import known_of_position, mutual_information
from vitreous.metrics.iou import mean_best_overlap
from vitreous.predict.segment import reader, segment_store, to_pixels
from vitreous.report.baselines import kmeans_masks
from vitreous.report.tables import summaries
from vitreous.runs import Run
from vitreous.types import Score, SlotOutput

PIECE = 32  # pictures that are looked at in a row, as they are segmented together
AWAKE = 0.01  # share of the patches that an active slot wins: one stray patch is no object


@dataclass(frozen=True)
class Evidence:
    """What was measured.

    pictures  a line per picture: key, frame, and numbers; those that need the truth are absent where there is none
    slots     that the run has, K
    loss      squared error per number at the end of the training, as its log says; NaN if unknown

    entropy active top_share      of the masks (metrics/diagnostics.py); active: slots that win at least AWAKE
    there                         slots that exist: fewer than K where a method finds as many as there are
    error mean_fill pattern_fill  of what was rebuilt (error: squared, per number); NaN where it is no features
    swapped                       error of what is rebuilt from another picture's slots, over that from its own
    position content              what masks know of them (metrics/information.py): of the masks of other pictures, and
                                  of k-means on the picture's own features, freed from what their place explains
    scale patch_share             of what the method sees: root mean square; share of it that differs within a picture
    objects fg_ari mbo            with the truth: objects at least a patch large; scores
    missed merged split           shares of these objects (metrics/faults.py)
    ground_kept ground            share of the true background in its largest slot; share of the picture it covers
    """

    pictures: pd.DataFrame
    slots: int
    loss: float = nan

    @property
    def has_truth(self) -> bool:
        return "objects" in self.pictures

    def score(self, name: str) -> Score:
        """Mean over pictures with its interval, clips drawn whole; NaN where it was not measured."""
        if name not in self.pictures:
            return Score((), nan, nan, nan)
        return summaries(self.pictures, [name])[name]

    def mean(self, name: str) -> float:
        return self.score(name).mean

    @property
    def loss_is_of_something_else(self) -> bool:
        """Whether the log speaks of an error far below the one that is there: new pictures alone do not triple it."""
        return self.mean("error") > 3 * self.loss


@dataclass
class Observer:
    """Add pictures as they come, then ask for `evidence()`."""

    slots: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    labels: list[Int[Tensor, "h w"]] = field(default_factory=list)

    def add(
        self,
        keys: Sequence[str],
        out: SlotOutput,
        features: Float[Tensor, "n h w d"],
        freed: Float[Tensor, "n h w d"],
        true: Sequence[Int[Tensor, "_ _"] | None],
    ) -> None:
        """Pictures of one batch, each a sample.

        keys      of their clips
        features  as the method saw them
        freed     the same, freed from the mean of each position
        true      ids of each picture, 0 the background; None where unknown
        """
        masks, rebuilt = out.masks.flatten(0, 1).float(), out.rebuilt.flatten(0, 1).float()
        there = out.keep.flatten(0, 1).sum(1) if out.keep is not None else torch.full((len(masks),), masks.shape[1])
        square = features.double().square().mean((1, 2, 3))
        spread = (features - features.mean((1, 2), keepdim=True)).double().square().mean((1, 2, 3))
        found = {
            "entropy": entropy(masks),
            "active": active_slots(masks, above=AWAKE),
            "top_share": top_share(masks),
            "there": there,
            "error": (rebuilt - features).double().square().mean((1, 2, 3)),
            "mean_fill": mean_fill(rebuilt, features),
            "pattern_fill": pattern_fill(rebuilt, features),
            "scale": square.sqrt(),
            "patch_share": (spread / square).where(square > 0, 0.0),
        }
        h, w = features.shape[1:3]
        labels = adaptive_avg_pool2d(masks, (h, w)).argmax(1)  # masks of pixels are brought to the patches
        clusters = torch.stack([alike(x, len(own.unique())) for x, own in zip(freed, labels, strict=True)])
        found["content"] = mutual_information(labels, clusters)
        for i, key in enumerate(keys):
            line = {"key": key} | {name: float(values[i]) for name, values in found.items()}
            ids = true[i]
            self.lines.append(line if ids is None else line | against(ids, masks[i]))
        self.labels += list(labels)

    def evidence(self, loss: float = nan) -> Evidence:
        pictures = pd.DataFrame(self.lines)
        if self.labels:
            pictures["position"] = known_of_position(torch.stack(self.labels), pictures["key"].tolist()).numpy()
        return Evidence(pictures, self.slots, loss)


def alike(features: Float[Tensor, "h w d"], clusters: int) -> Int[Tensor, "h w"]:
    """Groups of like patches, as many as a picture has segments, but at least two."""
    return kmeans_masks(features, max(2, clusters), starts=1).argmax(0)


def against(true: Int[Tensor, "y x"], masks: Float[Tensor, "k h w"]) -> dict[str, float]:
    """What the truth says of a picture, at its resolution."""
    pred, true = to_pixels(masks[None], (true.shape[0], true.shape[1])).labels, true[None]
    found = faults(pred, true, least=true.numel() / masks[0].numel())
    there = int(found.there.sum())
    shares = {fault: found.share(fault).item() for fault in ("missed", "merged", "split")}
    return shares | {
        "objects": float(there),
        "ground_kept": found.kept.item(),
        "ground": float((true == 0).sum() / (true >= 0).sum().clamp(min=1)),
        "fg_ari": adjusted_rand_index(pred, true, ignore=0).item(),
        "mbo": mean_best_overlap(pred, true).item(),
    }


def observe(run: Run, store: FeatureStore, pictures: int = 200) -> Evidence:
    """Measure about so many pictures, in pieces spread over the store, in its first view."""
    if not len(store):
        raise StoreError(f"{store.path} is empty: there is nothing to look at.")
    read, freed, kept = reader(run, store), store.standardiser("position"), set(pieces(store, pictures))
    observer, taken = Observer(int(run.recipe.config.get("slots", 0))), []
    for rows, out in segment_store(run, store, wanted=kept):
        here = [i for i, row in enumerate(rows.reshape(-1).tolist()) if row in kept]
        if not here:
            continue
        if not out.masks.isfinite().all():
            raise RunError(
                f"{run.folder} answers masks that are not finite: its training has diverged. Train it again."
            )
        flat = rows.reshape(-1)[here]
        seen = read(rows).features.flatten(0, 1)
        frames = [store.frame(row) for row in flat]
        ids = [None if frame.ids is None else torch.from_numpy(frame.ids.astype(np.int64)) for frame in frames]
        observer.add([frame.key for frame in frames], some(out, here), seen[here], freed(store.batch(flat)), ids)
        taken += flat.tolist()
    evidence = observer.evidence(last_loss(run))
    new = swapped_error(run, store, taken)
    evidence.pictures["swapped"] = [new[row] for row in taken] / evidence.pictures["error"]
    return evidence


def pieces(store: FeatureStore, pictures: int) -> Iterator[int]:
    """Rows of the first view, in pieces spread evenly over the store."""
    rows = np.flatnonzero(store.view == 0)
    count = max(1, -(-min(pictures, len(rows)) // PIECE))
    length = -(-min(pictures, len(rows)) // count)
    for start in np.linspace(0, len(rows) - length, count).round().astype(int).tolist():
        yield from rows[start : start + length].tolist()


def some(out: SlotOutput, here: list[int]) -> SlotOutput:
    """Samples of an output, as clips of one frame."""
    keep = None if out.keep is None else out.keep.flatten(0, 1)[here, None]
    slots, masks, rebuilt = (x.flatten(0, 1)[here, None] for x in (out.slots, out.masks, out.rebuilt))
    return SlotOutput(slots, masks, rebuilt, keep=keep)


def swapped_error(run: Run, store: FeatureStore, wanted: Sequence[int]) -> dict[int, float]:
    """Squared error of what is rebuilt from the slots of another picture, for each wanted row.

    Whatever module of the method answers slots (a named tuple with a field `slots`), its answers are handed to the
    next sample of the batch. NaN where there is no such module, or no other sample in the batch.
    """
    read, found = reader(run, store), dict.fromkeys(wanted, nan)
    longest = max(store.lengths, default=1)
    with slots_moved_on(run.method) as moved:
        for rows, out in segment_store(run, store, batch_size=max(PIECE, 2 * longest), wanted=set(wanted)):
            if len(rows) > 1 and moved:
                errors = (out.rebuilt.float() - read(rows).features).double().square().mean((2, 3, 4))
                found |= {row: e for row, e in zip(rows.flat, errors.flatten().tolist(), strict=True) if row in found}
    return found


@contextmanager
def slots_moved_on(method: torch.nn.Module) -> Iterator[list[str]]:
    """While it lasts, each sample of a batch gets the slots of the one before it; the list fills as this happens."""
    moved: list[str] = []

    def move(module: torch.nn.Module, given: Any, found: Any) -> Any:
        if "slots" not in getattr(found, "_fields", ()):
            return None
        moved.append(type(module).__name__)
        return found._replace(slots=found.slots.roll(1, 0))

    handles = [module.register_forward_hook(move) for module in method.modules()]
    try:
        yield moved
    finally:
        for handle in handles:
            handle.remove()


def last_loss(run: Run) -> float:
    """Squared error at the end of the training, from log.csv; NaN where it is not known, or is something else."""
    path = run.folder / "log.csv"
    if not path.is_file() or run.recipe.config.get("loss", "mse") != "mse":
        return nan
    with path.open(newline="") as file:
        rows = [row.get("rebuild", row["loss"]) for row in csv.DictReader(file)]
    return float(np.median([float(value) for value in rows[-max(1, len(rows) // 20) :]])) if rows else nan
