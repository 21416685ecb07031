"""Extraction from files, through the readers of data/."""

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.data import open_source, read_clip
from vitreous.data.rendered import INSTANCE_COLUMNS, write_clip
from vitreous.features.extract import extract


def picture(seed, y=24, x=32):
    return np.random.default_rng(seed).integers(0, 256, (y, x, 3), dtype=np.uint8)


@pytest.fixture
def from_path(tmp_path, averages):
    def run(source, out="store.lance", **options):
        return extract(source, tmp_path / out, averages(), grid=4, batch_size=4, progress=False, **options)

    return run


@pytest.fixture
def folder(tmp_path):
    """Two stills, an animation of three frames, a sub-folder of four numbered frames."""
    root = tmp_path / "things"
    (root / "walk").mkdir(parents=True)
    Image.fromarray(picture(0)).save(root / "a.png")
    Image.fromarray(picture(1)).save(root / "b.jpg")
    frames = [Image.fromarray(picture(seed)) for seed in (2, 3, 4)]
    frames[0].save(root / "spin.gif", save_all=True, append_images=frames[1:])
    for i in range(4):
        Image.fromarray(picture(5 + i)).save(root / "walk" / f"{i:03d}.png")
    return root


def test_a_folder_of_all_kinds(folder, from_path):
    store, source = from_path(folder), open_source(folder)
    assert store.keys == list(source.keys)
    assert dict(zip(store.keys, store.lengths, strict=True)) == {"a": 1, "b": 1, "spin": 3, "walk": 4}
    for key in store.keys:
        stored = np.stack([store.picture(row).image for row in store.rows(key)])
        assert np.array_equal(stored, read_clip(source, key).frames)
    assert store.picture(0).ids is None
    assert store.instances("walk") is None
    assert store.meta.source["path"] == str(folder.resolve())


def test_a_broken_frame_is_skipped_and_mended(folder, from_path):
    whole = from_path(folder, "whole.lance")
    frame = folder / "walk" / "002.png"
    good = frame.read_bytes()
    frame.write_bytes(good[: len(good) // 2])
    store = from_path(folder, on_error="skip")
    assert dict(zip(store.keys, store.lengths, strict=True))["walk"] == 3
    assert store.frame_index[store.rows("walk")].tolist() == [0, 1, 3]
    assert [what for what, _ in store.meta.skipped] == [str(frame)]
    assert store.check(0).problems == []
    frame.write_bytes(good)
    mended = from_path(folder, on_error="skip")
    assert mended.meta.skipped == []
    assert torch.equal(mended.batch(range(len(mended))), whole.batch(range(len(whole))))


def test_an_unreadable_still_is_skipped_and_mended(folder, from_path):
    whole = from_path(folder, "whole.lance")
    good = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(b"no picture")
    store = from_path(folder, on_error="skip")
    assert store.keys == ["b", "spin", "walk"]
    assert [what for what, _ in store.meta.skipped] == [str(folder / "a.png")]
    (folder / "a.png").write_bytes(good)
    mended = from_path(folder)
    assert torch.equal(mended.batch(range(len(mended))), whole.batch(range(len(whole))))


def test_rendered_clips_bring_their_objects(tmp_path, from_path):
    ids = np.random.default_rng(0).integers(-1, 3, (2, 24, 32)).astype(np.int32)
    table = [
        {"id": i, "shape": "cube", "material": "metal", "frame": t, "visible_pixels": 7 * t + i}
        for i in (1, 2)
        for t in (0, 1)
    ]
    full = [dict.fromkeys(INSTANCE_COLUMNS) | row for row in table]
    for part in ("train", "test"):
        (tmp_path / "scenes" / part).mkdir(parents=True)
        frames = np.stack([picture(0), picture(1)])
        depth = np.ones((2, 24, 32), np.float32)
        write_clip(tmp_path / "scenes" / part / "clip_00000", frames, ids, depth, full, {"seed": 0})
    source = open_source(tmp_path / "scenes", split="test")
    store = from_path(source)
    assert store.instances(store.keys[0]) == source.instances(source.keys[0])
    assert store.instances(store.keys[0])[1]["visible_pixels"] == [2, 9]
    assert np.array_equal(store.picture(1).ids, ids[1])
    both = from_path(tmp_path / "scenes", "both.lance")
    assert len(both) == 4
