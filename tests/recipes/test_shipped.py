"""The command that puts a run into the package."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitreous.errors import RunError
from vitreous.runs import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe(monkeypatch):
    spec = importlib.util.spec_from_file_location("recipe_of_shipped", ROOT / "recipes/shipped.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "fg_ari", lambda run, stills, refine: 0.5 if stills else 0.25)
    return module


def test_a_slim_copy_is_the_run(recipe, tmp_path, capsys):
    recipe.ship("clip", Path("clip"), tmp_path)
    assert sorted(path.name for path in (tmp_path / "clip").iterdir()) == ["model.safetensors", "recipe.yaml"]
    old, new = Run.load("clip"), Run.load(tmp_path / "clip")
    assert new.recipe == old.recipe
    for name, weight in old.method.state_dict().items():
        assert torch.equal(weight, new.method.state_dict()[name])
    for name, value in old.statistics.items():
        assert torch.equal(value, new.statistics[name])
    assert f"{old.recipe.method}, grid {old.recipe.grid}; all shipped runs: " in capsys.readouterr().out


def test_what_would_not_run_offline_is_refused(recipe, tmp_path):
    run = Run.load("clip")
    about = run.recipe.backbone | {"name": "dinov2_vits14"}
    replace(run, folder=tmp_path / "big", recipe=replace(run.recipe, backbone=about)).save()
    with pytest.raises(RunError, match="sees through dinov2_vits14, which the package does not carry"):
        recipe.ship("still", tmp_path / "big", tmp_path / "home")


def test_too_much_is_refused(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "MOST_BYTES", 10_000)
    with pytest.raises(RunError, match=r"Shipped runs are .* MB together"):
        recipe.ship("clip", Path("clip"), tmp_path)
