"""A small data set in memory and a cheap frozen backbone, with the interfaces of the real ones."""

import hashlib
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.errors import DataError
from vitreous.features.extract import extract
from vitreous.types import Frame


class Scenes:
    """Clips of coloured noise with ids: every frame is drawn from its key and index alone."""

    def __init__(
        self, lengths: dict[str, int], size: tuple[int, int] = (40, 48), bad: tuple[str, ...] = (), slow: float = 0
    ) -> None:
        self.lengths, self.size, self.bad, self.slow = lengths, size, bad, slow
        self.name, self.root, self.skipped = "scenes", None, []
        self.opened: list[tuple[str, int]] = []

    @property
    def keys(self) -> list[str]:
        return list(self.lengths)

    def length(self, key: str) -> int:
        return self.lengths[key]

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        self.opened.append((key, start))
        for index in range(start, self.lengths[key]):
            time.sleep(self.slow)
            if f"{key}/{index}" in self.bad:
                raise DataError(f"{key}/{index}.png is cut off")
            yield self.frame(key, index)

    def frame(self, key: str, index: int) -> Frame:
        seed = int.from_bytes(hashlib.sha256(f"{key}/{index}".encode()).digest()[:8], "big")
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize(self.size[::-1], Image.Resampling.BILINEAR))
        file = BytesIO()
        Image.fromarray(image).save(file, "PNG")
        ids = np.repeat(np.repeat(rng.integers(-1, 9, (5, 6)), 8, 0), 8, 1)[: self.size[0], : self.size[1]]
        ids = np.pad(ids, [(0, self.size[0] - ids.shape[0]), (0, self.size[1] - ids.shape[1])]).astype(np.int32)
        return Frame(key, index, image, ids, file.getvalue())

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        return [{"id": 1, "material": "metal", "clip": key}]

    def fingerprint(self) -> str:
        return hashlib.sha256(repr((self.lengths, self.size)).encode()).hexdigest()


class Averages:
    """Patch means, times a fixed matrix: a backbone whose answer a test can compute by hand."""

    def __init__(self, patch: int = 4, dim: int = 6, scale: float = 1.0, layer: int = 11) -> None:
        self.name, self.patch_size, self.dim, self.layer = "averages", patch, dim, layer
        self.matrix = scale * torch.randn(3, dim, generator=torch.Generator().manual_seed(0))
        self.calls = 0

    def size_for(self, grid: tuple[int, int]) -> tuple[int, int]:
        return grid[0] * self.patch_size, grid[1] * self.patch_size

    def describe(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.matrix.numpy().tobytes()).hexdigest()
        about = {"name": self.name, "patch_size": self.patch_size, "dim": self.dim, "digest": digest}
        return about | {"layer": self.layer, "facet": "token", "dtype": "float32"}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        b, t, y, x, c = images.shape
        p = self.patch_size
        patches = images.float().div(255).view(b, t, y // p, p, x // p, p, c).mean((3, 5))
        return patches @ self.matrix


@pytest.fixture
def scenes() -> type[Scenes]:
    return Scenes


@pytest.fixture
def averages() -> type[Averages]:
    return Averages


@pytest.fixture
def fill(tmp_path) -> Callable[..., Any]:
    """extract() into tmp_path with small defaults."""

    def run(source: Scenes, backbone: Averages | None = None, out: str = "store.lance", **options: Any):
        options = {"grid": 4, "batch_size": 4, "progress": False, "workers": 2} | options
        return extract(source, tmp_path / out, backbone or Averages(), **options)

    return run


@pytest.fixture
def mixed() -> Scenes:
    """Two videos and three pictures: 12 frames."""
    return Scenes({"a": 5, "b": 1, "c": 1, "d": 4, "e": 1})
