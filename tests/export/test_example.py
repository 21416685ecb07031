"""The example beside an exported file, in a Python that cannot import vitreous."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vitreous.export.graph import slot_graph

from .conftest import scenes

EXAMPLE = Path(__file__).parents[2] / "examples" / "07_onnx_without_vitreous.py"
BLOCKED = """
import runpy, sys
for name in ("vitreous", "torch", "transformers"):
    sys.modules[name] = None  # importing it raises ImportError
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_example_needs_no_vitreous(onnx_file, saved, tmp_path):
    picture = scenes(1, seed=9)[0]
    Image.fromarray(picture.numpy()).save(tmp_path / "desk.png")
    words = [sys.executable, "-c", BLOCKED, str(EXAMPLE), str(onnx_file[0]), "desk.png"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        labels = slot_graph(saved).module(picture[None])[0]
    told = [f"slot {n}: {(labels == n).double().mean():6.1%} of the picture" for n in labels.unique().tolist()]
    assert done.stdout.splitlines() == told
    assert np.asarray(Image.open(tmp_path / "objects.png")).shape == (32, 40, 3)
