"""Live video, frame by frame, by PyAV (extra: video): a webcam, or a stream by its address. It has no length.

webcam:0                            the first camera: Video4Linux, AVFoundation (macOS), DirectShow by name (Windows)
https:// http:// rtsp:// rtmp:// udp:// rtp:// srt://    what FFmpeg opens
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from vitreous.data.pictures import refuse_huge
from vitreous.data.reading import Reading
from vitreous.data.video import to_rgb
from vitreous.errors import DataError
from vitreous.extras import need
from vitreous.types import Frame

ADDRESSES = ("http://", "https://", "rtsp://", "rtmp://", "udp://", "rtp://", "srt://", "webcam:")
PATIENCE_S = 10.0  # to open, and between two frames


def is_stream(address: object) -> bool:
    return isinstance(address, str) and address.startswith(ADDRESSES)


def stream_frames(address: str, key: str = "live") -> Iterator[Frame]:
    """Frames as they come, until the stream ends. DataError where it cannot be opened, or breaks off."""
    av = need("av", "video", "Live video")
    name, how = camera(address.removeprefix("webcam:")) if address.startswith("webcam:") else (address, None)
    seen = 0
    try:
        with av.open(name, format=how, timeout=PATIENCE_S) as container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise DataError(f"{address} holds no video that can be decoded.")
            refuse_huge(Path(address), stream.codec_context.width, stream.codec_context.height, Reading())
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                yield Frame(key, seen, to_rgb(frame))
                seen += 1
    except (av.error.FFmpegError, OSError) as error:
        told = getattr(error, "strerror", None) or str(error)
        if seen:
            raise DataError(f"{address} broke off after {seen} frames ({told}).") from None
        raise DataError(f"{address} cannot be opened ({told}).\n{advice(address)}") from None


def camera(number: str) -> tuple[str, str]:
    """What FFmpeg calls the camera on this system, and by which of its devices."""
    if sys.platform == "darwin":
        return number, "avfoundation"
    if sys.platform == "win32":
        return f"video={number}", "dshow"
    return (f"/dev/video{number}" if number.isdigit() else number), "v4l2"


def advice(address: str) -> str:
    if not address.startswith("webcam:"):
        return "Is the address right, and is there a network?"
    found = sorted(str(path) for path in Path("/dev").glob("video*"))
    return f"Cameras here: {', '.join(found) or 'none (no /dev/video*)'}. Another program may hold it."
