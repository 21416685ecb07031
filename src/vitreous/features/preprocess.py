"""What a backbone sees of a picture, and what the store keeps of it.

    source picture -> kept picture -> view (flip, turn, crop) -> fit (crop or squash) -> resize -> blur -> backbone

Everything after "kept" is a function of the kept picture alone, so features can be computed again from the store.
Ids are kept at the size of the kept picture and go through the same view and fit, never through resize and blur.
"""

from dataclasses import dataclass
from io import BytesIO
from math import gcd

import numpy as np
from jaxtyping import Int, Shaped, UInt8
from PIL import Image

from vitreous.errors import DataError, VitreousError, did_you_mean
from vitreous.features.views import blurred, viewed
from vitreous.features.views import check_views as check_views  # found here before views had a file of their own
from vitreous.features.views import crop_box as crop_box
from vitreous.types import Frame

FITS = ("crop", "squash")
LOSSLESS_SIDE = 512  # px; what has to be encoded anew stays lossless up to here: PNG is slow and big beyond
NOT_SCORED = 65535  # how -1 is written in a 16-bit PNG, as in data/rendered.py
WIDE = 1 << 24  # ids beyond 16 bits are spread over R, G and B; its last value is -1


def check_fit(fit: str) -> str:
    if fit not in FITS:
        raise VitreousError(f'No fit "{fit}".{did_you_mean(fit, FITS)}')
    return fit


def sides(grid: str) -> tuple[int, int]:
    """16 -> (16, 16), 16x24 -> (16, 24)."""
    numbers = grid.lower().split("x")
    if len(numbers) > 2 or not all(number.strip().isdigit() for number in numbers):
        raise VitreousError(f'grid "{grid}" is not a number of patches, as in 16 or 16x24.')
    return int(numbers[0]), int(numbers[-1])


def fitted(pixels: Shaped[np.ndarray, "y x *c"], shape: tuple[int, int], fit: str) -> Shaped[np.ndarray, "Y X *c"]:
    """What the grid spans: all of it (squash), or the largest centred part with the aspect ratio of `shape` (crop).

    `shape` is the grid, or the size in pixels that it stands for: the same part comes out.
    """
    if fit == "squash":
        return pixels
    y, x = pixels.shape[:2]
    ratio = [side // gcd(*shape) for side in shape]
    scale = min(y / ratio[0], x / ratio[1])
    height, width = (max(1, round(scale * side)) for side in ratio)
    top, left = (y - height) // 2, (x - width) // 2
    return pixels[top : top + height, left : left + width]


def resized(pixels: UInt8[np.ndarray, "y x 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "Y X 3"]:
    """Bicubic with antialiasing, as the backbones were trained; `size` is (y, x)."""
    if pixels.shape[:2] == size:
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class Preprocess:
    """Frames as a backbone sees them, at full size first: `resize` comes last, so masks can be drawn on the picture.

    size  of the backbone's input in pixels (y, x): `backbone.size_for(grid)`
    """

    size: tuple[int, int]
    fit: str = "crop"
    view: str = "identity"

    def __call__(self, frame: Frame) -> Frame:
        """The part that the grid spans, picture and ids alike; `encoded` stays where nothing was changed."""
        image = self.look(frame.image, frame.image)
        ids = None if frame.ids is None else self.look(frame.ids, frame.image)
        same = self.view == "identity" and image.shape == frame.image.shape
        return Frame(frame.key, frame.index, image, ids, frame.encoded if same else None)

    def look(
        self, pixels: Shaped[np.ndarray, "y x *c"], drawn_by: UInt8[np.ndarray, "y x 3"]
    ) -> Shaped[np.ndarray, "Y X *c"]:
        return np.ascontiguousarray(fitted(viewed(pixels, self.view, drawn_by), self.size, self.fit))

    def resize(self, image: UInt8[np.ndarray, "y x 3"]) -> UInt8[np.ndarray, "Y X 3"]:
        """What the backbone gets: resized, and blurred where the view says so."""
        return blurred(resized(image, self.size), self.view)


@dataclass(frozen=True)
class Kept:
    """A picture as the store holds it: `encoded` decodes to exactly `image`, at most `keep_side` on its longer side."""

    encoded: bytes
    image: UInt8[np.ndarray, "y x 3"]
    ids: bytes | None


def keep(frame: Frame, side: int) -> Kept:
    """The file's own bytes where they are small enough; else encoded anew.

    Up to 512 px losslessly (PNG); beyond that as JPEG (quality 95, full chroma), and then the model sees what the
    JPEG decodes to. Above `side` the picture is reduced (Lanczos) and its ids with it (nearest).
    """
    y, x = frame.image.shape[:2]
    ids = frame.ids
    if ids is not None and ids.shape != (y, x):
        raise DataError(f"{frame.key}: the picture is {y} x {x} px but its ids are {ids.shape[0]} x {ids.shape[1]}.")
    if max(y, x) <= side and frame.encoded is not None:
        return Kept(frame.encoded, frame.image, None if ids is None else encode_ids(ids))
    image = frame.image
    if max(y, x) > side:
        size = (max(1, round(y * side / max(y, x))), max(1, round(x * side / max(y, x))))
        image = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.LANCZOS))
        ids = None if ids is None else nearest(ids, size)
    encoded = encode(image)
    return Kept(encoded, decode(encoded), None if ids is None else encode_ids(ids))


def encode(image: UInt8[np.ndarray, "y x 3"]) -> bytes:
    file, picture = BytesIO(), Image.fromarray(image)
    if max(image.shape[:2]) <= LOSSLESS_SIDE:
        picture.save(file, "PNG", compress_level=3)  # 6 takes three times as long and saves 3 %
    else:
        picture.save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def decode(encoded: bytes) -> UInt8[np.ndarray, "y x 3"]:
    with Image.open(BytesIO(encoded)) as picture:
        return np.array(picture.convert("RGB"))


def nearest(ids: Int[np.ndarray, "y x"], size: tuple[int, int]) -> Int[np.ndarray, "Y X"]:
    picture = Image.fromarray(ids.astype(np.int32))
    return np.array(picture.resize((size[1], size[0]), Image.Resampling.NEAREST))


def encode_ids(ids: Int[np.ndarray, "y x"]) -> bytes:
    """PNG of 16 bits, or of 24 where ids are larger; -1 is the last value of either."""
    if ids.size and (ids.min() < -1 or ids.max() >= WIDE - 1):
        raise DataError(f"Object ids must lie in -1..{WIDE - 2}, found {ids.min()}..{ids.max()}.")
    file = BytesIO()
    if not ids.size or ids.max() < NOT_SCORED:
        picture = Image.fromarray(np.where(ids < 0, NOT_SCORED, ids).astype(np.uint16))
    else:
        wide = np.where(ids < 0, WIDE - 1, ids).astype(np.uint32)
        picture = Image.fromarray(np.stack([wide >> 16, wide >> 8, wide], axis=2).astype(np.uint8))
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue()


def decode_ids(encoded: bytes) -> Int[np.ndarray, "y x"]:
    with Image.open(BytesIO(encoded)) as picture:
        values = np.array(picture).astype(np.int32)
    if values.ndim == 3:
        values = (values[..., 0] << 16) | (values[..., 1] << 8) | values[..., 2]
        return np.where(values == WIDE - 1, -1, values)
    return np.where(values == NOT_SCORED, -1, values)
