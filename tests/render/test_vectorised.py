"""The llvm variant, in a process of its own (one process has one variant). Skipped where there is no LLVM."""

import json
import subprocess
import sys

import numpy as np
import pytest

from vitreous.render.clips import plan
from vitreous.render.engine import find_llvm
from vitreous.render.settings import Settings

# two scenes twice, with one thread and with two; many shapes have come and gone before the last ids are asked for
SCRIPT = """
import sys
from pathlib import Path

import drjit as dr
import numpy as np

from vitreous.render.clips import plan
from vitreous.render.engine import start
from vitreous.render.picture import Studio
from vitreous.render.settings import Settings

studio = Studio(start("llvm"))
assert studio.mi.variant() == "llvm_ad_rgb"
out = {}
for round, threads in enumerate((1, 2)):
    dr.set_thread_count(threads)
    for index in range(3):
        scene, motion, seeds = plan(Settings(), index)
        picture = studio.take(scene, motion[0], 48, 16, seeds[0])
        for name, values in vars(picture).items():
            out[f"{round} {index} {name}"] = values
np.savez(sys.argv[1], **out)
"""


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    if not find_llvm():
        pytest.skip("no LLVM here")
    path = tmp_path_factory.mktemp("llvm") / "taken.npz"
    ran = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True)
    assert ran.returncode == 0, json.dumps(ran.stderr[-2000:])
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("index", range(3))
def test_pictures_do_not_depend_on_threads(taken, index):
    for name in ("image", "ids", "depth_m"):
        np.testing.assert_array_equal(taken[f"0 {index} {name}"], taken[f"1 {index} {name}"])


@pytest.mark.parametrize("index", range(3))
def test_variants_agree(taken, studio, index):
    scene, motion, seeds = plan(Settings(), index)
    picture = studio.take(scene, motion[0], 48, 16, seeds[0])
    assert (picture.ids == taken[f"1 {index} ids"]).mean() > 0.999
    assert np.nanmedian(np.abs(picture.depth_m - taken[f"1 {index} depth_m"])) < 1e-4
    difference = picture.image.astype(float) - taken[f"1 {index} image"]
    assert np.abs(difference).mean() < 5
    assert abs(difference.mean()) < 1
