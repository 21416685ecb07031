"""Ids are numbers, whatever file they come in; -1 is what is not scored."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vitreous.data.idmaps import count_maps, read_ids
from vitreous.data.reading import Notes, Reading, Unreadable


def read(path, notes=None, **choices):
    (ids,) = read_ids(path, [0], Reading(**choices), notes or Notes())
    return ids.tolist()


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([0, 1, 1000, 65534, 65535], np.uint16, [0, 1, 1000, 65534, -1]),
        ([0, 1, 254, 255], np.uint8, [0, 1, 254, 255]),  # a mask of 0 and 255 is one object
        ([False, True], np.bool_, [0, 1]),
    ],
)
def test_grey_is_the_id(tmp_path, save, ending, values, kind, expected):
    path = save(tmp_path / f"a.{ending}", Image.fromarray(np.array([values], kind)))
    assert read(path) == [expected]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_of_a_palette_the_index_is_the_id(tmp_path, save, ending):
    picture = Image.new("P", (3, 1))
    picture.putpalette([0, 0, 0, 128, 0, 0] + [224, 224, 192] * 254)
    picture.putdata([0, 1, 255])
    assert read(save(tmp_path / f"a.{ending}", picture)) == [[0, 1, -1]]


def test_wide_integers_keep_their_sign(tmp_path, save):
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0, 65535, 100_000, -1]], np.int32)))
    assert read(path) == [[0, 65535, 100_000, -1]]


def test_another_void_can_be_named(tmp_path, save):
    path, notes = save(tmp_path / "a.png", Image.fromarray(np.array([[0, 3, 255]], np.uint8))), Notes()
    assert read(path, notes) == [[0, 3, 255]]
    assert "void=255" in notes.lines()[0]
    assert read(path, void=255) == [[0, 3, -1]]
    assert read(path, void=3) == [[0, -1, 255]]


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_are_not_spread(tmp_path, bits):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    row = bytes([0]) + bytes([0b00011011] if bits == 2 else [0x01, 0x23])  # 0 1 2 3
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b""))
    assert read(path) == [[0, 1, 2, 3]]


def test_pages_of_a_tiff_are_maps(tmp_path, save):
    pages = [Image.fromarray(np.full((4, 4), i, np.uint16)) for i in range(3)]
    path = save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    assert count_maps(path, Reading()) == 3
    assert [ids.max() for ids in read_ids(path, [0, 1, 2], Reading(), Notes())] == [0, 1, 2]
    assert [ids.max() for ids in read_ids(path, [2], Reading(), Notes())] == [2]


def test_colours_are_no_ids(tmp_path, save, scene):
    for name, picture in (
        ("a.png", scene()),
        ("b.tif", Image.fromarray(np.zeros((4, 4), np.float32))),
        ("c.png", Image.fromarray(scene()[..., 0]).convert("LA")),
    ):
        with pytest.raises(Unreadable, match=f"{name}.*map of object ids was expected") as told:
            read(save(tmp_path / name, picture))
        assert "16-bit grey PNG" in str(told.value)


def test_a_jpeg_called_png_is_no_map(tmp_path, save, scene):
    path = save(tmp_path / "a.jpg", scene()[..., 0]).rename(tmp_path / "a.png")
    with pytest.raises(Unreadable, match="JPEG of mode L, where a map"):
        read(path)


def test_negative_ids_are_refused(tmp_path, save):
    path = save(tmp_path / "a.tif", Image.fromarray(np.array([[0, -7]], np.int32)))
    with pytest.raises(Unreadable, match="ids from -7 to 0"):
        read(path)


def test_a_broken_map_is_named(tmp_path, save):
    path = save(tmp_path / "a.png", Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)))
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(Unreadable, match=r"a\.png: the picture is broken or cut off"):
        read(path)
    with pytest.raises(Unreadable, match="megapixels"):
        read(path, max_pixels=4000)
