"""What a viewer offers for a run, a folder of runs, a store, or nothing."""

import json
import shutil

import pytest

from vitreous.errors import VitreousError
from vitreous.shipped import find_run
from vitreous.view.offer import offer


@pytest.fixture
def runs(tmp_path):
    for name in ("b", "a"):
        shutil.copytree(find_run("still"), tmp_path / "runs" / name)
    return tmp_path / "runs"


def test_nothing_is_the_run_that_comes_along(viewer):
    found = offer()
    assert list(found.runs) == ["still (comes with vitreous)", "clip (comes with vitreous)"]
    assert found.store is None
    assert {"scene 1", "clip 1"} <= set(found.examples)
    assert found.examples["clip 1"]().name == "clip 1"
    assert len(found.examples["clip 1"]().frames) == 24


def test_a_run_comes_first_and_those_beside_it_follow(runs):
    assert list(offer(runs / "b").runs)[:2] == ["b", "a"]
    assert list(offer(runs).runs)[:2] == ["a", "b"]
    assert next(iter(offer(find_run("still")).runs)) == "still"


def test_a_store_gives_its_pictures(scenes_store):
    found = offer(scenes_store.path)
    assert list(found.examples) == scenes_store.keys
    assert found.store.path == scenes_store.path


def test_the_store_of_the_scores_is_searched(runs, scenes_store):
    (runs / "a" / "scores.json").write_text(json.dumps({"data": {"store": str(scenes_store.path)}}))
    assert offer(runs / "a").store.path == scenes_store.path
    (runs / "a" / "scores.json").write_text(json.dumps({"data": {"store": "gone.lance"}}))
    assert offer(runs / "a").store is None
    assert "scored on cannot be opened" in offer(runs / "a").notes[0]


def test_what_is_neither_run_nor_store(tmp_path):
    with pytest.raises(VitreousError, match="vitreous view"):
        offer(tmp_path)


def test_a_page_cannot_name_a_folder(viewer):
    for name in ("/etc", "../still", ""):
        with pytest.raises(VitreousError, match="no run"):
            viewer.run(name)
    with pytest.raises(VitreousError, match="no picture"):
        viewer.example("/etc/passwd")
