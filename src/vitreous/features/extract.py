"""Run a frozen backbone over a data set once and keep everything that later work needs.

Threads read and prepare pictures, this thread runs the backbone, another one writes: see reading.py and writing.py.
"""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vitreous import __version__
from vitreous.backbones import load_backbone
from vitreous.data import open_source
from vitreous.errors import DataError, StoreError, VitreousError
from vitreous.features.format import SIDE_FOLDER, Maker, StoreMeta, is_store, open_lance, read_meta
from vitreous.features.plan import Plan
from vitreous.features.preprocess import check_fit
from vitreous.features.progress import Progress
from vitreous.features.reading import LEFT_OUT, BatchReader, Look, Prepared
from vitreous.features.store import FeatureStore
from vitreous.features.verify import same_so_far
from vitreous.features.views import check_views
from vitreous.features.writing import COMMIT_ROWS, Claims, Done, Present, Writer, create, locked, sweep, write_meta
from vitreous.types import Source

KEEP_SIDE = 1024  # px; scores are computed at this resolution at most
WAIT_SECONDS = 0.2  # between looks at what another extraction has done


def extract(
    source: Source | Path | str,
    out: Path | str,
    backbone: Maker | str = "glass_tiny",
    grid: int | tuple[int, int] = 16,
    fit: str = "crop",
    views: Sequence[str] = ("identity",),
    batch_size: int = 32,
    on_error: str = "raise",
    keep_side: int = KEEP_SIDE,
    workers: int | None = None,
    commit_rows: int = COMMIT_ROWS,
    progress: bool = True,
) -> FeatureStore:
    """Fill a feature store from a data set; goes on where an earlier call was stopped, and returns the store.

    Rows that are there stay; the others are computed in the same batches as ever, which makes a resumed store the
    same, bit for bit, on the same machine. Several processes may fill one store at once.

    Args:
        source: Pictures and videos: a source, or the path of one.
        out: The store's folder; made if missing.
        backbone: A loaded backbone, or a preset, hub id or folder.
        grid: Patches per side, or (h, w).
        fit: crop (the largest centred part with the grid's aspect ratio) or squash (all of it).
        views: identity, hflip, vflip, hvflip, rot90, rot270, crop:LEFT,TOP,RIGHT,BOTTOM (shares of the picture),
            turn:DEGREES, and these joined, as in hflip+blur:5: see views.py.
        batch_size: Pictures per forward pass; a store that goes on keeps its own.
        on_error: raise, or skip what cannot be read or used and list it in `store.meta.skipped`.
        keep_side: Longest side of the stored pictures in pixels; larger ones are reduced before anything else.
        workers: Threads that read pictures; default: one per core, at most 8.
        commit_rows: Rows become safe in groups of this size, or as many as there are after 10 seconds or at 128 MiB.
        progress: Show a bar with rate and time left on stderr.

    Raises:
        DataError: a picture that cannot be read or is too small, by name.
        FeatureMismatch: the store holds features of another backbone, grid, fit or views.
        StoreError: the source has changed since the store was begun; the disk is full; a feature is not finite.
    """
    if on_error not in ("raise", "skip"):
        raise VitreousError(f'on_error must be "raise" or "skip", got "{on_error}".')
    source, backbone, out = opened(source, on_error), loaded(backbone), Path(out)
    grid = (grid, grid) if isinstance(grid, int) else (grid[0], grid[1])
    if min(*grid, batch_size, keep_side, commit_rows) < 1:
        raise VitreousError(
            f"Grid, batch size, keep_side and commit_rows must be at least 1, got {grid[0]} x {grid[1]}, {batch_size}, "
            f"{keep_side} and {commit_rows}."
        )
    views = check_views(tuple(views))
    meta = StoreMeta(
        backbone=backbone.describe(),
        grid=grid,
        fit=check_fit(fit),
        views=views,
        batch_size=batch_size,
        keep_side=keep_side,
        source=describe_source(source),
        planned=0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        made_with=made_with(),
    )
    look = Look(backbone.size_for(grid), grid, backbone.patch_size, fit, keep_side)
    with Progress(progress, f"{source.name} -> {out.name}") as bar:
        plan = begin(source, out, meta)
        bar.plan(len(plan))
        work = Extraction(source, out, plan, look, backbone, on_error, workers or cores(), bar)
        work.run(commit_rows)
    finish(out, source, plan, work.failed)
    return FeatureStore(out)


def opened(source: Source | Path | str, on_error: str) -> Source:
    if isinstance(source, (str, Path)):
        return open_source(source, on_error="skip" if on_error == "skip" else "raise")
    return source


def loaded(backbone: Maker | str) -> Maker:
    if isinstance(backbone, str):
        return load_backbone(backbone)
    return backbone


def cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return min(8, len(affinity(0)) if affinity else os.cpu_count() or 1)


def describe_source(source: Source) -> dict[str, object]:
    path = getattr(source, "root", None) or getattr(source, "path", None)
    return {
        "name": source.name,
        "path": None if path is None else str(Path(path).resolve()),
        "fingerprint": source.fingerprint(),
        "clips": len(source.keys),
    }


def made_with() -> dict[str, str]:
    found = {name: version(name) for name in ("torch", "transformers", "pillow", "pylance")}
    return {"vitreous": __version__, **found, "python": platform.python_version(), "machine": platform.machine()}


