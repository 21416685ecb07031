"""The recipe that makes the embedded backbone, run small."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vitreous.backbones import load_backbone
from vitreous.data.mini import MINI

PATH = Path(__file__).parents[2] / "recipes" / "glass_tiny.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("recipe_glass_tiny", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # the workers that cut superpixels look it up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures" / "train"
    folder.mkdir(parents=True)
    for clip in sorted(MINI.glob("train/clip_*"))[:4]:
        (folder / clip.name).symlink_to(clip)
    return folder.parent


@pytest.fixture
def small(recipe):
    return recipe.Settings(width=24, layers=1, heads=3, batch=3, view=32, strangers=4)


def test_interrupted_and_resumed_is_uninterrupted(recipe, pictures, small, tmp_path, monkeypatch):
    recipe.train(pictures, tmp_path / "whole", 6, small, save_every=2)
    loss = recipe.step_loss

    def fails(*args):
        if args[-1] == 4:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(recipe, "step_loss", fails)
    with pytest.raises(KeyboardInterrupt):
        recipe.train(pictures, tmp_path / "parts", 6, small, save_every=2)
    monkeypatch.setattr(recipe, "step_loss", loss)
    recipe.train(pictures, tmp_path / "parts", 6, small, save_every=2)
    whole, parts = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_what_it_writes_loads_as_any_backbone(recipe, pictures, small, tmp_path):
    recipe.train(pictures, tmp_path / "out", 1, small)
    backbone = load_backbone(str(tmp_path / "out" / "model"))
    assert (backbone.dim, backbone.patch_size, backbone.mean) == (24, 8, recipe.MEAN)
    assert (tmp_path / "out" / "log.csv").exists()


def test_the_loss_is_small_where_patches_know_their_superpixel(recipe, small):
    owns = torch.zeros(2, 8, 2)
    owns[:, :4, 0] = owns[:, 4:, 1] = 1
    knows = torch.zeros(2, 8, 4)
    knows[0, :4, 0] = knows[0, 4:, 1] = knows[1, :4, 2] = knows[1, 4:, 3] = 1

    def loss(f, g):
        return recipe.contrast(f, g, owns, small, torch.Generator().manual_seed(0))

    assert loss(knows, knows) < 0.5 * loss(torch.ones(2, 8, 4), torch.ones(2, 8, 4))
    assert loss(knows, knows.roll(4, dims=1)) > loss(torch.ones(2, 8, 4), torch.ones(2, 8, 4))


def test_superpixels_own_whole_patches(recipe):
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[:, :, 10:] = 1  # six of eight columns of the right-hand patches
    labels[:, 8:, :8] = recipe.LARGEST  # left out
    owns = recipe.owners(labels, 8)[0]
    assert owns.shape == (4, recipe.LARGEST)
    assert owns.sum(1).tolist() == [1, 1, 0, 1]
    assert owns.argmax(1)[[0, 1, 3]].tolist() == [0, 1, 1]


def test_windows_lie_in_the_picture_and_every_second_is_flipped(recipe):
    window = recipe.windows(500, torch.Generator().manual_seed(0))
    assert window.shape == (500, 2, 3)
    assert 0.4 < (window[:, 0, 0] < 0).float().mean() < 0.6
    size = window[:, :, :2].det().abs()
    assert 0.2 < size.min() < size.max() <= 1


def test_the_largest_superpixels_come_first(recipe):
    labels = torch.tensor([[3, 3, 3, 1], [5, 5, 3, 1]]).numpy()
    assert recipe.by_area(labels).tolist() == [[0, 0, 0, 1], [2, 2, 0, 1]]


def test_no_pictures_is_said_by_name(recipe, tmp_path):
    with pytest.raises(SystemExit, match="No rendered pictures"):
        recipe.train(tmp_path, tmp_path / "out")
