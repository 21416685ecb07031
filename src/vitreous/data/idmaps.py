"""Maps of object ids beside the pictures: `ids/x.png` for `images/x.jpg`.

PNG, TIFF    1, 8 or 16 bits of grey, or a palette, whose indices are the ids (its colours do not matter);
             32-bit integer TIFF; a TIFF of several pages holds one map per frame
0            background
-1           does not score. Written 65535 in 16-bit files and 255 in palettes, as VOC and DAVIS do; 255 in 8-bit
             grey is an id like any other, since a mask of 0 and 255 is one object. `Reading.void` adds another
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int32
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from vitreous.data.colours import BITS_PER_SAMPLE
from vitreous.data.pictures import header, opened, refuse_huge
from vitreous.data.reading import Notes, Reading, Unreadable

ENDINGS = (".png", ".tif", ".tiff")
ADVICE = "Ids are numbers, not colours: write them as 16-bit grey PNG; or go on without it:  --on-error skip"


def count_maps(path: Path, reading: Reading) -> int:
    """Number of id maps in a file; more than one only in a TIFF of several pages."""
    return len(header(path, reading).pages)


def read_ids(path: Path, pages: Sequence[int], reading: Reading, notes: Notes) -> Iterator[Int32[np.ndarray, "y x"]]:
    """Read the given pages, one by one: 0 background, -1 not scored."""
    with opened(path) as image:
        refuse_huge(path, *image.size, reading)
        for page in pages:
            image.seek(page)
            yield _decode(image, path, reading, notes)


def _decode(image: ImageFile, path: Path, reading: Reading, notes: Notes) -> Int32[np.ndarray, "y x"]:
    depth = _bits(image)
    image.load()
    if image.format not in ("PNG", "TIFF") or not (image.mode in ("1", "L", "P") or image.mode.startswith("I")):
        raise Unreadable(path, f"{image.format} of mode {image.mode}, where a map of object ids was expected", ADVICE)
    ids = np.array(image).astype(np.int64)
    if image.mode == "L" and depth in (2, 4):
        ids //= 255 // (2**depth - 1)  # Pillow spreads few bits over 0..255
    nothing = np.zeros(ids.shape, bool) if reading.void is None else ids == reading.void
    if image.mode == "P" and depth == 8:
        nothing |= ids == 255
    elif image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):  # before Pillow 11: I
        nothing |= ids == 65535
    elif image.mode == "L" and reading.void is None and (ids == 255).any() and (ids % 255 > 0).any():
        notes.add("255 is read as an object; if it marks pixels not to score, say so with void=255", path)
    if ids.min() < -1 or ids.max() > np.iinfo(np.int32).max:
        raise Unreadable(path, f"ids from {ids.min()} to {ids.max()}; they count from 0, and -1 is not scored", ADVICE)
    ids[nothing] = -1
    return ids.astype(np.int32)


def _bits(image: ImageFile) -> int:
    """Bits per pixel as stored; Pillow's mode says only how they were unpacked."""
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(BITS_PER_SAMPLE, (1,))[0])
    assert image.fp is not None  # open until it is decoded
    here = image.fp.tell()
    image.fp.seek(24)  # depth in the header of a PNG
    depth = image.fp.read(1)[0]
    image.fp.seek(here)
    return depth
