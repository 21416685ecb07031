import itertools
import json

import lance
import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.errors import DataError, FeatureMismatch, StoreError, VitreousError
from vitreous.features.preprocess import fitted, viewed


def by_hand(frame, backbone, grid, fit="crop", view="identity"):
    part = np.ascontiguousarray(fitted(viewed(frame.image, view), grid, fit))
    size = backbone.size_for(grid)
    small = np.asarray(Image.fromarray(part).resize(size[::-1], Image.Resampling.BICUBIC))
    return backbone(torch.from_numpy(small.copy())[None, None])[0, 0].half()


def same_store(a, b):
    """Rows in order, all columns, bit for bit; and the statistics of both."""
    assert len(a) == len(b)
    columns = ["key", "frame", "view", "picture", "ids", "instances", "checksum", "features"]
    left, right = (s.take(range(len(s)), columns) for s in (a, b))
    assert torch.equal(left.pop("features"), right.pop("features"))
    assert left == right
    for name in ("mean", "std", "position_mean", "position_std", "within_std", "position_share"):
        assert np.array_equal(getattr(a.stats, name), getattr(b.stats, name)), name


@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize("grid", [4, (3, 5)])
def test_features_are_those_of_the_picture(fill, mixed, averages, fit, grid):
    store = fill(mixed, grid=grid, fit=fit)
    sides = (4, 4) if grid == 4 else grid
    assert store.meta.shape == (*sides, 6)
    for row in range(len(store)):
        frame = mixed.frame(store.key(row), int(store.frame_index[row]))
        assert torch.equal(store.batch([row])[0], by_hand(frame, averages(), sides, fit))


def test_views_stand_beside_each_other(fill, mixed, averages):
    views = ("identity", "hflip", "rot90", "crop:0.1,0.1,0.9,0.9")
    store = fill(mixed, grid=(3, 5), views=views)
    assert len(store) == 12 * 4
    for view in views:
        rows = store.rows("d", view)
        assert store.frame_index[rows].tolist() == [0, 1, 2, 3]
        expected = by_hand(mixed.frame("d", 2), averages(), (3, 5), view=view)
        assert torch.equal(store.batch([rows[2]])[0], expected)
        seen = store.frame(int(rows[2]))
        part = fitted(viewed(mixed.frame("d", 2).image, view), (3, 5), "crop")
        assert np.array_equal(seen.image, part)
        assert np.array_equal(seen.ids, fitted(viewed(mixed.frame("d", 2).ids, view), (3, 5), "crop"))


def test_the_store_holds_what_the_source_knew(fill, mixed):
    store = fill(mixed)
    assert store.keys == ["a", "b", "c", "d", "e"]
    assert store.lengths == [5, 1, 1, 4, 1]
    assert store.instances("d") == [{"id": 1, "material": "metal", "clip": "d"}]
    assert store.picture(7).encoded == mixed.frame("d", 0).encoded
    assert np.array_equal(store.picture(7).ids, mixed.frame("d", 0).ids)
    assert store.meta["source"]["name"] == "scenes"
    assert store.meta["source"]["fingerprint"] == mixed.fingerprint()
    assert store.meta["backbone"]["name"] == "averages"
    assert json.loads(json.dumps(store.meta["source"])) == store.meta["source"]


