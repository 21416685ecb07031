"""Videos are read frame by frame, alike from wherever reading starts, and a broken tail is known beforehand."""

import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from vitreous.data.containers import is_cut_off
from vitreous.data.reading import Reading, Unreadable
from vitreous.data.video import Scan, read_frames, scan, size_of

av = pytest.importorskip("av")

FILMS = {
    "h264.mp4": {},
    "h264.mov": {},
    "h264.mkv": {},
    "fast.mp4": {"muxer": {"movflags": "faststart"}},
    "open_gop.mp4": {"x264-params": "open-gop=1:bframes=3:scenecut=0:keyint=8"},
    "stripes.mp4": {"x264-params": "intra-refresh=1:keyint=8"},  # no frame but the first is whole in itself
    "hevc.mp4": {"codec": "libx265", "x265-params": "log-level=none:open-gop=1:keyint=8:bframes=3"},
    "vp9.webm": {"codec": "libvpx-vp9", "cpu-used": 8},
    "vp8.webm": {"codec": "libvpx", "auto-alt-ref": 1, "lag-in-frames": 16},
    "mpeg4.avi": {"codec": "mpeg4", "bf": 2},
    "mpeg2.mkv": {"codec": "mpeg2video", "bf": 2},
    "mjpeg.avi": {"codec": "mjpeg"},
}


@pytest.fixture(params=FILMS)
def any_film(request, film, tmp_path):
    options = dict(FILMS[request.param])
    codec = options.get("codec", "h264")
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    return film(tmp_path / request.param, 48, **options)


