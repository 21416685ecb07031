"""Videos, read frame by frame by PyAV (extra: video). Never more than a few frames are in memory.

    MP4 M4V MOV WebM MKV AVI    whatever FFmpeg reads in them; the first video stream

The display matrix of phones (rotation, mirror) is applied; transparency is laid over white; colours follow the matrix
and range that the stream names (BT.601 where it names none). Pixels that are not square stay as they are stored, and
interlaced frames as well. Variable frame rates make no difference: every coded frame is one frame.

A file's packets are counted before it is decoded, so that a broken tail is known at the start and the number of
frames is that of the frames that will come, whatever the container's header claims.
"""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, Int64, UInt8
from PIL import Image

from vitreous.data.colours import turn
from vitreous.data.containers import is_cut_off
from vitreous.data.pictures import by, refuse_huge
from vitreous.data.reading import SKIP, Reading, Unreadable, why
from vitreous.extras import need

ENDINGS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
# One packet is one frame in these. In others it need not be (fields, repeated frames): there frames are counted by
# decoding them
ONE_FRAME_PER_PACKET = {
    "h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg", "png", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo",
    "prores", "dnxhd", "qtrle", "cinepak", "h263",
}  # fmt: skip
VP8_SHOWN = 0x10  # in the first byte of a VP8 packet; a packet without it is a reference that is never seen
NO_TIMES = np.empty(0, np.int64)


