"""Which files are clips, what they are called, and what is a video."""

import os
import random

import numpy as np
import pytest
from PIL import Image

from vitreous.data import FolderSource, Reading
from vitreous.data.listing import natural
from vitreous.errors import DataError


def keys(root, **choices):
    return FolderSource(root, reading=Reading(**choices)).keys


def frames(save, folder, names, size=(16, 16)):
    for i, name in enumerate(names):
        save(folder / name, np.full((*size, 3), i, np.uint8))


def test_numbers_sort_by_value():
    names = ["frame10", "frame2", "a/1", "a", "b", "frame02", "Frame3", "a10b2", "a10b10", "a9"]
    random.Random(0).shuffle(names)
    assert sorted(names, key=natural) == [
        "Frame3", "a", "a/1", "a9", "a10b2", "a10b10", "b", "frame02", "frame2", "frame10",
    ]  # fmt: skip


def test_every_ending_at_any_depth_and_nothing_else(tmp_path, save, scene):
    for name in ("a.png", "b.JPG", "c/d.jpeg", "c/e/f.webp", "c/e/g.tif", "h.TIFF", "i.bmp", "j.gif"):
        save(tmp_path / name, scene(8, 8))
    for name in ("labels.csv", ".hidden.png", ".thumbs/x.png", "__MACOSX/a.png", "notes.txt", "._a.png", "png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    assert keys(tmp_path) == ["a", "b", "c/d", "c/e/f", "c/e/g", "h", "i", "j"]


def test_endings_that_are_not_read_are_pointed_out(tmp_path, save):
    save(tmp_path / "a.png")
    for name in ("b.heic", "c.HEIC", "d.csv"):
        (tmp_path / name).touch()
    (note,) = FolderSource(tmp_path).notes
    assert "b.heic and 1 more: .heic files are not read; convert them" in note


def test_keys_keep_their_ending_where_two_would_be_one(tmp_path, save):
    for name in ("a.png", "a.jpg", "b.png", "x/a.png", "c.png.jpg", "c.png", "c.tif"):
        save(tmp_path / name)
    assert keys(tmp_path) == ["a.jpg", "a.png", "b", "c.png", "c.png.jpg", "c.tif", "x/a"]


def test_a_folder_of_frames_and_a_file_of_its_name(tmp_path, save):
    frames(save, tmp_path / "walk", ["1.png", "2.png", "3.png"])
    save(tmp_path / "walk.png")
    assert keys(tmp_path) == ["walk", "walk.png"]


def test_keys_do_not_depend_on_the_order_on_disk(tmp_path, save):
    names = [f"{folder}/{i}_{c}.png" for folder in ("x", "y/z") for i in (1, 2, 10) for c in "ab"]
    for root, seed in (("one", 1), ("two", 2)):
        shuffled = random.Random(seed).sample(names, len(names))
        for name in shuffled:
            save(tmp_path / root / name)
    one, two = (FolderSource(tmp_path / root) for root in ("one", "two"))
    assert one.keys == two.keys == [name.removesuffix(".png") for name in names]
    assert one.fingerprint() == two.fingerprint()


def test_really_equal_keys_are_refused(tmp_path, save):
    first, second = "caf\N{LATIN SMALL LETTER E WITH ACUTE}.png", "cafe\N{COMBINING ACUTE ACCENT}.png"
    save(tmp_path / first)
    save(tmp_path / second)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system takes the two names for one")
    with pytest.raises(DataError, match="its key .* is that of .*, too") as told:
        FolderSource(tmp_path)
    assert first in str(told.value)
    assert second in str(told.value)
    source = FolderSource(tmp_path, on_error="skip")
    assert len(source.keys) == len(source.skipped) == 1


def test_a_name_that_is_no_text_is_refused(tmp_path, save):
    save(tmp_path / "a.png")
    try:
        os.link(tmp_path / "a.png", os.fsencode(tmp_path) + b"/\xff.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(DataError, match=r"\?.*not valid UTF-8"):
        FolderSource(tmp_path)
    assert FolderSource(tmp_path, on_error="skip").keys == ["a"]


def test_links_are_followed_once(tmp_path, save):
    save(tmp_path / "data/a.png")
    (tmp_path / "data/loop").symlink_to(tmp_path / "data")
    save(tmp_path / "elsewhere/b.png")
    (tmp_path / "data/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/c.png").symlink_to(tmp_path / "elsewhere/b.png")
    assert keys(tmp_path / "data") == ["a", "c", "more/b"]


@pytest.mark.parametrize(
    "names",
    [
        ["0001.png", "0002.png", "0003.png"],
        ["1.jpg", "2.jpg"],
        ["7.png", "8.png", "9.png", "10.png"],
        ["00000.jpg", "00005.jpg", "00010.jpg"],
        ["walk_2_frame_01.png", "walk_2_frame_02.png"],
        ["f01_rgb.png", "f02_rgb.png", "f03_rgb.png"],
    ],
)
def test_numbered_frames_in_a_sub_folder_are_a_video(tmp_path, save, names):
    frames(save, tmp_path / "walk", names)
    source = FolderSource(tmp_path)
    assert source.keys == ["walk"]
    assert source.describe() == "1 frame folder"
    assert source.length("walk") == len(names)
    assert [frame.image[0, 0, 0] for frame in source.frames("walk")] == list(range(len(names)))
    assert len(keys(tmp_path, frames_as_video="never")) == len(names)


@pytest.mark.parametrize(
    "names",
    [
        ["001.png"],
        ["001.png", "003.png"],
        ["001.png", "002.png", "004.png"],  # a gap
        ["001.png", "002.jpg"],
        ["001.png", "002.png", "cover.png"],
        ["cat.png", "dog.png"],
        ["a1_b1.png", "a2_b2.png"],  # two numbers run
        ["1.png", "01.png"],
    ],
)
def test_anything_else_in_a_sub_folder_are_stills(tmp_path, save, names):
    frames(save, tmp_path / "pets", names)
    assert len(keys(tmp_path)) == len(names)


@pytest.mark.parametrize("folder", ["images", "a/images", "train", "TEST", "x/val"])
def test_folders_called_like_collections_hold_stills(tmp_path, save, folder):
    frames(save, tmp_path / folder, ["001.png", "002.png", "003.png"])
    assert len(keys(tmp_path)) == 3


def test_pictures_of_different_size_are_stills(tmp_path, save):
    frames(save, tmp_path / "walk", ["1.png", "2.png"])
    frames(save, tmp_path / "walk", ["3.png"], size=(16, 24))
    assert len(keys(tmp_path)) == 3


def test_photographs_are_stills(tmp_path, save):
    exif = Image.Exif()
    exif[0x010F] = "A camera maker"
    for i in range(3):
        save(tmp_path / f"holiday/IMG_{i:04d}.jpg", exif=exif)
    assert len(keys(tmp_path)) == 3


def test_numbered_pictures_in_the_root_are_stills_unless_asked_for(tmp_path, save):
    root = tmp_path / "walk"
    frames(save, root, ["IMG_001.jpg", "IMG_002.jpg", "IMG_003.jpg"])
    source = FolderSource(root)
    assert len(source.keys) == 3
    assert "frames_as_video=always" in source.notes[0]
    assert keys(root, frames_as_video="always") == ["walk"]


def test_always_takes_every_folder(tmp_path, save, scene):
    frames(save, tmp_path / "images", ["a.png", "c.png", "b.png"])
    frames(save, tmp_path / "x", ["001.png", "007.png"])
    save(tmp_path / "x/clip.gif", scene(8, 8))
    source = FolderSource(tmp_path, reading=Reading(frames_as_video="always"))
    assert source.keys == ["images", "x", "x/clip"]
    assert [frame.image[0, 0, 0] for frame in source.frames("images")] == [0, 2, 1]  # by name


def test_a_broken_frame_does_not_make_the_others_stills(tmp_path, save):
    frames(save, tmp_path / "walk", ["1.png", "2.png", "3.png"])
    (tmp_path / "walk/2.png").write_bytes(b"")
    assert keys(tmp_path) == ["walk"]


def test_a_folder_of_animations_is_no_video(tmp_path, save, scene):
    for i in (1, 2, 3):
        more = [Image.fromarray(scene(8, 8, seed=i))]
        save(tmp_path / f"x/{i}.png", scene(8, 8), save_all=True, append_images=more)
        save(tmp_path / f"y/{i}.gif", scene(8, 8), save_all=True, append_images=more)
    assert keys(tmp_path) == ["x/1", "x/2", "x/3", "y/1", "y/2", "y/3"]
