"""One door for all data sets; what is wrong with a path is said at the door."""

import numpy as np
import pytest
from PIL import Image

from vitreous.data import FolderSource, Reading, open_source, read_clip
from vitreous.data.rendered import RenderedClips, write_clip
from vitreous.errors import DataError


@pytest.fixture
def rendered(tmp_path, scene):
    for split in ("train", "test"):
        frames, ids = np.stack([scene(8, 8), scene(8, 8)]), np.zeros((2, 8, 8), np.int64)
        (tmp_path / split).mkdir()
        write_clip(tmp_path / split / "clip_00000", frames, ids, ids.astype(np.float32), [], {})
    return tmp_path


def test_rendered_clips_are_known(rendered):
    for path, split, keys in (
        (rendered, None, ["train/clip_00000", "test/clip_00000"]),
        (rendered, "test", ["test/clip_00000"]),
        (rendered / "train", None, ["clip_00000"]),
    ):
        source = open_source(path, split=split)
        assert isinstance(source, RenderedClips)
        assert source.keys == keys


def test_rendered_clips_leave_nothing_to_choose(rendered):
    with pytest.raises(DataError, match="rendered clips, which are read as they are"):
        open_source(rendered, reading=Reading(stride=2))
    with pytest.raises(DataError, match='no split "tset".* Did you mean "test"'):
        open_source(rendered, split="tset")


def test_a_single_rendered_clip_points_to_its_set(rendered):
    with pytest.raises(DataError, match=r"one clip of a rendered data set.*\nOpen  .*train$"):
        open_source(rendered / "train/clip_00000")


def test_anything_else_is_a_folder(tmp_path, save):
    save(tmp_path / "train/a.png")
    save(tmp_path / "clip_1/b.png")  # called like a rendered clip, but is none
    source = open_source(str(tmp_path), reading=Reading(stride=2))
    assert isinstance(source, FolderSource)
    assert source.keys == ["clip_1/b", "train/a"]
    assert source.reading.stride == 2
    assert open_source(tmp_path, split="train").keys == ["a"]
    assert open_source(tmp_path, on_error="skip").on_error == "skip"


def test_a_whole_clip(tmp_path, save, scene):
    save(tmp_path / "images/a.png", scene())
    save(tmp_path / "ids/a.png", Image.fromarray(np.ones((48, 64), np.uint16)))
    clip = read_clip(open_source(tmp_path), "images/a")
    assert clip.key == "images/a"
    np.testing.assert_array_equal(clip.frames, scene()[None])
    np.testing.assert_array_equal(clip.ids, np.ones((1, 48, 64)))
    assert clip.instances is None


def test_a_whole_clip_of_nothing_is_an_error(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match='Nothing can be read of clip "a"'):
        read_clip(open_source(tmp_path, on_error="skip"), "a")


def test_an_empty_folder_says_what_would_be_read(tmp_path):
    with pytest.raises(DataError, match=r"No picture and no video in .*: it is empty") as told:
        open_source(tmp_path)
    for ending in (".png", ".jpg", ".tif", ".gif", ".mp4", ".webm"):
        assert ending in str(told.value)
    for name in ("a.heic", "b.heic", "c.csv", "README"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"found 2 x \.heic, 1 x .*"):
        open_source(tmp_path)
    with pytest.raises(DataError, match=r"found 1 x \.csv"):
        open_source(tmp_path / "c.csv")


def test_a_misspelt_path(tmp_path, save):
    save(tmp_path / "pictures/holiday/a.png")
    with pytest.raises(DataError, match=r"does not exist. Did you mean .*pictures\?"):
        open_source(tmp_path / "pictuers/holiday")
    with pytest.raises(DataError, match=r"does not exist. Did you mean .*a\.png\?"):
        open_source(tmp_path / "pictures/holiday/a.jpg")
    with pytest.raises(DataError, match=r"does not exist. In .* there are: pictures$"):
        open_source(tmp_path / "xyz")
