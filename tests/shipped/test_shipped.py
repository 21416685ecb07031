"""Runs inside the package are found by name, are small, and find the objects of the embedded scenes."""

import shutil

import numpy as np
import pytest
import torch

from vitreous import shipped
from vitreous.cli.main import main
from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.errors import RunError
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.predict.segment import Segmenter
from vitreous.runs import Run


def fg_ari(found, frames, segmenter):
    pred = torch.stack([one.found.labels[0] for one in found])
    true = torch.from_numpy(np.stack([segmenter.preprocess(frame).ids for frame in frames]).astype(np.int64))
    return adjusted_rand_index(pred.flatten(1), true.flatten(1), ignore=0).mean().item()


def test_names_and_size():
    assert shipped.names() == ["clip", "still"]
    files = [path for path in shipped.HERE.rglob("*") if path.suffix in (".yaml", ".safetensors")]
    assert len(files) == 4
    assert sum(path.stat().st_size for path in files) < 8_000_000


def test_still_finds_the_objects_of_embedded_scenes():
    segmenter, source = Segmenter("still", device="cpu"), open_source(MINI, split="test")
    frames = [frame for key in source.keys[::13] for frame in source.frames(key)]
    assert fg_ari(segmenter.stills(frames), frames, segmenter) > 0.75


def test_clip_follows_the_objects_of_an_embedded_clip():
    segmenter, source = Segmenter("clip", device="cpu"), open_source(MINI_CLIPS, split="test")
    frames = list(source.frames(source.keys[0]))
    assert fg_ari(list(segmenter.video(frames)), frames, segmenter) > 0.6


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Run.load("clip").folder == shipped.HERE / "clip"
    shutil.copytree(shipped.HERE / "still", "clip")
    assert Run.load("clip").recipe == Run.load("still").recipe
    assert str(Run.load("clip").folder) == "clip"


def test_a_path_is_not_a_name(tmp_path):
    with pytest.raises(RunError, match="No finished run in") as error:
        Run.load(tmp_path / "still")
    assert "come with the package" not in str(error.value)


@pytest.mark.parametrize(("given", "guess"), [("stil", 'Did you mean "still"?'), ("unlike", "clip, still.")])
def test_the_error_tells_the_names(given, guess):
    with pytest.raises(RunError) as error:
        Run.load(given)
    assert "Runs that come with the package: clip, still." in str(error.value)
    assert str(error.value).endswith(guess)


def test_scores_do_not_go_into_the_package(blobs_store, capsys):
    assert main(["score", "still", str(blobs_store().path)]) == 1
    assert "Score a copy of it:  cp -r" in capsys.readouterr().err
    assert not (shipped.HERE / "still" / "scores.json").exists()


def test_inspect_tells_of_a_shipped_run(capsys):
    assert main(["inspect", "clip"]) == 0
    assert f"method: {Run.load('clip').recipe.method}" in capsys.readouterr().out
