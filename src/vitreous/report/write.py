"""Segmentations as files."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from vitreous.extras import need
from vitreous.predict.segment import Segmented
from vitreous.report.pictures import PALETTE, overlay

FRAMES_PER_SECOND = 12  # of overlay videos: slow enough to look at


class MaskWriter:
    """Writes what is found, a frame at a time, below a folder. Use it as a context: a video ends with it.

    labels/NAME.png     8-bit palette: pixel = slot number
    overlays/NAME.png   labels over the picture, borders in white
    shares/NAME.npz     (npz) labels int16 [y x] and soft shares float16 [k y x]
    overlays/CLIP.mp4   (mp4) the overlays of a video; needs the extra `video`
    """

    def __init__(self, out: Path, *, npz: bool = False, mp4: bool = False) -> None:
        self.out, self.npz, self.mp4 = out, npz, mp4
        self.av = need("av", "video", "Writing videos") if mp4 else None
        self.clip: str | None = None
        self.video: Any = None
        self.stream: Any = None

    def __enter__(self) -> "MaskWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def __call__(self, found: Segmented) -> Path:
        """Write one frame; frames of a video in their order. Returns the overlay's path."""
        labels = found.found.labels[0].numpy()
        over = overlay(found.picture, labels)
        indexed = Image.fromarray(labels.astype(np.uint8))
        indexed.putpalette(np.resize(PALETTE, (256, 3)).tobytes())
        indexed.save(self.place("labels", f"{found.name}.png"))
        path = self.place("overlays", f"{found.name}.png")
        Image.fromarray(over).save(path)
        if self.npz:
            shares = found.found.shares
            assert shares is not None
            np.savez_compressed(
                self.place("shares", f"{found.name}.npz"),
                labels=labels.astype(np.int16),
                shares=shares[0].numpy().astype(np.float16),
            )
        if self.mp4 and found.clip is not None:
            self.show(found.clip, over)
        return path

    def place(self, folder: str, name: str) -> Path:
        path = self.out / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def show(self, clip: str, picture: np.ndarray) -> None:
        """One more frame of the overlay video of a clip."""
        height, width = (side - side % 2 for side in picture.shape[:2])  # the codec wants even sides
        if clip != self.clip:
            self.finish()
            self.clip, self.video = clip, self.av.open(self.place("overlays", f"{clip}.mp4"), "w")  # pyright: ignore
            self.stream = self.video.add_stream("h264", rate=Fraction(FRAMES_PER_SECOND))
            self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, "yuv420p"
        frame = self.av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), "rgb24")  # pyright: ignore
        self.video.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Close the video that is being written."""
        if self.video is not None:
            self.video.mux(self.stream.encode())
            self.video.close()
        self.clip = self.video = self.stream = None
