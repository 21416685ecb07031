"""Segmentations as files: choose among KINDS.

labels/NAME.png       8-bit palette: pixel = slot number, 255 (white) where nothing was decided
overlays/NAME.png     labels over the picture, borders in white
objects/NAME/03.png   what slot 3 owns, cut out: RGBA, see-through elsewhere, no larger than it is
coco.json             all pictures: COCO, masks run-length encoded (extra `coco`), see coco.py
pictures/NAME.png     (coco) what was looked at, where that is not the picture as it was: cut, or reduced
shares/NAME.npz       labels int16 [y x] and soft shares float16 [k y x]
overlays/CLIP.mp4     the overlays of a video as a video (extra `video`)
overlays/CLIP.gif     the same as an animation of at most 120 frames, 480 px
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image

from vitreous.errors import VitreousError, did_you_mean
from vitreous.extras import need
from vitreous.predict.segment import Segmented
from vitreous.report.coco import CocoFile
from vitreous.report.films import FILMS, Film
from vitreous.report.pictures import PALETTE, overlay

KINDS = ("labels", "overlay", "objects", "coco", "npz", "mp4", "gif")
UNDECIDED = 255


class MaskWriter:
    """Writes what is found, a frame at a time, below a folder. Use it as a context: films and coco.json end with it.

    about  what made the segments, for coco.json
    """

    def __init__(self, out: Path, kinds: Collection[str] = ("labels", "overlay"), about: str = "") -> None:
        for kind in kinds:
            if kind not in KINDS:
                raise VitreousError(f'No output "{kind}".{did_you_mean(kind, KINDS)}')
        if "mp4" in kinds:
            need("av", "video", "Writing videos")
        self.out, self.kinds = Path(out), frozenset(kinds)
        self.coco = CocoFile(about) if "coco" in kinds else None
        self.clip: str | None = None
        self.films: list[Film] = []

    def __enter__(self) -> "MaskWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def __call__(self, found: Segmented, file: str | None = None) -> list[Path]:
        """Write one frame; frames of a video in their order. Returns the files of its own.

        file  the picture's, as coco.json should call it; else its name
        """
        over = None
        if self.kinds & {"overlay", *FILMS}:
            over = overlay(found.picture, found.found.labels[0].numpy())
        written = list(self.pictures(found, over))
        if self.coco is not None:
            if not found.whole:  # its masks would not lie on the file
                file = f"pictures/{found.name}.png"
                written.append(save(Image.fromarray(found.picture), self.place("pictures", f"{found.name}.png")))
            self.coco.add(found, file or f"{found.name}.png")
        if found.clip is not None and over is not None:
            self.show(found.clip, over)
        return written

    def pictures(self, found: Segmented, over: UInt8[np.ndarray, "y x 3"] | None) -> Iterator[Path]:
        labels = found.found.labels[0].numpy()
        if "labels" in self.kinds:
            yield save(indexed(labels), self.place("labels", f"{found.name}.png"))
        if "overlay" in self.kinds and over is not None:
            yield save(Image.fromarray(over), self.place("overlays", f"{found.name}.png"))
        if "objects" in self.kinds:
            for slot in np.unique(labels[labels >= 0]).tolist():
                cut = cut_out(found.picture, labels == slot)
                yield save(cut, self.place("objects", f"{found.name}/{slot:02d}.png"))
        if "npz" in self.kinds:
            path, shares = self.place("shares", f"{found.name}.npz"), found.found.shares
            assert shares is not None
            numbers = {"labels": labels.astype(np.int16), "shares": shares[0].numpy().astype(np.float16)}
            np.savez_compressed(path, **numbers)
            yield path

    def place(self, folder: str, name: str) -> Path:
        path = self.out / folder / name
        if not path.resolve().is_relative_to(self.out.resolve()):
            raise VitreousError(f'"{name}" would be written outside {self.out}: names may not lead out of it.')
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def show(self, clip: str, over: UInt8[np.ndarray, "y x 3"]) -> None:
        """One more frame of the films of a clip."""
        if clip != self.clip:
            self.end_films()
            kinds = [kind for kind in FILMS if kind in self.kinds]
            self.clip, self.films = clip, [FILMS[kind](self.place("overlays", f"{clip}.{kind}")) for kind in kinds]
        for film in self.films:
            film.add(over)

    def end_films(self) -> None:
        for film in self.films:
            film.close()
        self.clip, self.films = None, []

    def finish(self) -> None:
        """Close the films that are being written, and write coco.json."""
        self.end_films()
        if self.coco is not None and self.coco.images:
            self.coco.write(self.out / "coco.json")


def indexed(labels: Int[np.ndarray, "y x"]) -> Image.Image:
    """Slot numbers as a picture with a palette."""
    picture = Image.fromarray(np.where(labels < 0, UNDECIDED, labels).astype(np.uint8))
    colours = np.resize(PALETTE, (256, 3))
    colours[UNDECIDED] = 255
    picture.putpalette(colours.tobytes())
    return picture


def cut_out(picture: UInt8[np.ndarray, "y x 3"], owned: Bool[np.ndarray, "y x"]) -> Image.Image:
    """The picture where it is owned, see-through elsewhere, cut to the box around it."""
    (top, bottom), (left, right) = (
        (lines[0], lines[-1] + 1) for lines in (np.flatnonzero(owned.any(1)), np.flatnonzero(owned.any(0)))
    )
    box = (slice(top, bottom), slice(left, right))
    alpha = np.where(owned, np.uint8(255), np.uint8(0))
    return Image.fromarray(np.dstack([picture[box], alpha[box]]))


def save(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path
