"""A folder as a data set: ids beside pictures, faults named or listed, the same from any thread and any start."""

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vitreous.data import FolderSource, Reading
from vitreous.errors import DataError, VitreousError
from vitreous.types import Source


def ids_of(n, size=(48, 64)):
    return Image.fromarray(np.full(size, n, np.uint16))


@pytest.fixture
def mixed(tmp_path, save, film, scene):
    """One of each: stills with ids, an animation, a folder of frames, a video."""
    for i in (1, 2, 10):
        save(tmp_path / f"images/{i}.png", scene(seed=i))
        save(tmp_path / f"ids/{i}.png", ids_of(i))
    more = [Image.fromarray(np.roll(scene(16, 16), i, axis=1)) for i in range(1, 6)]
    save(tmp_path / "other/wave.webp", scene(16, 16), save_all=True, append_images=more, lossless=True)
    for i in range(7):
        save(tmp_path / f"other/walk/{i:03d}.png", scene(16, 16, seed=i))
    film(tmp_path / "other/film.mp4", 20)
    return tmp_path


def same(some, others):
    some, others = list(some), list(others)
    assert [(f.key, f.index, f.encoded) for f in some] == [(f.key, f.index, f.encoded) for f in others]
    for a, b in zip(some, others, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.ids, b.ids)


def test_everything_in_one_folder(mixed):
    source = FolderSource(mixed)
    assert isinstance(source, Source)
    assert source.keys == ["images/1", "images/2", "images/10", "other/film", "other/walk", "other/wave"]
    assert [source.length(key) for key in source.keys] == [1, 1, 1, 20, 7, 6]
    assert [source.size(key) for key in source.keys] == [(48, 64)] * 4 + [(16, 16)] * 2
    assert source.describe() == "4 picture files, 1 video file, 1 frame folder"
    assert source.name == mixed.name
    for key in source.keys:
        frames = list(source.frames(key))
        assert [frame.index for frame in frames] == list(range(source.length(key)))
        assert {frame.key for frame in frames} == {key}
        assert source.instances(key) is None
    assert next(source.frames("images/10")).ids.tolist() == [[10] * 64] * 48
    assert next(source.frames("other/walk")).ids is None
    assert source.skipped == source.notes == []


@pytest.mark.parametrize("stride", [1, 3])
def test_any_start_gives_the_rest_of_the_same_clip(mixed, stride):
    source = FolderSource(mixed, reading=Reading(stride=stride))
    for key in source.keys:
        whole = list(source.frames(key))
        assert len(whole) == source.length(key)
        for start in range(len(whole) + 2):
            same(source.frames(key, start), whole[start:])


def test_stride_takes_every_nth_frame(mixed):
    every, third = FolderSource(mixed), FolderSource(mixed, reading=Reading(stride=3))
    assert [third.length(key) for key in third.keys] == [1, 1, 1, 7, 3, 2]
    for key in third.keys:
        some, all_of_it = list(third.frames(key)), list(every.frames(key))
        np.testing.assert_array_equal([f.image for f in some], [f.image for f in all_of_it[::3]])
        assert [f.index for f in some] == list(range(len(some)))


def test_from_many_threads_the_same(mixed):
    source = FolderSource(mixed)
    alone = {key: list(FolderSource(mixed).frames(key)) for key in source.keys}
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda key: (key, list(source.frames(key))), source.keys * 4))
    for key, frames in together:
        same(frames, alone[key])


def test_a_clip_is_not_read_further_than_asked(mixed, save):
    source = FolderSource(mixed)
    (mixed / "other/walk/003.png").write_bytes(b"")
    frames = source.frames("other/walk")
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="003.png"):
        next(frames)


def test_one_file_alone(mixed):
    picture = FolderSource(mixed / "images/1.png")
    assert (picture.keys, picture.name, picture.length("1")) == (["1"], "1.png", 1)
    video = FolderSource(str(mixed / "other/film.mp4"))
    assert (video.keys, video.length("film")) == (["film"], 20)
    same(
        (f for f in video.frames("film") if f.index > 17),
        [type(f)("film", f.index, f.image) for f in FolderSource(mixed).frames("other/film", 18)],
    )


