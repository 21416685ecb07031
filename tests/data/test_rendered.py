import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vitreous.data import open_source
from vitreous.data.rendered import INSTANCE_COLUMNS, RenderedClips, write_clip
from vitreous.errors import DataError
from vitreous.types import Source


def row(number, frame, seen):
    values = dict.fromkeys(INSTANCE_COLUMNS, 0.5)
    words = {"shape": "cube", "size": "small", "colour": "red", "material": "metal", "pattern": "plain"}
    return {**values, **words, "id": number, "frame": frame, "visible_pixels": seen}


def write(folder, frames=2, seed=0):
    """A clip of noise; the ids have a pixel that is not scored."""
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(frames, 6, 8, 3)).astype(np.uint8)
    ids = rng.integers(0, 3, size=(frames, 6, 8))
    ids[:, 0, 0] = -1
    depth = rng.random((frames, 6, 8)).astype(np.float32)
    depth[:, 0, 0] = np.inf
    folder.parent.mkdir(parents=True, exist_ok=True)
    rows = [row(number, frame, 10 * number + frame) for frame in range(frames) for number in (2, 1)]
    write_clip(folder, images, ids, depth, rows, {"index": seed, "camera": [{"position": [1, 2, 3]}] * frames})
    return images, ids, depth


@pytest.fixture
def root(tmp_path):
    for split, count in (("train", 3), ("test", 1)):
        for index in range(count):
            write(tmp_path / "scenes" / split / f"clip_{index:05d}", seed=index)
    return tmp_path / "scenes"


def test_what_is_written_is_read(tmp_path):
    images, ids, depth = write(tmp_path / "clip_00000")
    source = RenderedClips(tmp_path)
    assert isinstance(source, Source)
    frames = list(source.frames("clip_00000"))
    assert [frame.index for frame in frames] == [0, 1]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, images[index])
        np.testing.assert_array_equal(frame.ids, ids[index])
        np.testing.assert_array_equal(source.depth("clip_00000", index), depth[index])
    assert source.camera("clip_00000")[1]["position"] == [1, 2, 3]
    assert [frame.index for frame in source.frames("clip_00000", start=1)] == [1]


def test_the_bytes_of_the_file_decode_to_the_picture(root):
    frame = next(RenderedClips(root).frames("train/clip_00001"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(frame.encoded))), frame.image)


def test_the_format_on_disk_is_the_documented_one(root):
    clip = root / "train" / "clip_00000"
    assert {path.relative_to(clip).as_posix() for path in clip.rglob("*.*")} == {
        *(f"{part}/000{n}.{end}" for n in (0, 1) for part, end in (("rgb", "png"), ("ids", "png"), ("depth", "npy"))),
        "instances.parquet",
        "clip.json",
    }
    with Image.open(clip / "ids" / "0000.png") as stored:
        assert stored.mode == "I;16"
        assert np.asarray(stored)[0, 0] == 65535
    assert np.load(clip / "depth" / "0000.npy").dtype == np.float32


def test_keys_tell_the_split_and_stay_the_same(root):
    everything = RenderedClips(root)
    assert everything.keys == [*(f"train/clip_0000{k}" for k in range(3)), "test/clip_00000"]
    assert RenderedClips(root, "test").keys == ["test/clip_00000"]
    assert RenderedClips(root / "test").keys == ["clip_00000"]
    assert (everything.name, RenderedClips(root, "test").name) == ("scenes", "scenes/test")
    assert everything.length("train/clip_00000") == 2


def test_instances_are_one_per_object_with_what_changes_as_lists(root):
    first, second = RenderedClips(root).instances("train/clip_00000")
    assert (first["id"], second["id"]) == (1, 2)
    assert (first["visible_pixels"], second["visible_pixels"]) == ([10, 11], [20, 21])
    assert first["material"] == "metal"
    assert first["category"] is None
    assert first["position_x"] == [0.5, 0.5]
    assert "frame" not in first


def test_the_fingerprint_changes_with_the_data(root):
    before = RenderedClips(root).fingerprint()
    assert RenderedClips(root).fingerprint() == before
    write(root / "train" / "clip_00003", seed=9)
    assert RenderedClips(root).fingerprint() != before


def test_rendered_clips_are_recognised(root):
    assert open_source(root).keys == RenderedClips(root).keys
    assert open_source(root / "train").keys[0] == "clip_00000"


