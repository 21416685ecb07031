"""vitreous backbones list, check, stats."""

import json

import numpy as np
import pytest
from PIL import Image

from vitreous.backbones import PRESETS, load_backbone
from vitreous.cli.main import main


@pytest.fixture
def run(capsys):
    def lines(*arguments):
        status = main(["backbones", *map(str, arguments)])
        return status, capsys.readouterr()

    return lines


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def holiday(tmp_path):
    """Five pictures of different shapes."""
    draw = np.random.default_rng(0)
    for i in range(5):
        pixels = draw.integers(0, 256, (30 + 7 * i, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tmp_path


def test_list_names_every_preset(run, no_cache):
    status, shown = run("list")
    assert status == 0
    assert all(f"{name} " in shown.out for name in PRESETS)
    _, shown = run("list", "--json")
    rows = json.loads(shown.out)
    assert [row["name"] for row in rows] == list(PRESETS)
    assert [row["here"] for row in rows if row["hub_id"] != "in this package"] == [False] * (len(rows) - 1)


def test_check_proves_the_order_and_prints_what_it_is(run, built):
    folder = built("dinov2_reg").folder
    status, shown = run("check", folder, "--grid", "4", "--json")
    assert status == 0
    about = json.loads(shown.out)
    assert load_backbone(str(folder)).describe().items() <= about.items()
    assert about["patch_order"] == "proven on grids 4x4 and 4x6"
    assert about["ms_per_picture"] > 0
    status, shown = run("check", folder, "--grid", "4x6", "--layer", "1", "--facet", "key")
    assert status == 0
    assert "timed on        32x48 px, grid 4x6" in shown.out
    assert "facet           key" in shown.out


def test_check_of_what_is_not_here_prints_the_message_alone(run, no_cache):
    status, shown = run("check", "dinov2_vits14")
    assert (status, shown.out) == (1, "")
    assert shown.err.startswith("vitreous backbones: dinov2_vits14 is not on this machine")
    assert "Traceback" not in shown.err


def test_stats_of_a_folder(run, built, holiday):
    folder = built("dinov2").folder
    status, shown = run("stats", folder, holiday, "--grid", "2x3", "--batch-size", "2", "--json")
    assert status == 0
    numbers = json.loads(shown.out)
    assert (numbers["pictures"], numbers["grid"], numbers["dim"]) == (5, [2, 3], 32)
    assert 0 < numbers["position_share"] < 1
    _, shown = run("stats", folder, holiday, "--pictures", "3", "--grid", "2")
    assert "pictures        3" in shown.out
    assert "of the variance" in shown.out
