"""From what a picture file holds to 8-bit sRGB; the table of what becomes of the unusual is in `pictures.py`."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageChops, ImageCms
from PIL.ImageFile import ImageFile

from vitreous.data.reading import Notes, Reading, Unreadable

ORIENTATION = 0x0112
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
COLOUR_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # of a profile -> mode of Pillow that it takes


def decode(image: ImageFile, path: Path, reading: Reading, notes: Notes) -> tuple[UInt8[np.ndarray, "y x 3"], bool]:
    """The current page as 8-bit sRGB; and whether any decoder finds the same without knowing what we know."""
    image.load()
    profile = _foreign_profile(image.info.get("icc_profile"), path, notes)
    # Pillow turns a TIFF while loading
    orientation = 1 if image.format == "TIFF" else image.getexif().get(ORIENTATION, 1)
    plain = image.mode in ("RGB", "L") and profile is None and orientation == 1 and not _see_through(image)
    flat: Image.Image = image
    if image.mode == "F" or image.mode.startswith("I"):
        flat = Image.fromarray(_deep_grey(image, path, reading, notes))
    elif _see_through(image):
        flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    elif image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        flat = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for one with Adobe's inverted ink
    return turn(np.asarray(_to_srgb(flat, profile, path, notes)), orientation), plain


def _see_through(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
        "transparency" in image.info and image.mode in ("P", "L", "RGB", "1")
    )


def _deep_grey(image: ImageFile, path: Path, reading: Reading, notes: Notes) -> UInt8[np.ndarray, "y x"]:
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= (1 if image.mode == "F" else 65535)):  # catches NaN, too
        kind = "float" if image.mode == "F" else "32-bit"
        raise Unreadable(
            path,
            f"{kind} grey from {low:g} to {high:g} says not what is black and what is white",
            "Write it as 8- or 16-bit grey, or as float from 0 to 1; or go on without it:  --on-error skip",
        )
    white = 1.0
    if image.mode != "F":
        bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
        white = 2.0 ** (bits if 8 < bits < 16 else reading.grey_bits) - 1
        if 0 < high < white / 16:
            notes.add("16-bit grey that uses less than 1/16 of its range reads nearly black; see grey_bits", path)
        if high > white:
            notes.add(f"16-bit grey brighter than {white:.0f} reads as white; see grey_bits", path)
    grey = np.rint(np.minimum(values, white) * np.float32(255 / white)).astype(np.uint8)
    return 255 - grey if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else grey


def _foreign_profile(profile: bytes | None, path: Path, notes: Notes) -> ImageCms.ImageCmsProfile | None:
    """The embedded colour profile, unless it is sRGB anyway."""
    if not profile:
        return None
    try:
        found = ImageCms.ImageCmsProfile(BytesIO(profile))
        return None if "srgb" in ImageCms.getProfileDescription(found).lower() else found
    except (OSError, ImageCms.PyCMSError):
        notes.add("the embedded colour profile is broken; its colours are taken for sRGB", path)
        return None


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None, path: Path, notes: Notes) -> Image.Image:
    inside: Any = profile and profile.profile  # without types in Pillow
    mode = inside and COLOUR_SPACES.get(inside.xcolor_space.strip())
    if not profile or not mode or (mode == "CMYK") != (image.mode == "CMYK"):
        if profile:
            notes.add(f"the colour profile does not fit a picture of mode {image.mode}; taken for sRGB", path)
        return image.convert("RGB")
    converted = ImageCms.profileToProfile(
        image.convert(mode), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None  # only done in place it answers None
    return converted


def turn(picture: Shaped[np.ndarray, "y x *c"], orientation: int) -> Shaped[np.ndarray, "y2 x2 *c"]:
    """Undo an EXIF orientation (1 to 8): where row 0 and column 0 of the file belong in the picture."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)