def whole(path):
    """As PyAV itself gives it."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_all_frames_come_and_their_number_is_known(any_film):
    found = scan(any_film, Reading())
    assert (found.frames, found.problem) == (48, "")
    frames = list(read_frames(any_film, found, range(48)))
    np.testing.assert_array_equal(frames, whole(any_film))
    assert size_of(any_film, found) == (48, 64)


def test_from_anywhere_the_same_frames(any_film):
    found = scan(any_film, Reading())
    frames = whole(any_film)
    for start in (1, 7, 8, 23, 24, 25, 41, 47):
        np.testing.assert_array_equal(list(read_frames(any_film, found, range(start, 48))), frames[start:])
    assert list(read_frames(any_film, found, range(48, 48))) == []


def test_a_stride_takes_every_nth_frame(film, tmp_path):
    path = film(tmp_path / "a.mp4", 24)
    frames = whole(path)
    np.testing.assert_array_equal(list(read_frames(path, scan(path, Reading()), range(0, 24, 5))), frames[::5])
    np.testing.assert_array_equal(list(read_frames(path, scan(path, Reading()), range(10, 24, 5))), frames[10::5])


def test_a_leap_that_lands_elsewhere_is_noticed(film, tmp_path):
    path = film(tmp_path / "a.mp4", 48)
    found = scan(path, Reading())
    assert len(found.entries) > 3
    for wrong in (found.times + 1, np.concatenate([found.times[:37], found.times[38:], found.times[-1:] + 1])):
        frames = list(read_frames(path, Scan(48, "", wrong, found.entries), range(40, 48)))
        np.testing.assert_array_equal(frames, whole(path)[40:])


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("down", [1, -1])
@pytest.mark.parametrize("right", [1, -1])
def test_a_phones_rotation_or_mirror_is_applied(film, tmp_path, swap, right, down):
    path = film(tmp_path / "a.mp4", 3)
    frames, content = whole(path), bytearray(path.read_bytes())
    identity = struct.pack(">5i", 65536, 0, 0, 0, 65536)
    at = content.index(identity, content.index(b"tkhd"))
    a, b, c, d = (0, down, right, 0) if swap else (right, 0, 0, down)  # x' = a x + c y,  y' = b x + d y
    content[at : at + 20] = struct.pack(">5i", *(65536 * value for value in (a, b, 0, c, d)))
    path.write_bytes(content)
    y, x = np.mgrid[:48, :64]
    new_x, new_y = a * x + c * y, b * x + d * y
    expected = np.empty((3, np.ptp(new_y) + 1, np.ptp(new_x) + 1, 3), np.uint8)
    expected[:, new_y - new_y.min(), new_x - new_x.min()] = frames
    found = scan(path, Reading())
    np.testing.assert_array_equal(list(read_frames(path, found, range(3))), expected)
    assert size_of(path, found) == expected.shape[1:3]


def test_transparency_shows_white(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=12)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgba"
        picture = np.zeros((16, 16, 4), np.uint8)
        picture[:8] = [255, 0, 0, 255]
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba")))
        container.mux(stream.encode())
    (frame,) = read_frames(path, scan(path, Reading()), range(1))
    assert frame[0, 0].tolist() == [255, 0, 0]
    assert frame[15, 0].tolist() == [255, 255, 255]


def test_memory_does_not_grow_with_the_video(film, tmp_path):
    path = film(tmp_path / "a.mp4", 300, size=(96, 160))
    found = scan(path, Reading())
    tracemalloc.start()
    shown = sum(1 for _ in read_frames(path, found, range(300)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shown == 300
    assert peak < 12 * 96 * 160 * 3  # a dozen frames of 300


@pytest.mark.parametrize(("name", "options"), [
    ("a.mp4", {"muxer": {"movflags": "faststart"}}), ("parts.mp4", {"muxer": {"movflags": "frag_keyframe+empty_moov"}}),
    ("a.mkv", {}), ("a.webm", {"codec": "libvpx-vp9", "cpu-used": 8}), ("a.avi", {"codec": "mjpeg"}),
])  # fmt: skip
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_broken_tail_is_known_and_the_rest_is_right(film, tmp_path, name, options, share):
    path = film(tmp_path / name, 48, **options)
    frames, content = whole(path), path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    found = scan(path, Reading())
    assert 0 < found.frames < 48
    assert f"the first {found.frames}" in found.problem
    readable = list(read_frames(path, found, range(found.frames)))
    assert len(readable) == found.frames
    in_order = len(readable) - 4  # where frames are stored out of order, the last few may have a gap
    np.testing.assert_array_equal(readable[:in_order], frames[:in_order])


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi"])
def test_wherever_it_is_cut_no_shorter_video_comes_of_it(film, tmp_path, name):
    path = film(tmp_path / name, 24, codec={"webm": "libvpx-vp9", "avi": "mpeg4"}.get(name[2:], "h264"))
    content = path.read_bytes()
    for end in range(1, len(content), len(content) // 40):
        path.write_bytes(content[:end])
        try:
            found = scan(path, Reading())
        except Unreadable:
            continue  # not one frame
        assert len(list(read_frames(path, found, range(found.frames)))) == found.frames
        assert found.problem or found.frames == 24


def test_damage_in_the_middle_is_found_when_it_is_decoded(film, tmp_path):
    path = film(tmp_path / "a.mp4", 48, muxer={"movflags": "faststart"})
    frames, content = whole(path), bytearray(path.read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(content)
    found, seen = scan(path, Reading()), []
    assert found.frames == 48
    with pytest.raises(
        Unreadable, match=r"frame \d+ cannot be decoded .*: the first \d+ of 48 frames can be read"
    ) as told:
        seen.extend(frame for frame in read_frames(path, found, range(48)))
    assert f"the first {len(seen)} of" in str(told.value)
    assert 4 < len(seen) < 48
    np.testing.assert_array_equal(seen[:4], frames[:4])


@pytest.mark.parametrize(
    ("content", "text"), [(b"", "empty"), (b"Dear diary", "none of its frames"), (bytes(5000), "none of its frames")]
)
def test_no_video_at_all_is_named(tmp_path, content, text):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(Unreadable, match=text) as told:
        scan(tmp_path / "a.mp4", Reading())
    assert str(told.value).startswith(str(tmp_path / "a.mp4"))


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(Unreadable, match="no video stream"):
        scan(path, Reading())


def test_a_huge_video_is_refused(film, tmp_path):
    with pytest.raises(Unreadable, match=r"a\.mp4: 64 x 48 pixels are 0\.0 megapixels"):
        scan(film(tmp_path / "a.mp4", 2), Reading(max_pixels=3000))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi"])
def test_a_file_knows_where_it_should_end(film, tmp_path, name):
    path = film(tmp_path / name, 4, **({"codec": "libvpx-vp9", "cpu-used": 8} if name.endswith("webm") else {}))
    content = path.read_bytes()
    assert not is_cut_off(path)
    for end in (len(content) // 2, len(content) - 2):
        path.write_bytes(content[:end])
        assert is_cut_off(path)


def test_a_picture_is_not_a_cut_video(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert not is_cut_off(tmp_path / "a.png")