def begin(source: Source, out: Path, wanted: StoreMeta) -> Plan:
    """Make the store, or check that this extraction may go on in it."""
    taken = out.is_file() or (out.is_dir() and any(p.name != SIDE_FOLDER for p in out.iterdir()))
    if taken and not is_store(out):
        raise StoreError(f"{out} exists and is not a feature store. Name another folder:  --out STORE.lance")
    plan = Plan.of(source, wanted.views, wanted.batch_size)
    with locked(out):
        if not is_store(out):
            create(out, replace(wanted, planned=len(plan)))
            return plan
        meta = read_meta(open_lance(out), out)
        meta.require_same(wanted, out, "this extraction makes")
        plan = Plan(plan.keys, plan.lengths, meta.views, meta.batch_size)
        sweep(out)
        if meta.source["fingerprint"] != wanted.source["fingerprint"] or meta.planned != len(plan):
            same_so_far(out, meta, source, plan)
            write_meta(out, replace(meta, source=wanted.source, planned=len(plan)))
        return plan


def finish(out: Path, source: Source, plan: Plan, failed: dict[int, str]) -> None:
    """Write down what was skipped, and tidy up."""
    with locked(out):
        missing = np.flatnonzero(~Present(out, len(plan)).refresh()).tolist()
        meta = read_meta(open_lance(out), out)
        # what another process skipped, it has listed or will list
        earlier = [] if set(missing) <= failed.keys() else meta.skipped
        skipped = list(dict.fromkeys([*earlier, *list_skipped(source, plan, missing, failed)]))
        if skipped != meta.skipped:
            write_meta(out, replace(meta, skipped=skipped))
        sweep(out)


def list_skipped(source: Source, plan: Plan, missing: list[int], failed: dict[int, str]) -> list[tuple[str, str]]:
    """(file or frame, why): what the source left out by itself, by its own words, then what it did not tell."""
    told = [(str(path), str(why)) for path, why in getattr(source, "skipped", ())]
    found = dict(told)
    for row in missing:
        clip, frame, _ = plan.place(row)
        key = plan.keys[clip]
        known = failed.get(row, "").endswith(LEFT_OUT) and any(key in path for path, _ in told)
        if row in failed and not known:
            found[key if plan.lengths[clip] == 1 else f"{key} frame {frame}"] = failed[row]
    return list(found.items())


class Extraction:
    """One process's share of the work: batch by batch until the plan is done, by whomever."""

    def __init__(
        self,
        source: Source,
        out: Path,
        plan: Plan,
        look: Look,
        backbone: Maker,
        on_error: str,
        workers: int,
        bar: Progress,
    ) -> None:
        self.source, self.out, self.plan, self.look, self.backbone = source, out, plan, look, backbone
        self.on_error, self.workers, self.bar = on_error, workers, bar
        self.present, self.claims = Present(out, len(plan)), Claims(out)
        self.tried: set[int] = set()
        self.failed: dict[int, str] = {}

    def run(self, commit_rows: int) -> None:
        self.bar.at(int(self.present.refresh().sum()))
        writer = Writer(self.out, self.present, self.claims, commit_rows, self.settle, self.bar.committed)
        with closing(self.claims), closing(writer):
            while todo := self.open_batches():
                before = len(self.tried)
                with BatchReader(self.source, self.plan, self.look, self.on_error, self.workers) as reader:
                    for prepared in reader.read(self.claimed(todo)):
                        self.do(prepared, writer)
                writer.flush()
                if len(self.tried) == before:  # all that is left is in the hands of other processes
                    time.sleep(WAIT_SECONDS)
                self.bar.at(int(self.present.refresh().sum()))

    def open_batches(self) -> list[int]:
        """Batches with missing rows that this process has not tried yet."""
        missing = np.unique(np.flatnonzero(~self.present.refresh()) // self.plan.batch_size)
        return [batch for batch in missing.tolist() if batch not in self.tried]

    def claimed(self, batches: list[int]) -> Iterator[int]:
        for batch in batches:
            if self.claims.take(batch):
                rows = self.plan.rows(batch)
                if self.present.refresh()[rows.start : rows.stop].all():  # done by another process meanwhile
                    self.claims.release(batch)
                    continue
                self.tried.add(batch)
                yield batch

    def do(self, prepared: Prepared, writer: Writer) -> None:
        self.failed |= prepared.failed
        if all(self.present.rows[cell.row] for cell in prepared.cells):
            self.claims.release(prepared.batch)
            return
        features = self.backbone(torch.from_numpy(prepared.images)[:, None])[:, 0]
        shape = (len(prepared.images), *self.look.grid, self.backbone.dim)
        if features.shape != shape:
            raise StoreError(f"Backbone {self.backbone.name} gave {tuple(features.shape)} where {shape} was asked for.")
        writer.put(prepared, features)
        self.bar.computed(len(prepared.cells))

    def settle(self, prepared: Prepared, features: Float[Tensor, "b h w d"]) -> Done:
        """Rows of a batch as they are stored; what float16 cannot hold is refused."""
        half = features.half().cpu()
        places = [cell.row - prepared.start for cell in prepared.cells]
        finite = half.isfinite().flatten(1).all(1)[places].tolist()
        self.refuse([cell.row for cell, good in zip(prepared.cells, finite, strict=True) if not good])
        cells = [cell for cell, good in zip(prepared.cells, finite, strict=True) if good]
        return cells, half if len(cells) == len(half) else half[[cell.row - prepared.start for cell in cells]]

    def refuse(self, rows: list[int]) -> None:
        """Features that float16 cannot hold: the picture or the backbone is broken, and either must be known."""
        for row in rows:
            clip, frame, view = self.plan.place(row)
            why = (
                f"{self.plan.keys[clip]} frame {frame} ({view}): features are not finite, or beyond 65504, "
                f"which is as far as float16 goes. Look at the picture, or choose another layer or facet."
            )
            if self.on_error == "raise":
                raise DataError(why)
            self.failed[row] = why
