import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.data.mini import MINI
from vitreous.errors import BackboneError, FeatureMismatch, RunError, VitreousError
from vitreous.features.extract import extract
from vitreous.features.store import FeatureStore
from vitreous.sweep.plan import Plan
from vitreous.sweep.stores import Few, SharedStore, Stores

PLAN = Plan({"seed": [1, 2]}, {})


def test_given_stores_are_checked_and_named(pair, tmp_path):
    stores = Stores(*pair, tmp_path)
    told = stores.check(PLAN)
    assert told["train"].startswith("blobs0 12 1: coloured_patches (8x8 patches of 8 numbers, fit crop")
    assert told["test"].startswith("blobs1 6 1: coloured_patches (8x8 patches of 8 numbers, fit crop")
    assert stores.pair({"seed": 1}) == {"train": str(pair[0]), "test": str(pair[1])}
    assert list(tmp_path.iterdir()) == []


def test_data_that_no_trial_could_use_are_refused(pair, blobs, blobs_store, tmp_path):
    train, test = pair
    with pytest.raises(RunError, match="the same data"):
        Stores(train, train, tmp_path).check(PLAN)
    with pytest.raises(RunError, match="is a feature store and .* is not"):
        Stores(train, MINI / "test", tmp_path)
    with pytest.raises(RunError, match='No metric "fgari".*Did you mean "fg_ari"'):
        Stores(train, test, tmp_path).check(Plan(PLAN.axes, {}, objective="fgari"))
    with pytest.raises(RunError, match="video_mbo is of clips"):
        Stores(train, test, tmp_path).check(Plan(PLAN.axes, {}, objective="video_mbo"))
    Stores(train, blobs_store(frames=3).path, tmp_path).check(Plan(PLAN.axes, {}, objective="video_mbo"))
    with pytest.raises(RunError, match="backbone, grid decided on the features when .* was extracted"):
        Stores(train, test, tmp_path).check(Plan({"grid": ["4", "8"]}, {"backbone": "glass_tiny"}))
    source, backbone = blobs
    other = extract(source(6, 1, 1), tmp_path / "other.lance", backbone(), grid=4, progress=False)
    with pytest.raises(FeatureMismatch, match="(?s)8x8 patches.*4x4 patches.*one backbone on one grid"):
        Stores(train, other.path, tmp_path).check(PLAN)
    for i in range(2):
        Image.fromarray(np.full((40, 40, 3), 50 * i, np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(RunError, match="holds no ids"):
        Stores(MINI / "train", tmp_path, tmp_path / "out").check(PLAN)


def test_backbones_grids_and_views_are_checked_before_anything_is_made(tmp_path):
    stores = Stores(MINI / "train", MINI / "test", tmp_path)
    with pytest.raises(BackboneError, match='Did you mean "dinov2_vits14"'):
        stores.check(Plan({"backbone": ["glass_tiny", "dinov2_vits41"]}, {}))
    with pytest.raises(VitreousError, match='grid "4xx" is not a number of patches'):
        stores.check(Plan({"grid": ["4", "4xx"]}, {}))
    with pytest.raises(VitreousError, match='No view "hflop"'):
        stores.check(Plan({"seed": [1, 2]}, {"views": "identity hflop"}))
    assert list(tmp_path.iterdir()) == []


def test_stores_are_made_once_for_all_trials_that_share_them(tmp_path):
    stores = Stores(MINI / "train", MINI / "test", tmp_path, debug=True)
    trials = [{"grid": grid, "seed": seed} for grid in ("2", "3") for seed in (1, 2)]
    stores.prepare([trial | {"views": "identity hflip"} for trial in trials], progress=False)
    made = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "stores").glob("*.lance")}
    assert set(made) == {
        f"{name}.lance"
        for grid in (2, 3)
        for name in (f"train-glass_tiny-{grid}-identity+hflip", f"test-glass_tiny-{grid}")
    }
    train, test = (FeatureStore(path) for path in stores.pair(trials[0] | {"views": "identity hflip"}).values())
    assert (train.grid, len(train.keys), train.meta.views) == ((2, 2), 8, ("identity", "hflip"))
    assert (test.grid, len(test.keys), test.meta.views) == ((2, 2), 4, ("identity",))
    assert stores.pair({"grid": "3", "backbone": "owner/name"})["test"].endswith("test-owner--name-3.lance")


def test_a_backbone_that_fails_takes_only_its_own_trials_along(tmp_path):
    (tmp_path / "broken").mkdir()
    stores = Stores(MINI / "train", MINI / "test", tmp_path, debug=True)
    trials = [{"backbone": str(tmp_path / "broken"), "grid": "2"}, {"grid": "2"}]
    stores.prepare(trials, progress=False)
    assert "config.json" in (stores.why_not(trials[0]) or "")
    assert stores.why_not(trials[1]) is None
    assert len(FeatureStore(stores.pair(trials[1])["train"])) == 8


def test_the_first_clips_of_a_store_are_a_store(blobs_store):
    store = blobs_store(frames=3)
    few = SharedStore(store.path, clips=5)
    assert few.keys == store.keys[:5]
    assert len(few) == 15
    assert few.lengths == [3] * 5
    assert torch.equal(few.batch(range(15)), store.batch(range(15)))
    assert few.key(14) == "clip_04"
    assert [batch.keys for batch in few.loader(5, frames=3, shuffle=False)] == [few.keys]
    assert len(SharedStore(store.path, clips=100)) == len(store)


def test_processes_share_what_memory_is_free(blobs_store, monkeypatch):
    path = blobs_store().path
    size = 12 * 8 * 8 * 8 * 2
    monkeypatch.setattr("vitreous.features.store.free_memory", lambda: 4 * size)
    assert SharedStore(path, jobs=2).pin()
    assert not SharedStore(path, jobs=3).pin()


def test_few_clips_are_another_source(blobs):
    source = blobs[0](4, 2)
    few = Few(source, 3)
    assert list(few.keys) == source.keys[:3]
    assert few.fingerprint() != source.fingerprint()
    assert [frame.index for frame in few.frames("clip_01", 1)] == [1]
    assert few.length("clip_02") == 2
    assert few.instances("clip_02") == source.instances("clip_02")


def test_a_store_that_is_gone_is_named(pair, tmp_path):
    shutil.copytree(pair[0], tmp_path / "gone.lance")
    stores = Stores(tmp_path / "gone.lance", pair[1], tmp_path)
    shutil.rmtree(tmp_path / "gone.lance")
    with pytest.raises(VitreousError, match=r"gone\.lance"):
        stores.check(PLAN)
