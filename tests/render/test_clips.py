from itertools import groupby

import numpy as np
import pytest

from vitreous.data.rendered import RenderedClips, clip_name
from vitreous.render.clips import by_visibility, plan, render_clip
from vitreous.render.settings import Settings
from vitreous.render.workers import render_clips

TINY = {"objects": (3, 4), "size": 32, "samples_per_pixel": 1}
VIDEO = Settings(frames=4, seed=2, **TINY)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def clips(studio, tmp_path_factory):
    """Three still clips and a video, made in order."""
    out = tmp_path_factory.mktemp("clips")
    list(render_clips(out / "still", Settings(**TINY), [0, 1, 2], variant="scalar"))
    list(render_clips(out / "video", VIDEO, [0], variant="scalar"))
    return out


def test_clips_do_not_depend_on_the_order(clips, studio, tmp_path):
    assert list(render_clips(tmp_path, Settings(**TINY), [2, 0], variant="scalar")) == [2, 0]
    for index in (0, 2):
        path = f"train/{clip_name(index)}"
        assert contents(tmp_path / path) == contents(clips / "still" / path)


def test_a_video_is_the_same_when_made_again(clips, studio, tmp_path):
    render_clip(VIDEO, 0, studio, tmp_path)
    assert contents(tmp_path / "train" / "clip_00000") == contents(clips / "video" / "train" / "clip_00000")


def test_another_index_seed_or_split_is_another_scene():
    scenes = [
        plan(settings, index)[0].bodies
        for settings, index in [
            (Settings(), 0),
            (Settings(), 1),
            (Settings(seed=1), 0),
            (Settings(split="test"), 0),
        ]
    ]
    assert len(set(scenes)) == 4


def test_size_and_samples_do_not_change_the_scene():
    first, second = (plan(settings, 3) for settings in (Settings(), Settings(size=256, samples_per_pixel=64)))
    assert first[0].bodies == second[0].bodies
    assert first[1:] == second[1:]


@pytest.mark.parametrize("kind", ["still", "video"])
def test_ids_are_contiguous_and_sorted_by_what_is_seen(clips, kind):
    source = RenderedClips(clips / kind)
    for key in source.keys:
        ids = np.stack([frame.ids for frame in source.frames(key)])
        instances = source.instances(key)
        assert [one["id"] for one in instances] == list(range(1, len(instances) + 1))
        assert len(instances) in (3, 4)
        totals = [sum(one["visible_pixels"]) for one in instances]
        assert totals == sorted(totals, reverse=True)
        for one in instances:
            assert one["visible_pixels"] == (ids == one["id"]).sum((1, 2)).tolist()
        if kind == "still":
            assert min(totals) > 0


def test_rows_tell_of_every_object_in_every_frame(clips):
    rows = RenderedClips(clips / "video").table("train/clip_00000")
    for _, group in groupby(sorted(rows, key=lambda row: row["id"]), key=lambda row: row["id"]):
        group = list(group)
        assert sorted(row["frame"] for row in group) == [0, 1, 2, 3]
        assert len({(row["shape"], row["material"], row["colour"]) for row in group}) == 1
        heights = [row["position_z"] for row in sorted(group, key=lambda row: row["frame"])]
        assert heights[-1] < heights[0] + 0.5  # they fall
        assert all(row[f"quaternion_{a}"] ** 2 <= 1 + 1e-9 for row in group for a in "wxyz")


def test_the_table_holds_the_poses_that_were_rendered(clips):
    """The centre of each object, put through the camera of clip.json, falls on its own pixels."""
    source = RenderedClips(clips / "still")
    hits = []
    for key in source.keys:
        camera, ids = source.camera(key)[0], next(source.frames(key)).ids
        matrix = np.array(camera["to_world"])
        for row in source.table(key):
            place = np.array([row["position_x"], row["position_y"], row["position_z"]])
            right, down, forward = matrix[:3, :3].T @ (place - matrix[:3, 3])
            x, y = (camera["focal_pixels"] * side / forward + 16 for side in (right, down))
            hits.append(ids[int(y), int(x)] == row["id"])
            depth = source.depth(key, 0)[int(y), int(x)]
            if hits[-1]:
                assert depth < np.linalg.norm(place - matrix[:3, 3])
    assert np.mean(hits) > 0.8  # the others are hidden behind something


def test_clip_json_says_how_it_was_made(clips):
    about = RenderedClips(clips / "video").about("train/clip_00000")
    assert (about["seed"], about["index"], about["frames"], about["frames_per_second"]) == (2, 0, 4, 12)
    assert about["variant"] == "scalar_rgb"
    assert set(about["versions"]) == {"vitreous", "mitsuba", "mujoco"}
    assert len(about["camera"]) == 4


@pytest.mark.parametrize("material", ["metal", "rubber"])
def test_the_material_asked_for_is_in_the_table(studio, tmp_path, material):
    render_clip(Settings(material=material, **TINY), 0, studio, tmp_path)
    rows = RenderedClips(tmp_path).table("train/clip_00000")
    assert {row["material"] for row in rows} == {material}


def test_by_visibility_by_hand():
    ids = np.array([[[0, 2, 2], [3, 3, 3]]])
    renumbered, order = by_visibility(ids, 3)
    assert renumbered.tolist() == [[[0, 2, 2], [1, 1, 1]]]
    assert order == [2, 1, 0]  # the body never seen comes last