def test_the_fingerprint_tells_a_change(mixed, save, scene):
    before = FolderSource(mixed).fingerprint()
    shutil.copytree(mixed, mixed.parent / "copy")
    assert FolderSource(mixed.parent / "copy").fingerprint() == before  # neither place nor time counts
    assert FolderSource(mixed, reading=Reading(max_pixels=10**9)).fingerprint() == before
    seen = {before}
    for reading in (Reading(stride=2), Reading(grey_bits=12), Reading(void=3), Reading(frames_as_video="never")):
        seen.add(FolderSource(mixed, reading=reading).fingerprint())
    (mixed / "ids/2.png").write_bytes((mixed / "ids/2.png").read_bytes() + b"\0")
    seen.add(FolderSource(mixed).fingerprint())
    save(mixed / "new.png", scene(8, 8))
    seen.add(FolderSource(mixed).fingerprint())
    (mixed / "new.png").rename(mixed / "newer.png")
    seen.add(FolderSource(mixed).fingerprint())
    assert len(seen) == 8


def test_ids_of_a_folder_of_frames_a_video_and_a_stack(tmp_path, save, film, scene):
    for i in range(3):
        save(tmp_path / f"images/walk/{i}.jpg", scene())
        save(tmp_path / f"ids/walk/{i}.png", ids_of(i))
        save(tmp_path / f"ids/film/{i + 9}.png", ids_of(i))  # 9, 10, 11: natural order
    pages = [ids_of(i) for i in range(3)]
    film(tmp_path / "images/film.mp4", 3)
    film(tmp_path / "images/more.mp4", 3)
    save(tmp_path / "ids/more.tif", pages[0], save_all=True, append_images=pages[1:])
    stack = [Image.fromarray(scene(seed=i)) for i in range(3)]
    save(tmp_path / "images/stack.tif", stack[0], save_all=True, append_images=stack[1:])
    save(tmp_path / "ids/stack.tif", pages[0], save_all=True, append_images=pages[1:])
    source = FolderSource(tmp_path)
    assert source.keys == ["images/film", "images/more", "images/stack", "images/walk"]
    for key in source.keys:
        assert [int(frame.ids.max()) for frame in source.frames(key)] == [0, 1, 2]
        assert [int(frame.ids.max()) for frame in source.frames(key, 2)] == [2]
    assert source.notes == []


def test_ids_pair_at_any_depth(tmp_path, save):
    for place in ("", "a/", "b/c/"):
        save(tmp_path / f"{place}images/x/1.png")
        save(tmp_path / f"{place}ids/x/1.tif", ids_of(5))
    source = FolderSource(tmp_path)
    assert source.keys == ["a/images/x/1", "b/c/images/x/1", "images/x/1"]
    assert all(next(source.frames(key)).ids.max() == 5 for key in source.keys)


def test_a_folder_called_ids_alone_is_a_folder_like_any_other(tmp_path, save):
    save(tmp_path / "ids/1.png")
    assert FolderSource(tmp_path).keys == ["ids/1"]


def test_missing_ids_are_named(tmp_path, save):
    for i in range(4):
        save(tmp_path / f"images/{i}.png")
    for i in (0, 2):
        save(tmp_path / f"ids/{i}.png", ids_of(1))
    with pytest.raises(DataError, match=r"1\.png: it has no id map: ids/1\.png is not there") as told:
        FolderSource(tmp_path)
    assert "2 of 4 clips lack ids" in str(told.value)
    source = FolderSource(tmp_path, on_error="skip")
    assert source.keys == ["images/0", "images/2"]
    assert [Path(path).name for path, _ in source.skipped] == ["1.png", "3.png"]


def test_two_maps_for_one_picture_are_refused_and_maps_for_none_pointed_out(tmp_path, save):
    save(tmp_path / "images/1.png")
    save(tmp_path / "ids/1.png", ids_of(1))
    save(tmp_path / "ids/7.png", ids_of(1))
    assert "7.png: an id map without a picture" in FolderSource(tmp_path).notes[0]
    save(tmp_path / "ids/1.tif", ids_of(1))
    with pytest.raises(DataError, match=r"several id maps: ids/1\.png and ids/1\.tif"):
        FolderSource(tmp_path)
    with pytest.raises(DataError, match="Nothing is left"):
        FolderSource(tmp_path, on_error="skip")