def test_statistics_are_those_of_the_stored_features(fill, mixed):
    store = fill(mixed, commit_rows=4)
    x = store.batch(range(len(store))).double().numpy()
    np.testing.assert_allclose(store.stats.mean, x.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(store.stats.std, x.std((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(store.stats.position_mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(store.stats.position_std, x.std(0), rtol=1e-12)


def test_a_clip_is_read_once_however_many_batches_it_spans(fill, scenes):
    source = scenes({"a": 23, "b": 1, "c": 30})
    fill(source, views=("identity", "hflip", "vflip"))  # 3 views, batches of 4: frames are shared by batches
    assert source.opened == [("a", 0), ("b", 0), ("c", 0)]


def test_a_finished_store_is_left_alone(fill, mixed, averages):
    first, backbone = fill(mixed), averages()
    again = fill(mixed, backbone)
    assert backbone.calls == 0
    same_store(first, again)


def test_stopped_and_resumed_is_the_same_bit_for_bit(fill, mixed, averages):
    whole = fill(mixed, out="whole.lance")

    class Stops(averages):
        def __call__(self, images):
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        fill(mixed, Stops())
    backbone = averages()
    again = fill(mixed, backbone)
    assert backbone.calls == 1  # what was computed before was not lost
    same_store(whole, again)


def test_rows_that_are_missing_inside_a_batch_are_added(fill, mixed, tmp_path):
    whole = fill(mixed, out="whole.lance")
    fill(mixed)
    lance.dataset(str(tmp_path / "store.lance")).delete("row in (0, 5, 6)")
    again = fill(mixed)
    same_store(whole, again)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grid": 5}, "grid"),
        ({"fit": "squash"}, "fit"),
        ({"views": ("identity", "hflip")}, "views"),
        ({"keep_side": 99}, "keep_side"),
    ],
)
def test_another_recipe_is_refused_with_both_named(fill, mixed, change, said):
    fill(mixed)
    with pytest.raises(FeatureMismatch, match=rf"(?s)averages .*but .*averages.*\n  {said}: "):
        fill(mixed, **change)


@pytest.mark.parametrize("change", [{"layer": 3}, {"dim": 7}, {"scale": 2.0}])
def test_another_backbone_is_refused(fill, mixed, averages, change):
    fill(mixed)
    with pytest.raises(FeatureMismatch, match=r"(?s)holds averages.*layer 11.*but this extraction makes averages"):
        fill(mixed, averages(**change))


def test_a_store_keeps_its_batch_size(fill, mixed):
    fill(mixed)
    assert fill(mixed, batch_size=8).meta.batch_size == 4


def test_pictures_can_be_added_behind(fill, scenes):
    fill(scenes({"a": 5, "b": 1}))
    grown = fill(scenes({"a": 5, "b": 1, "c": 6}))
    same_store(grown, fill(scenes({"a": 5, "b": 1, "c": 6}), out="at_once.lance"))
    assert grown.meta.source["clips"] == 3


def test_a_source_that_changed_is_refused(fill, scenes):
    fill(scenes({"a": 5, "b": 1}))
    with pytest.raises(StoreError, match=r"(?s)a frame 0 would move from row 0 to 2"):
        fill(scenes({"0": 2, "a": 5, "b": 1}))
    with pytest.raises(StoreError, match=r"b frame 0 is gone"):
        fill(scenes({"a": 5}))
    with pytest.raises(StoreError, match=r"a frame 0 is not the picture"):
        fill(scenes({"a": 5, "b": 1}, size=(40, 52)))


def test_an_unreadable_picture_stops_it_by_name(fill, scenes):
    source = scenes({"a": 5, "b": 1, "c": 4}, bad=("c/2",))
    with pytest.raises(DataError, match="c/2.png is cut off"):
        fill(source)


def test_skipped_pictures_are_listed_and_the_rest_is_exact(fill, scenes):
    lengths = {"a": 5, "b": 1, "c": 4}
    whole = fill(scenes(lengths), out="whole.lance")
    source = scenes(lengths, bad=("a/0", "a/3", "b/0"))
    store = fill(source, on_error="skip")
    assert len(store) == 7
    assert store.meta.skipped == [
        ("a frame 0", "a/0.png is cut off"),
        ("a frame 3", "a/3.png is cut off"),
        ("b", "b/0.png is cut off"),
    ]
    assert torch.equal(store.batch(range(7)), whole.batch([1, 2, 4, 6, 7, 8, 9]))
    assert store.keys == ["a", "c"]
    assert store.lengths == [3, 4]
    assert store.instances("a") is not None  # although its first frame is missing
    mended = fill(scenes(lengths), on_error="skip")
    assert mended.meta.skipped == []
    assert torch.equal(mended.batch(range(10)), whole.batch(range(10)))


def test_a_clip_that_ends_early_is_opened_once(fill, scenes):
    class Short(scenes):
        def frames(self, key, start=0):
            return itertools.islice(super().frames(key, start), max(0, 5 - start))

    source = Short({"a": 20})
    store = fill(source, on_error="skip")
    assert store.lengths == [5]
    assert len(store.meta.skipped) == 15
    assert len(source.opened) <= 1 + 20 // 4  # not once per missing frame: a video would be decoded each time


def test_too_small_a_picture_is_named(fill, scenes):
    with pytest.raises(DataError, match=r"a: 3 x 48 px .*too small.* 4 x 4"):
        fill(scenes({"a": 1}, size=(3, 48)), fit="squash")
    store = fill(scenes({"a": 1}, size=(3, 48)), fit="squash", on_error="skip", out="skipped.lance")
    assert len(store) == 0
    assert "too small" in store.meta.skipped[0][1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70000.0])
def test_features_that_float16_cannot_hold_are_named(fill, scenes, averages, value):
    class Breaks(averages):
        def __call__(self, images):
            features = super().__call__(images)
            if self.calls == 2:
                features[1, 0, 2, 3, 1] = value
            return features

    source = scenes({"a": 5, "b": 1, "c": 4})
    with pytest.raises(DataError, match=r"b frame 0 \(identity\): features are not finite, or beyond 65504"):
        fill(source, Breaks())
    store = fill(source, Breaks(), on_error="skip", out="skipped.lance")
    assert [what for what, _ in store.meta.skipped] == ["b"]
    assert len(store) == 9


def test_arguments_are_checked(fill, mixed, tmp_path):
    with pytest.raises(VitreousError, match="on_error"):
        fill(mixed, on_error="ignore")
    for wrong in ({"grid": 0}, {"grid": (4, -1)}, {"batch_size": 0}, {"commit_rows": 0}, {"keep_side": 0}):
        with pytest.raises(VitreousError, match="must be at least 1"):
            fill(mixed, **wrong)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").touch()
    with pytest.raises(StoreError, match="not a feature store"):
        fill(mixed, out="taken")
    with pytest.raises(StoreError, match="not a feature store"):
        fill(mixed, out="taken/thesis.txt")
    assert (tmp_path / "taken" / "thesis.txt").exists()
    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        fill(mixed, out="taken/thesis.txt/store.lance")


def test_a_backbone_that_answers_on_another_grid_is_named(fill, mixed, averages):
    class Wrong(averages):
        def size_for(self, grid):
            return grid[0] * 4, grid[1] * 8

    with pytest.raises(StoreError, match=r"gave \(4, 4, 8, 6\) where \(4, 4, 4, 6\)"):
        fill(mixed, Wrong())
