"""vitreous train: options that follow the method, presets, config files, and what a run folder holds."""

import os
import subprocess
import sys
from importlib.util import find_spec
from inspect import signature

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from torch.testing import assert_close

from vitreous.cli.main import main
from vitreous.cli.train import COMMON, train
from vitreous.methods import METHODS, method_class
from vitreous.runs import read_recipe, settings
from vitreous.train.history import read_history
from vitreous.train.presets import PRESETS

SHORT = ["--steps", "4", "--batch-size", "4", "--device", "cpu", "--precision", "32-true"]
SMALL = ["--slots", "4", "--slot-dim", "16", "--decoder-width", "16"]


def run(capsys, *arguments):
    status = main(["train", *map(str, arguments)])
    return status, *capsys.readouterr()


def shown(capsys, *arguments):
    with pytest.raises(SystemExit):
        main(["train", *map(str, arguments)])
    return capsys.readouterr().out


def test_help_offers_what_a_training_is_made_of(capsys):
    text = shown(capsys, "--help")
    names = (
        "method store slots slot-dim iterations mask-temperature diversity batch-size lr epochs steps frames seed loss "
        "standardise online backbone config print-config preset validate ema devices num-nodes compile log"
    )
    for name in names.split():
        assert f"--{name} " in text or f"  {name} " in text


@pytest.mark.parametrize("method", METHODS)
def test_help_on_a_method_shows_its_own_settings(capsys, method):
    text = shown(capsys, "--method", method, "--help")
    config = method_class(method).Config()
    for name, value in vars(config).items():
        assert f"--{name.replace('_', '-')} " in text
        assert f"default: {'null' if value is None else value}" in " ".join(text.split())


@pytest.mark.parametrize("method", METHODS)
def test_no_setting_of_a_method_is_called_like_one_of_the_training(method):
    own = set(vars(method_class(method).Config()))
    assert not own & (set(signature(train).parameters) - set(COMMON))


def test_a_run_and_all_it_shows(blobs_store, tmp_path, capsys):
    status, said, _ = run(capsys, blobs_store().path, "--out", tmp_path / "run", *SHORT, *SMALL, "--validate", "0.25")
    assert status == 0
    assert f"vitreous score {tmp_path / 'run'}" in said
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "recipe.yaml",
        "model.safetensors",
        "last.safetensors",
        "log.csv",
        "held_out.csv",
        "training_history.png",
        "result.png",
    }
    with Image.open(tmp_path / "run" / "result.png") as sheet:
        assert sheet.height == 22 + 8 * 198 + 6  # a row for each of eight clips
    assert read_recipe(tmp_path / "run").training["validate"] == "0.25"


def test_a_printed_config_gives_the_same_run(blobs_store, tmp_path, capsys):
    asked = [*SHORT, *SMALL, "--diversity-weight", "0.3", "--method", "savi_dinosaur", "--seed", "5", "--merge", "0.2"]
    printed = shown(capsys, "--store", blobs_store().path, *asked, "--print-config")
    (tmp_path / "again.yaml").write_text(printed)
    assert run(capsys, blobs_store().path, *asked, "--out", tmp_path / "a")[0] == 0
    assert run(capsys, "--config", tmp_path / "again.yaml", "--out", tmp_path / "b")[0] == 0
    assert read_recipe(tmp_path / "a") == read_recipe(tmp_path / "b")
    assert read_recipe(tmp_path / "a").config["diversity"] == 0.3
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    for name, value in one.items():
        assert_close(other[name], value, atol=0, rtol=0)


def test_what_a_method_does_not_have_is_refused_with_a_hint(blobs_store, tmp_path, capsys):
    status, _, said = run(capsys, blobs_store().path, "--mask-temperatur", "0.5", "--method", "savi_dinosaur")
    assert status == 1
    assert 'savi_dinosaur has no setting "mask_temperatur". Did you mean "mask_temperature"?' in said
    assert 'dinosaur has no setting "refresh"' in run(capsys, blobs_store().path, "--refresh", "3")[2]
    (tmp_path / "bad.yaml").write_text("slotz: 3\n")
    status, _, said = run(capsys, blobs_store().path, "--config", tmp_path / "bad.yaml")
    assert 'has no setting "slotz". Did you mean "slots"?' in said
    assert 'No method "dinosuar". Did you mean "dinosaur"?' in run(capsys, "x", "--method", "dinosuar")[2]
    assert "here they need --online" in run(capsys, blobs_store().path, "--backbone", "glass_tiny")[2]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings_that_exist_and_can_be_changed(name, capsys):
    values = yaml.safe_load(shown(capsys, "x.lance", "--preset", name, "--slots", "5", "--print-config"))
    for key, value in PRESETS[name].settings.items():
        assert values[key] == (5 if key == "slots" else value)
    own = vars(method_class(values["method"]).Config())
    settings(values["method"], {key: values[key] for key in own})
    assert not set(PRESETS[name].settings) - set(signature(train).parameters) - set(own)