@pytest.mark.slow
def test_a_process_that_read_a_table_ends_well(root):
    """With pyarrow's pool of threads 4 of 120 processes aborted at their end; see RenderedClips.table."""
    script = f"from vitreous.data.rendered import RenderedClips as R; R({str(root)!r}).table('train/clip_00000')"
    codes = [subprocess.run([sys.executable, "-c", script], capture_output=True).returncode for _ in range(150)]
    assert set(codes) == {0}


@pytest.mark.parametrize("split", [None, "train"])
def test_an_empty_folder_says_how_to_fill_it(tmp_path, split):
    with pytest.raises(DataError, match=r"No clips in .*clip_00000.*\nMake some:  vitreous render --out"):
        RenderedClips(tmp_path, split)


def test_an_unknown_key_is_named(root):
    with pytest.raises(DataError, match='No clip "train/clip_9"'):
        RenderedClips(root).length("train/clip_9")


@pytest.mark.parametrize("part", ["ids", "instances.parquet", "clip.json"])
def test_a_clip_that_is_not_whole_is_named_or_left_out(root, part):
    (root / "train" / "clip_00001" / part).rename(root / "elsewhere")
    with pytest.raises(DataError, match=f"clip_00001 is not whole: {part} missing"):
        RenderedClips(root)
    source = RenderedClips(root, on_error="skip")
    assert "train/clip_00001" not in source.keys
    assert [path for path, _ in source.skipped] == [str(root / "train" / "clip_00001")]


@pytest.mark.parametrize("damage", [b"", b"text", "half"])
@pytest.mark.parametrize("part", ["rgb", "ids"])
def test_a_broken_picture_is_named_or_ends_its_clip(root, part, damage):
    path = root / "train" / "clip_00001" / part / "0001.png"
    path.write_bytes(path.read_bytes()[:60] if damage == "half" else damage)
    with pytest.raises(DataError, match=f"{part}/0001.png cannot be read"):
        list(RenderedClips(root).frames("train/clip_00001"))
    source = RenderedClips(root, on_error="skip")
    assert len(list(source.frames("train/clip_00001"))) == 1
    assert len(source.skipped) == 1
    assert "0001.png" in source.skipped[0][1]


def test_missing_ids_of_one_frame_are_named(root):
    (root / "train" / "clip_00000" / "ids" / "0001.png").unlink()
    with pytest.raises(DataError, match=r"ids/0001.png cannot be read \(No such file"):
        list(RenderedClips(root).frames("train/clip_00000"))


def test_ids_of_another_size_are_refused(root):
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(root / "train" / "clip_00000" / "ids" / "0000.png")
    with pytest.raises(DataError, match="the ids are 5x5, their picture 8x6"):
        list(RenderedClips(root).frames("train/clip_00000"))


@pytest.mark.parametrize(
    ("part", "ask"),
    [
        ("clip.json", lambda source: source.camera("train/clip_00000")),
        ("instances.parquet", lambda source: source.instances("train/clip_00000")),
        ("depth/0000.npy", lambda source: source.depth("train/clip_00000", 0)),
    ],
)
def test_other_broken_parts_are_named(root, part, ask):
    (root / "train" / "clip_00000" / part).write_bytes(b"{ nothing")
    with pytest.raises(DataError, match=f"{part} cannot be read"):
        ask(RenderedClips(root))


def test_depth_may_be_left_out(root):
    (root / "train" / "clip_00000" / "depth").rename(root / "elsewhere")
    source = RenderedClips(root)
    assert len(list(source.frames("train/clip_00000"))) == 2
    with pytest.raises(DataError, match="depth/0000.npy"):
        source.depth("train/clip_00000", 0)


def test_a_clip_that_is_there_already_is_not_touched(root):
    images, _, _ = write(root / "train" / "clip_00000", seed=77)  # as if another process had been first
    kept = next(RenderedClips(root).frames("train/clip_00000")).image
    assert np.any(kept != images[0])
    assert not list((root / "train").glob(".*"))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot write .*clip_00000"):
        write_clip(
            tmp_path / "file" / "clip_00000",
            np.zeros((1, 2, 2, 3), np.uint8),
            np.zeros((1, 2, 2), np.int64),
            np.zeros((1, 2, 2), np.float32),
            [row(1, 0, 4)],
            {},
        )