def test_ids_of_another_size_are_named(tmp_path, save):
    save(tmp_path / "images/1.png")
    save(tmp_path / "ids/1.png", ids_of(1, (48, 63)))
    with pytest.raises(DataError, match=r"ids/1\.png: the ids have 63 x 48 pixels, but their picture 64 x 48"):
        list(FolderSource(tmp_path).frames("images/1"))


def test_too_few_or_too_many_maps_for_a_video(tmp_path, save, film):
    film(tmp_path / "images/a.mp4", 3)
    for n in (2, 4):
        for i in range(n):
            save(tmp_path / f"ids/a/{i}.png", ids_of(i))
        with pytest.raises(DataError, match=f"there are {n} id maps for 3 frames"):
            list(FolderSource(tmp_path).frames("images/a"))


def bad_folder(root, save, scene):
    """Good pictures between all that can be wrong with one."""
    save(root / "a.png", scene())
    save(root / "b_cut.png", scene())
    save(root / "c_cut.jpg", scene())
    for name in ("b_cut.png", "c_cut.jpg"):
        (root / name).write_bytes((root / name).read_bytes()[:-200])
    (root / "d_empty.png").touch()
    (root / "e_text.jpg").write_text("Dear diary")
    save(root / "f_huge.png", scene(300, 300))
    (root / "g_gone.png").symlink_to(root / "nowhere.png")
    save(root / "h.jpg", scene())
    return {"b_cut": "cut off", "c_cut": "cut off", "d_empty": "empty", "e_text": "text that begins",
            "f_huge": "300 x 300 pixels", "g_gone": "not there"}  # fmt: skip


def test_each_bad_picture_is_named_without_a_traceback(tmp_path, save, scene):
    bad = bad_folder(tmp_path, save, scene)
    source = FolderSource(tmp_path, reading=Reading(max_pixels=50_000))
    for key, reason in bad.items():
        with pytest.raises(VitreousError, match=reason) as told:
            list(source.frames(key))
        assert str(told.value).startswith(str(tmp_path / key))
        assert "--on-error skip" in str(told.value)
        assert told.value.__cause__ is None
        assert told.value.__suppress_context__ or told.value.__context__ is None


def test_skipping_leaves_out_the_bad_and_lists_each_once(tmp_path, save, scene):
    bad = bad_folder(tmp_path, save, scene)
    source = FolderSource(tmp_path, on_error="skip", reading=Reading(max_pixels=50_000))
    assert len(source.keys) == 8  # nothing is decoded yet
    for _ in range(2):
        read = {key: len(list(source.frames(key))) for key in source.keys}
        assert [key for key, n in read.items() if n] == ["a", "h"]
    assert [key for key in source.keys if source.length(key)] == ["a", "b_cut", "c_cut", "h"]  # by their headers
    assert [Path(path).stem for path, _ in source.skipped] == list(bad)
    for (_, reason), expected in zip(source.skipped, bad.values(), strict=True):
        assert expected in reason


def test_a_video_with_a_broken_tail(tmp_path, film):
    path = film(tmp_path / "a.mkv", 48)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    strict = FolderSource(tmp_path)
    for act in (strict.length, lambda key: list(strict.frames(key))):
        with pytest.raises(
            DataError, match=r"a\.mkv: the video is cut off or damaged: the first \d+ frames can be read"
        ):
            act("a")
    source = FolderSource(tmp_path, on_error="skip")
    n = source.length("a")
    assert 0 < n < 48
    assert len(list(source.frames("a"))) == n == source.length("a")
    assert source.skipped == [(str(path), f"the video is cut off or damaged: the first {n} frames can be read")]


def test_a_gif_with_a_broken_tail(tmp_path, save, scene):
    more = [Image.fromarray(np.roll(scene(), i, axis=1)) for i in range(1, 6)]
    path = save(tmp_path / "a.gif", scene(), save_all=True, append_images=more)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"a\.gif: the GIF is cut off: \d whole frames"):
        FolderSource(tmp_path).length("a")
    source = FolderSource(tmp_path, on_error="skip")
    n = source.length("a")
    assert 0 < n < 6
    assert len(list(source.frames("a"))) == n
    assert len(source.skipped) == 1


