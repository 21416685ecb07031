"""How fast a feature store gives random batches of 64 pictures of 256 patches x 384 numbers (float16).

    python benchmarks/store.py                    the store as it is, beside other ways to read the same rows
    python benchmarks/store.py --versions         formats of Lance files, and rows asked for out of order

Prints CSV. The ways take turns, so that what else the machine does falls on all of them; the best of the turns counts.
All is read from the page cache: a disk slower than that is the limit where the data set exceeds the memory.
"""

import argparse
import hashlib
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from vitreous.features.extract import extract
from vitreous.features.format import LANCE_FILE_VERSION
from vitreous.features.store import FeatureStore
from vitreous.types import Frame

GRID, DIM, BATCH, TURNS, BATCHES = 16, 384, 64, 8, 15


class Noise:
    """Pictures of 64 x 64 pixels."""

    name, path = "noise", None

    def __init__(self, rows: int) -> None:
        self.keys = [f"{i:06d}" for i in range(rows)]
        self.image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        file = BytesIO()
        Image.fromarray(self.image).save(file, "JPEG")
        self.encoded = file.getvalue()

    def length(self, key: str) -> int:
        return 1

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        yield Frame(key, 0, self.image, None, self.encoded)

    def instances(self, key: str) -> None:
        return None

    def fingerprint(self) -> str:
        return hashlib.sha256(str(len(self.keys)).encode()).hexdigest()


class Random:
    """Features that cost nothing and differ from row to row."""

    name, patch_size, dim = "random", 4, DIM

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "dim": DIM, "patch_size": 4, "digest": "none"}

    def size_for(self, grid: tuple[int, int]) -> tuple[int, int]:
        return grid[0] * 4, grid[1] * 4

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(images), 1, GRID, GRID, DIM)


def gigabytes_per_second(ways: dict[str, Callable[[np.ndarray], Any]], rows: int) -> dict[str, float]:
    random, best = np.random.default_rng(0), dict.fromkeys(ways, 0.0)
    for _ in range(TURNS):
        for name, read in ways.items():
            wanted = [random.choice(rows, BATCH, replace=False) for _ in range(BATCHES)]
            began = time.perf_counter()
            for batch in wanted:
                read(batch)
            size = BATCHES * BATCH * GRID * GRID * DIM * 2
            best[name] = max(best[name], size / (time.perf_counter() - began) / 1e9)
    return best


def as_memmap(store: FeatureStore, path: Path) -> np.memmap:
    """The same numbers in one flat file: as fast as it gets."""
    flat = np.memmap(path, np.float16, "w+", shape=(len(store), GRID * GRID * DIM))
    for start in range(0, len(store), 256):
        rows = range(start, min(start + 256, len(store)))
        flat[start : rows.stop] = store.batch(rows).flatten(1).numpy()
    flat.flush()
    return flat


def ways_to_read(store: FeatureStore, folder: Path) -> dict[str, Callable[[np.ndarray], Any]]:
    flat = as_memmap(store, folder / "flat.bin")
    loader = iter(store.loader(BATCH, pin=False).batches())
    pinned = FeatureStore(store.path)
    pinned.pin()
    return {
        "store.batch": store.batch,
        "the same through Lance alone": lambda rows: store.take(rows, ["features"]),
        "store.batch, pinned in memory": pinned.batch,
        "loader: read ahead, float32, standardised": lambda rows: next(loader),
        "flat memmap": lambda rows: flat[rows],
    }


def versions(store: FeatureStore, folder: Path) -> dict[str, Callable[[np.ndarray], Any]]:
    def reader(version: str, *, in_order: bool) -> Callable[[np.ndarray], Any]:
        path = folder / f"{version}.lance"
        if not path.exists():
            for start in range(0, len(store), 512):
                rows = np.arange(start, min(start + 512, len(store)))
                values = pa.array(store.batch(rows).flatten().numpy())
                table = pa.table({"features": pa.FixedSizeListArray.from_arrays(values, GRID * GRID * DIM)})
                mode = "append" if start else "create"
                lance.write_dataset(table, str(path), mode=mode, data_storage_version=version)
        dataset = lance.dataset(str(path))

        def read(rows: np.ndarray) -> np.ndarray:
            asked = np.sort(rows) if in_order else rows
            return dataset.take(asked.tolist(), columns=["features"])["features"].chunk(0).flatten().to_numpy()

        return read

    names = [(version, in_order) for version in ("2.0", "2.1", "2.2") for in_order in (True, False)]
    return {f"Lance {v}, rows {'rising' if o else 'in any order'}": reader(v, in_order=o) for v, o in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--versions", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = extract(Noise(options.rows), Path(name) / "store.lance", Random(), grid=GRID, batch_size=BATCH)
        ways = versions(store, Path(name)) if options.versions else ways_to_read(store, Path(name))
        print("way,GB/s,of flat memmap,rows,batch,patches,width,lance,file format,torch threads,machine")
        found = gigabytes_per_second(ways, options.rows)
        whole = found.get("flat memmap", float("nan"))
        settings = f"{options.rows},{BATCH},{GRID * GRID},{DIM},{lance.__version__},{LANCE_FILE_VERSION}"
        for way, speed in found.items():
            where = f"{torch.get_num_threads()},{platform.machine()}"
            print(f'"{way}",{speed:.2f},{speed / whole:.2f},{settings},{where}')


if __name__ == "__main__":
    main()
