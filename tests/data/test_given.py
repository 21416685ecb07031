"""Pictures at hand as a data set: arrays, Pillow's pictures, paths, frames, clips, and a mix of them."""

import numpy as np
import pytest
from PIL import Image

from vitreous.data.given import Given
from vitreous.errors import DataError
from vitreous.types import Clip, Frame, Source

RED = np.full((6, 8, 3), (200, 10, 10), np.uint8)


def shown(source):
    return {key: np.stack([frame.image for frame in source.frames(key)]) for key in source.keys}


def test_a_mix_of_everything(tmp_path):
    Image.fromarray(RED).save(tmp_path / "red.png")
    Image.fromarray(RED + 20).save(tmp_path / "light.png")
    film = np.stack([RED, RED + 1, RED + 2])
    items = [
        RED,
        Image.fromarray(RED),
        str(tmp_path / "red.png"),
        film,
        Frame("mine", 7, RED),
        Clip("walk", film),
        tmp_path,
    ]
    source = Given(items)
    assert isinstance(source, Source)
    assert source.keys == ["picture_0", "picture_1", "red", "picture_3", "mine", "walk", "light", "red_1"]
    assert [source.length(key) for key in source.keys] == [1, 1, 1, 3, 1, 3, 1, 1]
    found = shown(source)
    for key in ("picture_0", "picture_1", "red", "mine", "red_1"):
        assert (found[key] == RED[None]).all()
    assert (found["walk"] == film).all()
    assert [frame.index for frame in source.frames("walk", 1)] == [1, 2]
    assert source.fingerprint() == Given(items).fingerprint() != Given(items[:-1]).fingerprint()


def test_grey_and_transparency():
    grey = np.full((4, 5), 90, np.uint8)
    assert shown(Given([grey]))["picture_0"].shape == (1, 4, 5, 3)
    clear = Image.new("RGBA", (5, 4), (0, 0, 0, 0))
    assert (shown(Given([clear]))["picture_0"] == 255).all()
    turned = Image.fromarray(RED)
    turned.getexif()[0x0112] = 6
    assert shown(Given([turned]))["picture_0"].shape == (1, 8, 6, 3)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (RED / 255, "float64 \\[6, 8, 3\\].*\n.*255 \\* picture"),
        (RED.transpose(2, 0, 1), "uint8 \\[3, 6, 8\\]. 8-bit pictures were expected"),
        (RED[:0], "uint8 \\[0, 8, 3\\]"),
        ({"no": 1}, "What was given is object"),
        (np.broadcast_to(np.uint8(0), (20_000, 10_000, 3)), "200 megapixels, and the limit is 100"),
    ],
)
def test_what_is_no_picture_is_named(item, told):
    with pytest.raises(DataError, match=told):
        Given([item])


def test_of_several_the_broken_one_is_named():
    with pytest.raises(DataError, match="Item 1 is int64"):
        Given([RED, RED.astype(np.int64)])
