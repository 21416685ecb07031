"""What `vitreous.segment` gives: a picture and its segments, or many, one after the other; both show themselves."""

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from PIL import Image

from vitreous.errors import VitreousError
from vitreous.predict.segment import Segmented
from vitreous.report.pictures import overlay, sheet
from vitreous.report.write import MaskWriter

SIDE, TITLE = 160, 20  # px; letters
SHOWN, STEP = 8, 3  # pictures on a sheet of many; of a video every third frame, or they are all alike


class Found:
    """A picture and what was found in it.

    name     the file's, or picture_0; of a video's frame key/0007
    picture  the part that the run looked at
    labels   slot number of each pixel; -1 where nothing was decided
    shares   how much of each pixel each slot owns, summing to 1 over k
    slots    a vector per slot; None where slots are not known
    """

    def __init__(self, segmented: Segmented, about: str = "") -> None:
        self.segmented, self.about, self.name = segmented, about, segmented.name
        self.picture: UInt8[np.ndarray, "y x 3"] = segmented.picture

    @cached_property
    def labels(self) -> Int64[np.ndarray, "y x"]:
        return self.segmented.found.labels[0].numpy()

    @cached_property
    def shares(self) -> Float32[np.ndarray, "k y x"] | None:
        shares = self.segmented.found.shares
        return None if shares is None else shares[0].numpy()

    @cached_property
    def slots(self) -> Float32[np.ndarray, "k s"] | None:
        slots = self.segmented.slots
        return None if slots is None else slots.float().numpy()

    @cached_property
    def present(self) -> list[int]:
        """Numbers of the slots that own a pixel: the segments, background among them."""
        return np.unique(self.labels[self.labels >= 0]).tolist()

    @property
    def masks(self) -> Bool[np.ndarray, "k y x"]:
        """One mask per slot, in the order of `slots` and `shares`; empty where a slot owns nothing."""
        known = self.shares if self.shares is not None else self.slots
        count = max([*self.present, -1]) + 1 if known is None else len(known)
        return self.labels == np.arange(count)[:, None, None]

    @property
    def overlay(self) -> Image.Image:
        """Segments over the picture, borders in white."""
        return Image.fromarray(overlay(self.picture, self.labels))

    def sheet(self) -> Image.Image:
        """The picture, and its segments beside it."""
        columns = [("picture", [self.picture]), (f"{len(self.present)} segments", [np.asarray(self.overlay)])]
        return sheet(columns, side=320)

    def show(self) -> None:
        """In a notebook below the cell, else in the system's viewer of pictures."""
        show(self.sheet())

    def save(self, out: Path | str, kinds: Collection[str] = ("labels", "overlay")) -> list[Path]:
        """Write files below a folder; `kinds` as of report/write.py: labels overlay objects coco npz."""
        with MaskWriter(Path(out), kinds, self.about) as write:
            return write(self.segmented) + ([write.out / "coco.json"] if "coco" in kinds else [])

    def __repr__(self) -> str:
        y, x = self.labels.shape
        return f"Found({self.name!r}: {len(self.present)} segments in {x} x {y} px)"

    def _repr_png_(self) -> bytes:
        return png(self.sheet())


class FoundMany:
    """Pictures or frames, segmented when they are asked for: one after the other, so a long video is never held whole.

        for frame in found: frame.labels        list(found) keeps them all, which is for short ones

    about    what made the segments
    total    frames that there are to be; None where nobody knows (a live stream)
    skipped  (path, reason) of what could not be read and was left out, as far as it was asked for
    """

    def __init__(
        self,
        make: Callable[[], Iterator[Segmented]],
        about: str,
        name: str,
        total: int | None,
        skipped: list[tuple[str, str]],
    ) -> None:
        self.make, self.about, self.name, self.total, self.skipped = make, about, name, total, skipped

    def __iter__(self) -> Iterator[Found]:
        return (Found(segmented, self.about) for segmented in self.make())

    def __len__(self) -> int:
        if self.total is None:
            raise VitreousError(f"{self.name} is live: nobody knows how many frames will come.")
        return self.total

    def __getitem__(self, at: int) -> Found:
        """The picture or frame at a place, from 0; all before it are segmented, too."""
        if at < 0:
            at += len(self)
        for found in islice(self, max(at, 0), None):
            return found
        raise IndexError(f"{self.name} has no picture {at}.")

    def sheet(self) -> Image.Image:
        """The first pictures, or some of the first frames, with their segments."""
        seen: list[Found] = []
        for at, found in enumerate(self):
            if found.segmented.clip is None or at % STEP == 0:
                seen.append(found)
            if len(seen) == SHOWN:
                break
        columns = [(one.name[-TITLE:], [one.picture, np.asarray(one.overlay)]) for one in seen]
        return sheet(columns or [("nothing", [])], side=SIDE)

    def show(self) -> None:
        """Some of them: in a notebook below the cell, else in the system's viewer of pictures."""
        show(self.sheet())

    def save(self, out: Path | str, kinds: Collection[str] = ("labels", "overlay")) -> Path:
        """Write files below a folder, as they come; `kinds` as of report/write.py, mp4 and gif for videos."""
        with MaskWriter(Path(out), kinds, self.about) as write:
            for segmented in self.make():
                write(segmented)
        return Path(out)

    def __repr__(self) -> str:
        return f"FoundMany({self.name!r}: {'live' if self.total is None else f'{self.total} pictures'}, {self.about})"

    def _repr_png_(self) -> bytes | None:
        return None if self.total is None else png(self.sheet())  # a notebook does not wait for a camera by itself


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def show(picture: Image.Image) -> None:
    """Below the cell where this is a notebook."""
    try:
        from IPython import get_ipython  # pyright: ignore[reportMissingImports]
        from IPython.display import display  # pyright: ignore[reportMissingImports]
    except ImportError:
        picture.show()
        return
    if get_ipython() is None:
        picture.show()
    else:
        display(picture)