def test_a_bad_frame_of_a_folder_is_left_out_alone(tmp_path, save, scene):
    for i in range(6):
        save(tmp_path / f"walk/{i}.png", scene(16, 24 if i == 4 else 16, seed=i))
    for name in ("0.png", "2.png"):
        (tmp_path / "walk" / name).write_bytes(b"")
    odd = Reading(frames_as_video="always")
    strict = FolderSource(tmp_path, reading=odd)
    with pytest.raises(DataError, match=r"4\.png: it has 24 x 16 pixels, but the first frame .* 16 x 16") as told:
        list(strict.frames("walk", 3))
    assert "frames_as_video=never" in str(told.value)
    with pytest.raises(DataError, match=r"0\.png: the file is empty"):
        list(strict.frames("walk"))
    source = FolderSource(tmp_path, on_error="skip", reading=odd)
    assert [frame.index for frame in source.frames("walk", 3)] == [3, 5]
    assert [frame.index for frame in source.frames("walk")] == [1, 3, 5]
    assert source.length("walk") == 6
    assert sorted(Path(path).name for path, _ in source.skipped) == ["0.png", "2.png", "4.png"]


def test_what_a_fault_leaves_out_does_not_depend_on_the_start(tmp_path, save, film, scene):
    video = film(tmp_path / "a.mp4", 80, muxer={"movflags": "faststart"})
    content = bytearray(video.read_bytes())
    at = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 3
    content[at : at + 600] = bytes(600)
    video.write_bytes(content)
    more = [Image.fromarray(scene(seed=i)) for i in range(1, 6)]
    stack = save(tmp_path / "b.tif", scene(), save_all=True, append_images=more, compression="tiff_lzw")
    content = bytearray(stack.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 100] = bytes(100)
    stack.write_bytes(content)
    for key, starts in (("a", (60, 1, 0, 79)), ("b", (5, 1, 0, 3))):
        given = []
        for start in starts:
            source = FolderSource(tmp_path, on_error="skip")  # a fresh one, that has met no fault yet
            given.append({frame.index for frame in source.frames(key, start)})
            assert len(source.skipped) == 1
            assert list(source.frames(key, max(given[-1], default=start) + 1)) == []
            assert source.length(key) == {"a": 80, "b": 6}[key]
        assert 0 < len(given[2]) < source.length(key)
        assert given == [{i for i in given[2] if i >= start} for start in starts]


@contextmanager
def powerless():
    """As root no file is closed to us; so be nobody for a while."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no users here")
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_tmp():
    """A folder that nobody, too, can enter."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_no_permission_is_named(open_tmp, save, film):
    save(open_tmp / "a.png")
    save(open_tmp / "b.png")
    film(open_tmp / "c.mp4", 2)
    for name in ("b.png", "c.mp4"):
        (open_tmp / name).chmod(0)
    save(open_tmp / "closed/d.png")
    with powerless():
        list(FolderSource(open_tmp).frames("a"))  # whatever is loaded on first use is loaded now
    (open_tmp / "closed").chmod(0)
    with powerless():
        with pytest.raises(DataError, match=r"closed: the folder may not be read \(permission denied\)"):
            FolderSource(open_tmp)
        source = FolderSource(open_tmp, on_error="skip")
        assert source.keys == ["a", "b", "c"]
        assert [len(list(source.frames(key))) for key in source.keys] == [1, 0, 0]
        assert [Path(path).name for path, _ in source.skipped] == ["closed", "b.png", "c.mp4"]
        assert all("permission denied" in reason for _, reason in source.skipped)
        for name in ("closed/d.png", "closed"):
            with pytest.raises(DataError, match="permission denied"):
                FolderSource(open_tmp / name)


def test_an_unknown_key_is_named(mixed):
    source = FolderSource(mixed)
    for act in (source.length, source.size, source.instances, lambda key: list(source.frames(key))):
        with pytest.raises(DataError, match=r'No clip "images/11" in .* Did you mean "images/1'):
            act("images/11")


@pytest.mark.parametrize(
    "wrong", [{"frames_as_video": "yes"}, {"stride": 0}, {"grey_bits": 7}, {"grey_bits": 17}, {"max_pixels": 0}]
)
def test_choices_that_make_no_sense_are_refused(wrong):
    with pytest.raises(DataError, match=f"{next(iter(wrong))} is "):
        Reading.__post_init__(SimpleNamespace(**asdict(Reading()) | wrong))  # past beartype, as users are
