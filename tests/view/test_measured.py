"""A regression run in the viewer: numbers, and a map that lies on the picture and means the number."""

import json
from dataclasses import asdict
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from vitreous.backbones import load_backbone
from vitreous.features.standardise import Standardiser
from vitreous.regress import heads_class
from vitreous.regress.ensemble import Ensemble
from vitreous.regress.run import Recipe, RegressionRun
from vitreous.regress.scaling import Scaling
from vitreous.view.export import pack
from vitreous.view.measured import Measured, measure
from vitreous.view.offer import is_regression, offer
from vitreous.view.screen import Held, Wishes, screen
from vitreous.view.viewer import Viewer


@pytest.fixture
def made(tmp_path):
    """An untrained run of two numbers: made("patch")."""

    def make(head):
        backbone = load_backbone("glass_tiny", device="cpu")
        targets, members = ["clover", "grass"], ["one", "two"]
        config = heads_class(head).Config()
        still = Standardiser("none")
        unit = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
        recipe = Recipe(
            targets, [0.5, 0.5], head, asdict(config), False, members, {"scaling": "mean"}, {}, [], "none",
            ["identity", "hflip"], [8, 8], "squash", 256, backbone.dim, backbone.describe(), "none", {}, {},
        )  # fmt: skip
        ensemble = Ensemble.make(head, config, backbone.dim, members, targets, Scaling("mean", unit), still)
        ensemble.heads.start_at(torch.full((4, 1), 0.7))
        RegressionRun(tmp_path / head, recipe, ensemble, torch.eye(2)).save()
        return tmp_path / head

    return make


def test_a_map_lies_on_the_picture_and_its_mean_is_the_number(made, viewer, brought, tmp_path):
    run, pictures = made("patch"), viewer.upload(brought / "desk.png")
    assert is_regression(run)
    seen = Viewer(offer(run), tmp_path).look("patch", pictures)
    assert isinstance(seen, Measured)
    assert seen.map.values.shape == (2, 8, 8)
    assert [number for _, number, _ in seen.numbers()] == pytest.approx(seen.map.values.mean((1, 2)), rel=1e-6)
    held = Held(pictures, seen)
    one, other = (screen(held, Wishes(target=target)) for target in ("clover", "grass"))
    assert other.caption == "desk.png: grass"
    assert not np.array_equal(one.picture, other.picture)
    assert all(name in one.cards for name in ("clover", "grass"))
    with ZipFile(pack(held, Wishes(target="grass"), tmp_path)) as file:
        assert [line["name"] for line in json.loads(file.read("numbers.json"))["numbers"]] == ["clover", "grass"]
        assert set(file.namelist()) == {"picture.png", "overlay.png", "numbers.json"}


def test_heads_without_a_map_say_so_and_give_numbers(made, viewer, brought, tmp_path):
    seen = measure(made("pooled"), viewer.upload(brought / "desk.png"), tmp_path)
    assert seen.map is None
    assert any("no patch gives anything of its own" in note for note in seen.notes)
    assert len(seen.numbers()) == 2
    assert list(tmp_path.glob("tmp*")) == []


def test_of_a_clip_the_first_frame_is_measured(made, viewer, brought, tmp_path):
    seen = measure(made("patch"), viewer.upload(brought / "moving.gif"), tmp_path)
    assert "only the first frame was measured" in seen.notes[-1]
