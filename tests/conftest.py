"""What all tests share: golden numbers, one thread, no network."""

import json
import os
from pathlib import Path

import pytest
import torch

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
