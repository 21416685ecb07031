"""Rows into the store: appended in the background, each exactly once, whoever else writes.

Every append holds the store's lock, looks at the newest version for rows that are there by now, and leaves those
out. The operating system frees the lock when its holder dies, so nothing goes stale.
"""

import os
import queue
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Literal

import lance
import numpy as np
import pyarrow as pa
import torch
from filelock import FileLock
from jaxtyping import Bool, Float16
from torch import Tensor

from vitreous.errors import StoreError
from vitreous.features.format import LANCE_FILE_VERSION, SIDE_FOLDER, StoreMeta, is_store, open_lance, schema_of
from vitreous.features.reading import Cell, Prepared
from vitreous.features.statistics import FeatureSums, dump_sums, load_sums

try:
    import fcntl
except ImportError:  # Windows: two extractions then do the same batches, and the later one's are left out
    fcntl = None

FULL = ("os error 28", "os error 27", "os error 122", "os error 112")  # no space, too large, quota, Windows
COMMIT_ROWS, COMMIT_BYTES, COMMIT_SECONDS = 512, 128 << 20, 10.0
SWEEP_VERSIONS = 100  # each version lists all files: thousands of them would outgrow the data
Done = tuple[list[Cell], Float16[Tensor, "_ h w d"]]  # rows, and their features


def side(path: Path, name: str) -> Path:
    return path / SIDE_FOLDER / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone in writing to a store, among all processes on this file system."""
    try:
        side(path, "").mkdir(parents=True, exist_ok=True)
        lock = FileLock(side(path, "lock"))
        lock.acquire()
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}. Name another place:  --out") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def named_faults(path: Path) -> Iterator[None]:
    """A full disk and other write errors as StoreError, with what is safe and what to do."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        text = str(error)
        rows = lance.dataset(str(path)).count_rows() if is_store(path) else 0
        safe = f"The {rows} rows written before are safe and readable."
        if any(code in text for code in FULL) or getattr(error, "errno", None) in (28, 27, 122):
            raise StoreError(
                f"The disk is full: {path} cannot grow ({text.partition(',')[0]}).\n{safe}\n"
                "Make room and run the same command again: it goes on from there."
            ) from error
        raise StoreError(f"Writing to {path} failed: {text}\n{safe}") from error


def create(path: Path, meta: StoreMeta) -> None:
    """An empty store; the caller holds the lock."""
    schema = schema_of(meta)
    with named_faults(path):
        lance.write_dataset(
            schema.empty_table(), str(path), schema=schema, mode="create", data_storage_version=LANCE_FILE_VERSION
        )


def write_meta(path: Path, meta: StoreMeta) -> None:
    """Replace what a store says about itself; the caller holds the lock."""
    with named_faults(path):
        lance.dataset(str(path)).update_schema_metadata({"vitreous": meta.to_json()}, replace=True)


def sweep(path: Path) -> None:
    """Remove what killed writers left and versions that nobody needs; the caller holds the lock.

    Safe, because whoever writes holds the lock, and appending never changes a file that an older version reads.
    """
    for leftover in side(path, "").glob("*.part"):
        leftover.unlink(missing_ok=True)
    lance.dataset(str(path)).cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


class Present:
    """Which rows of the plan a store has, kept up with its newest version."""

    def __init__(self, path: Path, planned: int) -> None:
        self.path, self.rows = path, np.zeros(planned, dtype=bool)
        self.version, self.fragments = -1, set()

    def refresh(self) -> Bool[np.ndarray, " planned"]:
        dataset = open_lance(self.path)
        if dataset.version != self.version:
            new = [f for f in dataset.get_fragments() if f.fragment_id not in self.fragments]
            if new:
                rows = dataset.scanner(columns=["row"], fragments=new).to_table()["row"].to_numpy()
                self.rows[rows[rows < len(self.rows)]] = True
            self.fragments |= {f.fragment_id for f in new}
            self.version = dataset.version
        return self.rows


class Claims:
    """Who works on which batch: one byte of a file per batch, locked by the process that has it.

    Only saves work (the append decides what is written); the operating system frees the claims of a dead process.
    """

    def __init__(self, path: Path) -> None:
        side(path, "").mkdir(parents=True, exist_ok=True)
        self.file = side(path, "claims").open("a+b")

    def take(self, batch: int) -> bool:
        if fcntl is None:
            return True
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, batch, os.SEEK_SET)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without such locks
            return True
        return True

    def release(self, batch: int) -> None:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, batch, os.SEEK_SET)

    def close(self) -> None:
        self.file.close()


def table_of(cells: list[Cell], features: Float16[Tensor, "n h w d"], schema: pa.Schema) -> pa.Table:
    flat = features.flatten(1).numpy()
    parts = [(flat[i], cell.picture, cell.ids or b"") for i, cell in enumerate(cells)]
    sums = [zlib.crc32(ids, zlib.crc32(picture, zlib.crc32(numbers))) for numbers, picture, ids in parts]
    columns = {name: [getattr(c, name) for c in cells] for name in schema.names if name not in ("features", "checksum")}
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    columns |= {"features": values, "checksum": sums}
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def append(path: Path, present: Present, blocks: list[Done]) -> int:
    """Add the rows that the store does not have yet; returns how many those were."""
    with locked(path), named_faults(path):
        blocks = [block for block in (absent(present.refresh(), *block) for block in blocks) if block[0]]
        if not blocks:
            return 0
        dataset = open_lance(path)
        table = pa.concat_tables(table_of(*block, dataset.schema) for block in blocks)
        fragments = lance.fragment.write_fragments(
            table, dataset, schema=dataset.schema, mode="append", data_storage_version=LANCE_FILE_VERSION
        )
        operation = lance.LanceOperation.Append(fragments)
        dataset = lance.LanceDataset.commit(str(path), operation, read_version=dataset.version)
        update_sums(path, dataset, [features for _, features in blocks])
        if dataset.version % SWEEP_VERSIONS == 0:
            sweep(path)
        return len(table)


