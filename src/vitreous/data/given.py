"""Pictures that are at hand - arrays, Pillow's pictures, paths, or a mix of these - as a data set."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from vitreous.data.reading import Reading
from vitreous.errors import DataError
from vitreous.types import Clip, Frame, Source

EXPECTED = "8-bit pictures were expected: uint8 [y x 3], or [y x] for grey; of a video [t y x 3]"


class Given:
    """Satisfies types.Source. Items are taken as they come; what cannot be a picture raises DataError at once.

    picture_3   the fourth item, where it has no name of its own; a path keeps its name, a Frame and a Clip their key
    """

    skipped: list[tuple[str, str]]

    def __init__(self, items: Sequence[Any], on_error: Literal["raise", "skip"] = "raise") -> None:
        from vitreous.data import open_source

        self.skipped = []
        self.clips: dict[str, tuple[Source, str] | UInt8[np.ndarray, "t y x 3"]] = {}
        for number, item in enumerate(items):
            if isinstance(item, (str, Path)):
                source = open_source(item, on_error=on_error)
                source.skipped = self.skipped
                for key in source.keys:
                    self.clips[self.free(key)] = (source, key)
            else:
                key = item.key if isinstance(item, (Clip, Frame)) else f"picture_{number}"
                self.clips[self.free(key)] = frames_of(item, f"Item {number}" if len(items) > 1 else "What was given")

    def free(self, key: str) -> str:
        """The key, with a number where it is taken."""
        names = [key, *(f"{key}_{i}" for i in range(1, len(self.clips) + 1))]
        return next(name for name in names if name not in self.clips)

    @property
    def name(self) -> str:
        return "pictures"

    @property
    def keys(self) -> Sequence[str]:
        return list(self.clips)

    def length(self, key: str) -> int:
        clip = self.clips[key]
        return len(clip) if isinstance(clip, np.ndarray) else clip[0].length(clip[1])

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        clip = self.clips[key]
        if isinstance(clip, np.ndarray):
            yield from (Frame(key, at, clip[at]) for at in range(start, len(clip)))
        else:
            for frame in clip[0].frames(clip[1], start):
                yield Frame(key, frame.index, frame.image, frame.ids, frame.encoded)

    def instances(self, key: str) -> None:
        return None

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for key, clip in self.clips.items():
            digest.update(f"{key}\0".encode())
            digest.update(clip.tobytes() if isinstance(clip, np.ndarray) else clip[0].fingerprint().encode())
        return digest.hexdigest()


def frames_of(item: Any, name: str) -> UInt8[np.ndarray, "t y x 3"]:
    """A picture or the frames of a video as one array; DataError for what is neither."""
    if isinstance(item, Clip):
        return item.frames
    if isinstance(item, Frame):
        return item.image[None]
    if isinstance(item, Image.Image):
        return of_pillow(item, name)[None]
    array = np.asarray(item)
    if array.dtype != np.uint8:
        advice = "\nFrom numbers in [0, 1]:  (255 * picture).round().astype('uint8')" if array.dtype.kind == "f" else ""
        raise DataError(f"{name} is {array.dtype} {list(array.shape)}. {EXPECTED}.{advice}")
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim not in (3, 4) or array.shape[-1] != 3 or not array.size:
        raise DataError(f"{name} is uint8 {list(array.shape)}. {EXPECTED}.")
    check_pixels(array.shape[-2], array.shape[-3], name)
    return array if array.ndim == 4 else array[None]


def of_pillow(picture: Image.Image, name: str) -> UInt8[np.ndarray, "y x 3"]:
    """Turned as its EXIF says, transparency over white."""
    check_pixels(*picture.size, name)
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.has_transparency_data:
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
        return np.array(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name} cannot be decoded: {error}.") from None


def check_pixels(x: int, y: int, name: str) -> None:
    most = Reading().max_pixels
    if x * y > most:
        raise DataError(
            f"{name} has {x * y / 1e6:,.0f} megapixels, and the limit is {most / 1e6:,.0f}: make it smaller."
        )