def test_presets_are_listed_and_misspelt_ones_get_a_hint(capsys):
    status, said, _ = run(capsys, "--preset", "list")
    assert status == 0
    assert "dinosaur/coco\n    Seitzer et al. 2023" in said
    assert "--batch-size 2 --lr 0.0004" in said
    assert 'Did you mean "dinosaur/coco"?' in run(capsys, "x", "--preset", "dinosaur/cocoa")[2]
    assert "is a preset of dinosaur" in run(capsys, "x", "--preset", "dinosaur/coco", "--method", "savi_dinosaur")[2]


def test_a_preset_trains(blobs_store, tmp_path, capsys):
    small = ["--decoder-width", "16", "--epochs", "2", "--slots", "4", "--device", "cpu"]
    assert run(capsys, blobs_store().path, "--preset", "savi_dinosaur/movi_a", *small, "--out", tmp_path)[0] == 0
    training = read_recipe(tmp_path).training
    assert (training["steps"], training["batch_size"], training["lr"]) == (12, 2, 4e-4)


def test_steps_count_before_epochs(blobs_store, tmp_path, capsys):
    assert run(capsys, blobs_store().path, "--epochs", "50", *SHORT, *SMALL, "--out", tmp_path)[0] == 0
    assert len(read_history(tmp_path)["step"]) == 4


def test_pictures_are_enough(tmp_path, capsys):
    """--online: the backbone inside the training; the run is as good as one from a store."""
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    online = [tmp_path / "photos", "--online", "--grid", "6", *SHORT, *SMALL, "--validate"]
    status, _, said = run(capsys, *online, "0.2", "--out", tmp_path / "share")
    assert status == 1
    assert "with --online, name a store of other pictures" in said
    for out in ("run", "same"):
        assert run(capsys, *online[:-1], "--out", tmp_path / out)[0] == 0
    assert (tmp_path / "run" / "result.png").is_file()
    assert read_history(tmp_path / "run") == read_history(tmp_path / "same")
    photo, masks = tmp_path / "photos" / "0.png", tmp_path / "masks"
    assert main(["segment", str(tmp_path / "run"), str(photo), "--out", str(masks)]) == 0
    assert main(["extract", str(tmp_path / "photos"), "--grid", "6", "--out", str(tmp_path / "all.lance")]) == 0
    capsys.readouterr()
    assert main(["score", str(tmp_path / "run"), str(tmp_path / "all.lance")]) == 1
    assert "was trained on" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs the extra logging")
def test_tensorboard_is_logged_to_when_asked(blobs_store, tmp_path, capsys):
    assert run(capsys, blobs_store().path, *SHORT, *SMALL, "--log", "tensorboard", "--out", tmp_path)[0] == 0
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert len(read_history(tmp_path)["loss"]) == 4


@pytest.mark.skipif(find_spec("wandb") is not None, reason="wandb is here")
def test_a_logger_that_is_not_installed_is_named(blobs_store, tmp_path, capsys):
    status, _, said = run(capsys, blobs_store().path, *SHORT, "--log", "wandb", "--out", tmp_path / "run")
    assert status == 1
    assert "pip install wandb" in said


def in_a_process(*arguments):
    line = [sys.executable, "-m", "vitreous.cli.main", "train", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=400, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_train_as_one(blobs_store, tmp_path):
    """Starts that are drawn differ between the processes, so curves agree as those of two seeds do, not to the bit."""
    store = blobs_store().path
    asked = [store, *SMALL, "--steps", "60", "--batch-size", "4", "--lr", "2e-3", "--precision", "32-true"]
    one = in_a_process(*asked, "--device", "cpu", "--out", tmp_path / "one")
    two = in_a_process(*asked, "--device", "cpu", "--devices", "2", "--validate", "0.25", "--out", tmp_path / "held")
    both = in_a_process(*asked, "--device", "cpu", "--devices", "2", "--out", tmp_path / "two")
    assert one.count("Score it") == two.count("Score it") == both.count("Score it") == 1
    curves = [torch.tensor(read_history(tmp_path / name)["loss"]) for name in ("one", "two")]
    assert len(curves[0]) == len(curves[1]) == 60
    assert_close(curves[1], curves[0], rtol=0.15, atol=0)
    assert_close(curves[1].mean(), curves[0].mean(), rtol=0.03, atol=0)
    assert (tmp_path / "held" / "last.safetensors").is_file()


@pytest.mark.slow
def test_a_compiled_method_learns_the_same(blobs_store, tmp_path):
    asked = [blobs_store().path, *SMALL, *SHORT, "--seed", "2"]
    in_a_process(*asked, "--out", tmp_path / "plain")
    in_a_process(*asked, "--compile", "--out", tmp_path / "compiled")
    curves = [torch.tensor(read_history(tmp_path / name)["loss"]) for name in ("plain", "compiled")]
    assert_close(curves[1], curves[0], rtol=1e-4, atol=0)