def absent(there: Bool[np.ndarray, " planned"], cells: list[Cell], features: Float16[Tensor, "n h w d"]) -> Done:
    new = [i for i, cell in enumerate(cells) if not there[cell.row]]
    return (cells, features) if len(new) == len(cells) else ([cells[i] for i in new], features[new])


def update_sums(path: Path, dataset: lance.LanceDataset, new: list[Float16[Tensor, "_ h w d"]]) -> None:
    """Add the rows just committed to the sums beside the data, where these cover all earlier ones."""
    sums, summed = read_sums(path, new[0].shape[1:])
    now = list(parts(dataset))
    if len(now) == len(summed) + 1 and set(summed) < set(now):
        for features in new:
            sums.add(features)
    else:  # an earlier writer died between its rows and their sums
        sums = sum_up(dataset, sums, summed)
    part = side(path, f"statistics.{os.getpid()}.part")
    part.write_bytes(dump_sums(sums, now))
    part.replace(side(path, "statistics.safetensors"))


def parts(dataset: lance.LanceDataset) -> dict[str, lance.LanceFragment]:
    """Fragments by file and number of rows: deleting rows makes another part of it."""
    return {f"{f.data_files()[0].path} {f.count_rows()}": f for f in dataset.get_fragments()}


def read_sums(path: Path, shape: tuple[int, ...]) -> tuple[FeatureSums, list[str]]:
    """Sums so far and the parts of the data that they cover: none where they were never written."""
    file = side(path, "statistics.safetensors")
    if file.exists():
        return load_sums(str(file))
    h, w, d = shape
    return FeatureSums((h, w, d)), []


def sum_up(dataset: lance.LanceDataset, sums: FeatureSums, summed: list[str]) -> FeatureSums:
    """Sums of a whole data set, reading only the parts that are not in them yet."""
    there = parts(dataset)
    if not set(summed) <= there.keys():  # rewritten by another program: start anew
        sums, summed = FeatureSums(sums.shape), []
    missing = [fragment for name, fragment in there.items() if name not in set(summed)]
    if missing:
        for block in dataset.scanner(columns=["features"], fragments=missing, batch_size=64).to_batches():
            sums.add(torch.from_dlpack(block["features"].flatten()).view(len(block), *sums.shape))
    return sums


class Writer:
    """Gathers rows and appends them from a thread of its own: every `commit_rows`, 128 MiB or 10 seconds.

    settle     turns a batch and its raw features into rows, in that thread too: fetching features from a GPU there
               leaves the GPU at work on the next batch
    on_commit  is told after each append how many rows it added; the claims of the batches in it are released

    What goes wrong in the thread is raised by the next call.
    """

    def __init__(
        self,
        path: Path,
        present: Present,
        claims: Claims,
        commit_rows: int,
        settle: Callable[[Prepared, Tensor], Done],
        on_commit: Callable[[int], None],
    ) -> None:
        self.path, self.present, self.claims, self.commit_rows = path, present, claims, commit_rows
        self.settle, self.on_commit = settle, on_commit
        self.orders: queue.Queue[tuple[Prepared, Tensor] | Literal["flush", "end"]] = queue.Queue(maxsize=2)
        self.error: BaseException | None = None
        self.batches: list[int] = []
        self.held: list[Done] = []
        self.since = time.monotonic()
        self.thread = Thread(target=self.run, name="write", daemon=True)
        self.thread.start()

    def put(self, prepared: Prepared, features: Tensor) -> None:
        self.orders.put((prepared, features))
        self.raise_fault()

    def flush(self) -> None:
        """Return when everything given so far is in the store."""
        self.orders.put("flush")
        self.orders.join()
        self.raise_fault()

    def close(self) -> None:
        """Write what is held, if nothing went wrong in the thread, and end it."""
        self.orders.put("flush")
        self.orders.put("end")
        self.thread.join()

    def raise_fault(self) -> None:
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        while True:
            try:
                order = self.orders.get(timeout=1.0)
            except queue.Empty:
                order = None
            if order == "end":
                return
            try:
                if self.error is None:
                    self.take(order)
            except BaseException as error:
                self.error = error  # later orders are only counted
            if order is not None:
                self.orders.task_done()

    def take(self, order: "tuple[Prepared, Tensor] | Literal['flush', 'end'] | None") -> None:
        if isinstance(order, tuple):
            self.since = self.since if self.held else time.monotonic()
            self.held.append(self.settle(*order))
            self.batches.append(order[0].batch)
        if self.held and (order == "flush" or self.due()):
            self.on_commit(append(self.path, self.present, self.held))
            for batch in self.batches:
                self.claims.release(batch)
            self.batches, self.held = [], []

    def due(self) -> bool:
        rows = sum(len(cells) for cells, _ in self.held)
        size = sum(x.nbytes + sum(len(cell.picture) for cell in cells) for cells, x in self.held)
        return rows >= self.commit_rows or size >= COMMIT_BYTES or time.monotonic() - self.since > COMMIT_SECONDS
