"""Every example runs as it stands, offline, and leaves what it speaks of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .snippets import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
ELSEWHERE = "07"  # needs a file of vitreous export: tests/export/test_example.py
LEAVES = {  # what to look at afterwards
    "01": ["segments.png", "masks/labels", "masks/overlays", "masks/coco.json"],
    "02": ["found.png", "run/model.safetensors", "run/training_history.png"],
    "03": ["page/index.html", "runs/slots_11_1/scores.json"],
    "04": ["film/overlays/picture_0.gif"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shared, so that stores are made once."""
    return tmp_path_factory.mktemp("examples")


def test_examples_are_numbered_one_by_one():
    assert [int(path.name[:2]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_says_what_it_shows_and_how_to_run_it(path: Path):
    head = path.read_text().split('"""')[1]
    assert f"python examples/{path.name}" in head
    compile(path.read_text(), str(path), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.name[:2] != ELSEWHERE], ids=lambda path: path.stem)
def test_runs(path: Path, folder: Path):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(path)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    for name in LEAVES.get(path.name[:2], []):
        assert (folder / name).exists(), f"{path.name}: no {name}"
    if path.name.startswith("05"):
        score = done.stdout.partition("test pictures: ")[2].split()[0]
        assert float(score) > 0.3  # the mean of all would be 0
