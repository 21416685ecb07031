"""What all tests share: golden numbers, one thread, no network."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from vitreous.types import Frame

os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch.set_num_threads(1)  # quicker at the size of a test

SHARED = Path(__file__).parents[2] / "shared"


class Golden:
    """One file of golden numbers: `golden("in.features")`, `golden.config`, `golden.params()`."""

    def __init__(self, path: Path) -> None:
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            self.config = json.loads(file.metadata()["config"])

    def __call__(self, name: str) -> torch.Tensor:
        return self.tensors[name]

    def under(self, prefix: str) -> dict[str, torch.Tensor]:
        """All tensors whose name starts with the prefix, without it."""
        return {n.removeprefix(prefix): t for n, t in self.tensors.items() if n.startswith(prefix)}


@pytest.fixture(scope="session")
def golden():
    """Numbers made with the reference implementations; they live beside the checkout, not in it."""

    def load(case: str) -> Golden:
        path = SHARED / "golden" / f"{case}.safetensors"
        if not path.exists():
            pytest.skip(f"golden numbers are not here: {path}")
        return Golden(path)

    return load


@pytest.fixture(scope="session")
def shared_data():
    """Small real inputs beside the checkout; a test that wants them is skipped where they are not."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"real inputs are not here: {SHARED / 'data'}")
    return SHARED / "data"


class ColouredPatches:
    """A frozen backbone whose features are patch colours through a fixed matrix: objects of one colour stand apart."""

    name, patch_size, dim = "coloured_patches", 4, 8

    def __init__(self) -> None:
        self.matrix = torch.randn(3, self.dim, generator=torch.Generator().manual_seed(0))

    def size_for(self, grid):
        return grid[0] * self.patch_size, grid[1] * self.patch_size

    def describe(self):
        about = {"name": self.name, "patch_size": self.patch_size, "dim": self.dim, "digest": "colours"}
        return about | {"layer": 1, "facet": "token", "dtype": "float32"}

    def __call__(self, images):
        x = images.float().unflatten(2, (-1, 4)).unflatten(4, (-1, 4)).mean((3, 5)) / 255
        return x @ self.matrix


class Blobs:
    """A source in memory: a grey floor and three coloured squares per frame, which move by a patch per frame."""

    def __init__(self, clips=12, frames=1, seed=0):
        self.name, self.clips, self.length_of_all, self.seed = f"blobs{seed}", clips, frames, seed
        self.skipped = []

    @property
    def keys(self):
        return [f"clip_{i:02d}" for i in range(self.clips)]

    def length(self, key):
        return self.length_of_all

    def frames(self, key, start=0):
        for index in range(start, self.length_of_all):
            yield self.frame(key, index)

    def frame(self, key, index):
        rng = np.random.default_rng([self.seed, int(key[-2:])])
        image, ids = np.full((32, 32, 3), 120, np.uint8), np.zeros((32, 32), np.int32)
        colours = rng.permutation([(220, 30, 30), (30, 200, 40), (30, 60, 220), (230, 200, 20), (200, 40, 200)])
        corners = [(4, 0), (4, 16), (20, 8)]
        for number, ((top, left), colour) in enumerate(zip(corners, colours, strict=False), start=1):
            top, left = top - 4 * int(rng.integers(0, 2)), left + 4 * (int(rng.integers(0, 2)) + index)
            image[top : top + 12, left : left + 8], ids[top : top + 12, left : left + 8] = colour, number
        return Frame(key, index, image, ids)

    def instances(self, key):
        return [{"id": number, "material": "rubber"} for number in (1, 2, 3)]

    def fingerprint(self):
        return f"{self.name} {self.clips} {self.length_of_all}"


@pytest.fixture(scope="session")
def blobs():
    """The classes behind `blobs_store`: a source and a backbone."""
    return Blobs, ColouredPatches


@pytest.fixture(scope="session")
def blobs_store(tmp_path_factory):
    """Stores of blobs on an 8x8 grid: blobs_store(clips, frames, seed); each is made once."""
    made = {}

    def store(clips=12, frames=1, seed=0):
        from vitreous.features.extract import extract

        if (clips, frames, seed) not in made:
            path = tmp_path_factory.mktemp("stores") / f"blobs{seed}.lance"
            made[clips, frames, seed] = extract(Blobs(clips, frames, seed), path, ColouredPatches(), grid=8)
        return made[clips, frames, seed]

    return store
