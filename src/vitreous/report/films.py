"""Pictures, one after the other, as a video or an animation of bounded size."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vitreous.extras import need

FRAMES_PER_SECOND = 12  # slow enough to look at
GIF_FRAMES, GIF_SIDE = 120, 480  # a GIF is for showing: 3 MB or so, however long the film


class Film(Protocol):
    """Takes frames until it is closed; only then there is a whole file."""

    def add(self, picture: UInt8[np.ndarray, "y x 3"]) -> None: ...

    def close(self) -> None: ...


class Mp4:
    """H.264, by PyAV (extra: video). Frames are cut to even sides, which the codec wants."""

    def __init__(self, path: Path) -> None:
        self.av = need("av", "video", "Writing videos")
        self.video: Any = self.av.open(str(path), "w")
        self.stream: Any = None

    def add(self, picture: UInt8[np.ndarray, "y x 3"]) -> None:
        height, width = (side - side % 2 for side in picture.shape[:2])
        if self.stream is None:
            self.stream = self.video.add_stream("h264", rate=Fraction(FRAMES_PER_SECOND))
            self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        frame = self.av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), "rgb24")
        self.video.mux(self.stream.encode(frame))

    def close(self) -> None:
        if self.stream is not None:
            self.video.mux(self.stream.encode())
        self.video.close()


class Gif:
    """At most 120 frames of 480 px: of a longer film every second one, or every fourth ..., as long as the film."""

    def __init__(self, path: Path) -> None:
        self.path, self.step, self.seen = path, 1, 0
        self.frames: list[Image.Image] = []

    def add(self, picture: UInt8[np.ndarray, "y x 3"]) -> None:
        if self.seen % self.step == 0:
            if len(self.frames) == GIF_FRAMES:
                self.frames, self.step = self.frames[::2], 2 * self.step
            if self.seen % self.step == 0:
                small = Image.fromarray(picture)
                small.thumbnail((GIF_SIDE, GIF_SIDE))
                self.frames.append(small.quantize(128))
        self.seen += 1

    def close(self) -> None:
        if self.frames:
            first, *rest = self.frames
            duration = round(1000 * self.step / FRAMES_PER_SECOND)
            first.save(self.path, save_all=True, append_images=rest, duration=duration, loop=0)


FILMS = {"mp4": Mp4, "gif": Gif}
