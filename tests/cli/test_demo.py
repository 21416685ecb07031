"""The main job through the command line, as a newcomer runs it; short, so that it can run on every save."""

import json

import numpy as np
from PIL import Image

from vitreous.cli.main import main
from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS


def test_the_embedded_scenes_are_whole_and_apart():
    train, test = open_source(MINI, split="train"), open_source(MINI, split="test")
    assert (len(train.keys), len(test.keys)) == (150, 51)
    frames = [next(iter(s.frames(s.keys[0]))) for s in (train, test)]
    assert frames[0].image.shape == frames[1].image.shape == (128, 128, 3)
    assert (frames[0].image != frames[1].image).any()
    objects = test.instances(test.keys[0])
    assert objects is not None
    assert {o["material"] for o in objects} <= {"metal", "rubber"}
    assert frames[1].ids is not None
    assert set(np.unique(frames[1].ids)) <= {0, *(o["id"] for o in objects)}


def test_the_embedded_data_hold_every_material_and_clips_and_fit_into_the_package():
    for root, split, per_material in ((MINI, "train", 50), (MINI, "test", 17), (MINI_CLIPS, "train", 2)):
        source = open_source(root, split=split)
        kinds = [source.about(key)["material"] for key in source.keys]
        assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(("metal", "rubber", "mixed"), per_material)
        for key, kind in zip(source.keys, kinds, strict=True):
            assert kind == "mixed" or {o["material"] for o in source.instances(key)} == {kind}
    clips = open_source(MINI_CLIPS)
    assert [clips.length(key) for key in clips.keys] == [24] * 9
    assert sum(path.stat().st_size for path in MINI.rglob("*") if path.is_file()) <= 8e6


def test_demo_then_the_same_commands_on_pictures_of_ones_own(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo"), "--steps", "30"]) == 0
    shown = capsys.readouterr().out
    assert "51 scenes that were never trained on" in shown
    for row in ("dinosaur (11 slots)", "k-means", "superpixels", "ceiling"):
        assert row in shown
    run = next((tmp_path / "demo").glob("run*"))
    for name in ("recipe.yaml", "model.safetensors", "log.csv", "scores.json", "result.png", "training_history.png"):
        assert (run / name).stat().st_size > 0
    scores = json.loads((run / "scores.json").read_text())["rows"]
    assert scores["dinosaur (11 slots)"]["fg_ari"]["mean"] > 0.6  # thirty steps from the warm start are enough for that

    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (90, 150, 3), dtype=np.uint8)).save(
            photos / f"{i}.png"
        )
    assert main(["segment", str(run), str(photos), "--out", str(tmp_path / "masks")]) == 0
    labels = Image.open(tmp_path / "masks" / "labels" / "0.png")
    assert labels.mode == "P"
    assert labels.size == (150, 90)  # all of the picture
    assert main(["extract", str(photos), "--out", str(tmp_path / "own.lance")]) == 0
    assert main(["inspect", str(tmp_path / "own.lance")]) == 0
    capsys.readouterr()
    assert main(["score", str(run), str(tmp_path / "own.lance")]) == 1
    assert "no truth to score against" in capsys.readouterr().err