@dataclass(frozen=True)
class Scan:
    """What the packets of a video tell, before any is decoded.

    frames   that can be read
    problem  what is wrong with the rest; empty if nothing
    times    when each frame is shown, ascending, in the stream's unit; empty if they cannot serve for seeking
    entries  those of them at which decoding can start
    """

    frames: int
    problem: str = ""
    times: Int64[np.ndarray, " t"] = field(default_factory=lambda: NO_TIMES, repr=False)
    entries: Int64[np.ndarray, " e"] = field(default_factory=lambda: NO_TIMES, repr=False)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Container and video stream."""
    av = need("av", "video", f"Reading the video {path}")
    try:
        with path.open("rb") as file:  # first, to hear of missing rights from the system, not from FFmpeg
            if not file.read(1):
                raise Unreadable(path, "the file is empty (0 bytes)")
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise Unreadable(
            path, f"the video is cut off or damaged: none of its frames can be read ({error.strerror})"
        ) from None
    except OSError as error:
        raise Unreadable(path, why(error)) from None
    with container:
        stream = container.streams.best("video")
        if (stream is None or stream.codec_context is None) and is_cut_off(path):
            raise Unreadable(path, "the video is cut off: none of its frames can be read")
        if stream is None:
            raise Unreadable(path, "it holds no video stream (sound only?)")
        if stream.codec_context is None:
            raise Unreadable(path, "this FFmpeg does not know how its video is coded", f"Convert it to H.264. {SKIP}")
        stream.thread_type = "AUTO"
        yield container, stream


def scan(path: Path, reading: Reading) -> Scan:
    """Go over the packets without decoding them. Only where a codec's packets need not be frames, decode and count."""
    times, entries, whole, timed = array("q"), array("q"), True, True
    with _opened(path) as (container, stream):
        refuse_huge(path, stream.codec_context.width, stream.codec_context.height, reading)
        codec, promised, total = stream.codec_context.name, stream.frames, 0
        for packet in _packets(container, stream):
            if packet is None:
                whole = False
                continue
            total += 1
            if packet.is_discard or (codec in ("vp8", "libvpx") and not bytes(packet)[0] & VP8_SHOWN):
                continue
            timed = timed and packet.pts is not None
            times.append(packet.pts or 0)
            if packet.is_keyframe:
                entries.append(times[-1])
    order = np.sort(np.array(times, np.int64))
    timed = timed and len(np.unique(order)) == len(order)
    # frames before the first entry cannot be decoded, and a decoder drops them without a word
    entered = len(entries) > 0 and entries[0] == times[0] and (not timed or entries[0] == order[0])
    frames = len(times) if codec in ONE_FRAME_PER_PACKET and entered else _count(path)
    if whole and total < (promised or total + 1) and is_cut_off(path):
        whole = False
    first = f"the first {frames} {f'of {promised} ' if promised else ''}frames" if frames else "none of its frames"
    problem = "" if whole else f"the video is cut off or damaged: {first} can be read"
    if not frames and whole:
        raise Unreadable(path, "the video holds no frames")
    if not timed or frames != len(times):
        return Scan(frames, problem)
    return Scan(frames, problem, order, np.sort(np.array(entries, np.int64)))


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets that hold something, up to the first that is damaged: in its place comes None, and that is the end."""
    av = need("av", "video", "Reading videos")
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                yield None
                return
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        yield None


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """All frames in the order in which they are shown, those that the decoder holds back as well."""
    for packet in _packets(container, stream):
        if packet is not None:
            yield from stream.codec_context.decode(packet)
    yield from stream.codec_context.decode(None)


def _count(path: Path) -> int:
    av = need("av", "video", f"Reading the video {path}")
    count = 0
    with _opened(path) as (container, stream), suppress(av.error.FFmpegError):
        for frame in _decoded(container, stream):
            if frame.is_corrupt:
                break
            count += 1
    return count


def read_frames(path: Path, found: Scan, wanted: range) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    """Decode the wanted frames one by one, up to the last there is; the same pictures wherever reading starts."""
    av = need("av", "video", f"Reading the video {path}")
    at, size, fault = wanted.start, None, "it is not there"
    try:
        for frame in _frames_from(path, found, wanted.start):
            if frame.is_corrupt or at == found.frames:
                fault = "it is damaged" if frame.is_corrupt else "there are more frames than packets"
                break
            if at in wanted:
                picture = to_rgb(frame)
                size = size or picture.shape
                if picture.shape != size:
                    raise Unreadable(path, f"frame {at} has {by(picture.shape)} pixels, those before {by(size)}")
                yield picture
            at += 1
        else:
            if at >= found.frames:
                return
    except av.error.FFmpegError as error:
        fault = error.strerror
    told = f"frame {at} cannot be decoded ({fault}): the first {at} of {found.frames} frames can be read"
    raise Unreadable(path, told)


def _frames_from(path: Path, found: Scan, start: int) -> Iterator[Any]:
    """Frames from `start` on; by a leap where it is seen to land well, else by decoding all that comes before."""
    before = found.entries[found.entries <= found.times[start]] if start < len(found.times) else NO_TIMES
    with _opened(path) as (container, stream):
        if len(before) < 3:
            yield from islice(_decoded(container, stream), start, None)
            return
        # not to the last entry but to the one before it: behind an open entry the first frames shown need frames from
        # before, and a picture that is renewed stripe by stripe is whole only at the next entry
        container.seek(int(before[-2]), stream=stream)
        frames = _decoded(container, stream)
        if (landed := _reach(frames, found, start)) is not None:
            yield landed
            yield from frames
            return
    yield from _frames_from(path, Scan(found.frames), start)


def _reach(frames: Iterator[Any], found: Scan, start: int) -> Any:
    """Frame `start`, if those on the way to it come without a gap; else None."""
    at = None
    for frame in frames:
        if frame.pts is None:
            return None
        at = int(np.searchsorted(found.times, frame.pts)) if at is None else at + 1
        if at > start or found.times[at] != frame.pts:
            return None
        if at == start:
            return frame
    return None


def to_rgb(frame: Any) -> UInt8[np.ndarray, "y x 3"]:
    if any(component.is_alpha for component in frame.format.components):
        over = Image.fromarray(frame.to_ndarray(format="rgba"))
        picture = np.asarray(Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB"))
    else:
        picture = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return turn(picture, _orientation(np.frombuffer(bytes(matrix), np.int32))) if matrix else picture


def _orientation(matrix: Int32[np.ndarray, "9"]) -> int:
    """The display matrix as an EXIF orientation; angles between the quarter turns go to the nearest."""
    to_x, to_y = matrix[[0, 3]], matrix[[1, 4]]  # x' = a x + c y,  y' = b x + d y
    if abs(to_x[0]) >= abs(to_x[1]):
        return {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}[to_x[0] < 0, to_y[1] < 0]
    return {(False, False): 5, (True, False): 6, (True, True): 7, (False, True): 8}[to_x[1] < 0, to_y[0] < 0]


def size_of(path: Path, found: Scan) -> tuple[int, int]:
    """y, x as shown. Decodes one frame, which alone knows how the video is to be turned."""
    for picture in read_frames(path, found, range(1)):
        return picture.shape[0], picture.shape[1]
    raise Unreadable(path, found.problem)
