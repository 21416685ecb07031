from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vitreous.errors import DataError, VitreousError
from vitreous.features.preprocess import (
    Preprocess,
    check_fit,
    decode,
    decode_ids,
    encode_ids,
    fitted,
    keep,
    resized,
)
from vitreous.features.views import check_views, viewed
from vitreous.types import Frame


def picture(y=6, x=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (y, x, 3), dtype=np.uint8)


def test_views_by_hand():
    a = np.array([[1, 2, 3], [4, 5, 6]])
    assert viewed(a, "hflip").tolist() == [[3, 2, 1], [6, 5, 4]]
    assert viewed(a, "vflip").tolist() == [[4, 5, 6], [1, 2, 3]]
    assert viewed(a, "hvflip").tolist() == [[6, 5, 4], [3, 2, 1]]
    assert viewed(a, "rot90").tolist() == [[3, 6], [2, 5], [1, 4]]
    assert viewed(a, "rot270").tolist() == [[4, 1], [5, 2], [6, 3]]
    assert viewed(a, "crop:0.3,0.5,1,1").tolist() == [[5, 6]]
    assert viewed(a, "crop:0,0,0.01,0.01").tolist() == [[1]]  # never empty


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (("hflop",), 'Did you mean "hflip"'),
        (("crop:0.5,0,0.4,1",), "left < right"),
        (("crop:0.5,0,1.4,1",), "<= 1"),
        (("crop:1,2",), "LEFT,TOP,RIGHT,BOTTOM"),
        ((), "one or more"),
        (("hflip", "hflip"), "different"),
    ],
)
def test_views_that_are_none_are_named(views, said):
    with pytest.raises(VitreousError, match=said):
        check_views(views)


def test_fit_that_is_none_is_named():
    with pytest.raises(VitreousError, match='Did you mean "crop"'):
        check_fit("corp")


@pytest.mark.parametrize(
    ("size", "grid", "left"),
    [((6, 8), (4, 4), (6, 6)), ((8, 6), (4, 4), (6, 6)), ((7, 30), (2, 4), (7, 14)), ((30, 30), (16, 24), (20, 30))],
)
def test_crop_takes_the_largest_centred_part(size, grid, left):
    part = fitted(picture(*size), grid, "crop")
    assert part.shape[:2] == left
    top, side = (size[0] - left[0]) // 2, (size[1] - left[1]) // 2
    assert np.array_equal(part, picture(*size)[top : top + left[0], side : side + left[1]])
    assert fitted(picture(*size), grid, "squash").shape[:2] == size


def test_grid_and_its_size_in_pixels_cut_alike():
    for y, x in [(37, 91), (91, 37), (33, 50)]:
        for grid in [(16, 24), (7, 5), (3, 3)]:
            a = fitted(picture(y, x), grid, "crop")
            b = fitted(picture(y, x), (grid[0] * 14, grid[1] * 14), "crop")
            assert a.shape == b.shape


def test_resize_is_bicubic_with_antialiasing():
    a = picture(64, 48)
    expected = Image.fromarray(a).resize((12, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(resized(a, (16, 12)), np.asarray(expected))
    assert resized(a, (64, 48)) is a


def test_a_flip_of_a_square_commutes_with_the_resize():
    a = picture(32, 32)
    flipped = resized(viewed(a, "hflip"), (16, 16)).astype(int)
    assert np.abs(flipped - resized(a, (16, 16))[:, ::-1]).max() <= 1


def test_small_pictures_keep_their_own_bytes():
    file = BytesIO()
    Image.fromarray(picture()).save(file, "PNG")
    kept = keep(Frame("a", 0, picture(), None, file.getvalue()), 8)
    assert kept.encoded == file.getvalue()
    assert np.array_equal(kept.image, picture())
    assert kept.ids is None


@pytest.mark.parametrize(("y", "x", "side", "kind"), [(40, 30, 99, "PNG"), (600, 40, 600, "JPEG"), (90, 60, 30, "PNG")])
def test_what_is_kept_decodes_to_what_the_backbone_sees(y, x, side, kind):
    ids = np.arange(y * x, dtype=np.int32).reshape(y, x) % 7 - 1
    kept = keep(Frame("a", 0, picture(y, x), ids, None), side)
    with Image.open(BytesIO(kept.encoded)) as image:
        assert image.format == kind
    assert np.array_equal(decode(kept.encoded), kept.image)
    assert max(kept.image.shape[:2]) == min(side, max(y, x))
    assert decode_ids(kept.ids).shape == kept.image.shape[:2]
    assert set(np.unique(decode_ids(kept.ids))) <= set(range(-1, 6))


def test_pictures_up_to_512_px_stay_lossless():
    kept = keep(Frame("a", 0, picture(40, 512)), 1024)
    assert np.array_equal(kept.image, picture(40, 512))


@pytest.mark.parametrize("top", [9, 65534, 65535, (1 << 24) - 2])
def test_ids_come_back(top):
    ids = np.array([[-1, 0, 1], [top, 254, 255]], dtype=np.int32)
    assert np.array_equal(decode_ids(encode_ids(ids)), ids)


def test_ids_that_cannot_be_kept_are_refused():
    with pytest.raises(DataError, match="-1"):
        encode_ids(np.array([[-2, 0]]))
    with pytest.raises(DataError, match="16777215"):
        encode_ids(np.array([[(1 << 24) - 1, 0]]))
    frame = Frame("clips/a", 0, picture())
    object.__setattr__(frame, "ids", np.zeros((3, 8), np.int32))  # in use, nothing checks the shapes of a Frame
    with pytest.raises(DataError, match="clips/a: the picture is 6 x 8 px but its ids are 3 x 8"):
        keep(frame, 99)


def test_preprocess_cuts_picture_and_ids_alike():
    ids = np.arange(48, dtype=np.int32).reshape(6, 8)
    seen = Preprocess((28, 28), "crop", "hflip")(Frame("a", 3, picture(), ids, b"bytes"))
    assert np.array_equal(seen.image, picture()[:, ::-1][:, 1:7])
    assert np.array_equal(seen.ids, ids[:, ::-1][:, 1:7])
    assert (seen.key, seen.index, seen.encoded) == ("a", 3, None)
    whole = Preprocess((21, 28))(Frame("a", 3, picture(), ids, b"bytes"))
    assert whole.encoded == b"bytes"
    assert Preprocess((21, 28)).resize(whole.image).shape == (21, 28, 3)
