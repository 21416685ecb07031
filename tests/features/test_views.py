"""Views for test time: joined, blurred and turned, and computed again from the store."""

import numpy as np
import pytest
import torch

from vitreous.errors import VitreousError
from vitreous.features.preprocess import Preprocess
from vitreous.features.views import blurred, check_views, viewed
from vitreous.types import Frame


def picture(y=24, x=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (y, x, 3), dtype=np.uint8)


def test_joined_views_go_from_left_to_right():
    a = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert viewed(a, "crop:0,0,0.5,1+hflip").tolist() == [[2, 1], [6, 5]]
    assert viewed(a, "hflip+crop:0,0,0.5,1").tolist() == [[4, 3], [8, 7]]
    assert viewed(a, "rot90+rot270").tolist() == a.tolist()
    for twice in ("hflip", "vflip", "hvflip"):
        assert viewed(a, f"{twice}+{twice}").tolist() == a.tolist()


def test_a_blur_waits_for_the_resize():
    a = picture()
    assert np.array_equal(viewed(a, "hflip+blur:5"), viewed(a, "hflip"))
    seen = Preprocess((12, 16), "squash", "hflip+blur:5")
    frame = Frame("a", 0, a)
    sharp = Preprocess((12, 16), "squash", "hflip").resize(seen(frame).image)
    assert np.array_equal(seen.resize(seen(frame).image), blurred(sharp, "blur:5"))


def test_blur_by_hand():
    a = np.zeros((9, 9, 3), np.uint8)
    a[4, 4] = 255
    k = np.exp(-np.array([4, 1, 0, 1, 4]) / (2 * 1.1**2))  # 1.1: what torchvision takes for 5
    k /= k.sum()
    assert np.array_equal(blurred(a, "identity+blur:5")[2:7, 2:7, 0], (255 * np.outer(k, k)).round())
    edge = np.zeros((6, 6, 3), np.uint8)
    edge[:, 0] = 100  # mirrored without doubling the border: columns 2 1 0 1 2
    assert blurred(edge, "blur:5")[3, :3, 0].tolist() == [round(100 * k[2]), round(100 * k[1]), round(100 * k[0])]
    assert np.array_equal(blurred(a, "hflip"), a)


def test_the_drawn_width_is_drawn_by_the_picture():
    a, b = picture(seed=1), picture(seed=2)
    assert np.array_equal(blurred(a, "blur:5,random"), blurred(a, "blur:5,random"))
    left = [np.abs(np.diff(blurred(p, "blur:5,random").astype(int), axis=1)).mean() for p in (a, b)]
    assert abs(left[0] - left[1]) > 1  # two widths


def test_a_turned_picture_takes_its_ids_along():
    a = picture()
    frame = Frame("a", 0, a, a[..., 0].astype(np.int32))
    seen = Preprocess((24, 32), "squash", "turn:90")(frame)
    assert seen.ids is not None
    assert np.array_equal(seen.image[..., 0], seen.ids)
    assert not np.array_equal(seen.image, a)
    assert not seen.image[0, 0].any()  # a corner that was outside
    assert not np.array_equal(seen.image, Preprocess((24, 32), "squash", "turn:270")(frame).image)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("hflip+blur", "blur:PIXELS"),
        ("blur:4", "odd number"),
        ("blur:5,drawn", "odd number"),
        ("blur:5+hflip", "a blur is the last part"),
        ("turn:fast", "turn:DEGREES"),
        ("turn:0", "turn:DEGREES"),
        ("hflip+vflop", 'No view "vflop". Did you mean "vflip"'),
        ("hflip+crop:1,2", "LEFT,TOP,RIGHT,BOTTOM"),
    ],
)
def test_joined_views_that_are_none_are_named(view, said):
    with pytest.raises(VitreousError, match=said):
        check_views((view,))


def test_every_kind_of_view_can_be_computed_again_from_the_store(scenes, averages, fill):
    views = ("identity+blur:5", "crop:0,0,0.5,1+rot90", "turn:90+blur:5,random")
    store = fill(scenes({"a": 1, "b": 1}), views=views, fit="squash")
    assert store.meta.views == views
    assert store.check(6, averages()).problems == []
    assert not torch.equal(store.batch([0]), store.batch([1]))
