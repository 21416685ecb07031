"""Picture files, decoded to 8-bit sRGB. One file may hold several pictures: an animation or a stack.

    PNG APNG JPEG WebP TIFF BMP GIF     told by content, not by ending

What becomes of the unusual:

    EXIF orientation          applied, all eight
    transparency              laid over white, as a page shows it
    colour profile (ICC)      converted to sRGB
    CMYK                      by its profile, else by the plain formula; Adobe's inverted ink is turned round
    16-bit grey               value / (2**grey_bits - 1), see `Reading.grey_bits`; a 12-bit TIFF knows its 12 bits
    16-bit colour             the upper 8 bits (Pillow reads no more)
    float grey                0..1 is black to white; anything else has no agreed brightness and is refused
    animated GIF, WebP, APNG  one frame each, put together as a browser would
    pages of a TIFF           one frame each, a stack over time or depth; previews and masks are left out

Pillow never pads here: a truncated file raises. Its limit against decompression bombs is replaced by
`Reading.max_pixels`, without touching Pillow's settings, which belong to the whole process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError
from typing import IO

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vitreous.data.colours import ORIENTATION, decode
from vitreous.data.reading import Notes, Reading, Unreadable, why

ENDINGS = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif")
# What Pillow raises on bytes that are not what they claim. Warning: those of a process that turns them into errors
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, StructError,
    ZeroDivisionError, Image.DecompressionBombError, Warning,
)  # fmt: skip
MAKE = 0x010F  # EXIF
SUBFILE_TYPE, WIDTH, HEIGHT, PREVIEW_OR_MASK = 254, 256, 257, 1 | 4  # TIFF


@dataclass(frozen=True)
class Picture:
    """image: 8-bit sRGB; encoded: the file's bytes if a plain decoder gets exactly `image` from them, else None."""

    image: UInt8[np.ndarray, "y x 3"]
    encoded: bytes | None = None


@dataclass(frozen=True)
class Header:
    """What a file tells before it is decoded.

    size     y, x, after EXIF orientation
    pages    which of its pictures are frames; a still has one
    problem  what is wrong with the file though these pages can be read; else empty
    camera   a camera left its name: a photograph, not a frame of a video
    """

    size: tuple[int, int]
    pages: Sequence[int]
    problem: str = ""
    camera: bool = False


@contextmanager
def opened(path: Path) -> Iterator[ImageFile]:
    """The file with its header read, nothing decoded. Whatever is wrong with it, now or while decoding, is named."""
    try:
        with path.open("rb") as file:
            yield _recognise(file, path)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise Unreadable(path, why(error)) from None
        told = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(path, f"the picture is broken or cut off ({told})") from None


def _recognise(file: IO[bytes], path: Path) -> ImageFile:
    head = file.read(16)
    file.seek(0)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(file)
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(file)
    if head.startswith(b"GIF8"):
        return GifImageFile(file)
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return TiffImageFile(file)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImageFile(file)
    if head.startswith(b"BM"):
        return BmpImageFile(file)
    if not head:
        raise Unreadable(path, "the file is empty (0 bytes)")
    printable = head.decode("ascii", errors="replace").isprintable()
    looks = f'text that begins "{head.decode()}"' if printable else f"bytes that begin {head[:8]!r}"
    raise Unreadable(path, f"not a picture: neither PNG, JPEG, WebP, TIFF, BMP nor GIF, but {looks}")


def header(path: Path, reading: Reading) -> Header:
    """Read the header alone. Refuses a picture above `max_pixels`."""
    with opened(path) as image:
        return _examine(image, path, reading)


def _examine(image: ImageFile, path: Path, reading: Reading) -> Header:
    x, y = image.size
    refuse_huge(path, x, y, reading)
    pages, problem = _pages(image)
    # PNG may keep its EXIF behind the pixels; it is not looked for there, as that would decode the picture
    exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
    if isinstance(image, TiffImageFile):  # newer Pillows swap the sides of a turned TIFF themselves, older do not
        x, y = image.tag_v2[WIDTH], image.tag_v2[HEIGHT]
    if exif.get(ORIENTATION, 1) >= 5:
        x, y = y, x
    return Header((y, x), pages, problem, camera=MAKE in exif)


def refuse_huge(path: Path, x: int, y: int, reading: Reading) -> None:
    if x * y > reading.max_pixels:
        raise Unreadable(
            path,
            f"{x} x {y} pixels are {x * y / 1e6:,.1f} megapixels, and the limit is {reading.max_pixels / 1e6:,.1f}",
            "A small file can blow up until the memory is full, so it was not decoded. If it is meant to be so large, "
            "raise max_pixels; or make it smaller; or go on without it:  --on-error skip",
        )


def _pages(image: ImageFile) -> tuple[Sequence[int], str]:
    """Pages that are frames, and what is wrong with the rest."""
    if isinstance(image, GifImageFile):
        assert image.fp is not None  # open until it is decoded
        return _gif_frames(image.fp)
    if isinstance(image, TiffImageFile):
        kinds = []
        for page in range(image.n_frames):
            image.seek(page)
            kinds.append(image.tag_v2.get(SUBFILE_TYPE, 0))
        image.seek(0)
        frames = [page for page, kind in enumerate(kinds) if not kind & PREVIEW_OR_MASK]
        return (frames or [0]), ""
    # the default picture of an APNG is for readers that cannot animate
    return range(int(image.info.get("default_image", False)), getattr(image, "n_frames", 1)), ""


def _gif_frames(file: IO[bytes]) -> tuple[Sequence[int], str]:
    """Walk over the blocks of a GIF. Pillow takes one that is cut between two frames for a shorter one."""

    def colours(flags: int) -> None:
        file.seek(3 * 2 ** (flags % 8 + 1) if flags & 128 else 0, 1)

    def whole_data() -> bool:
        while (size := file.read(1)) and size[0]:
            file.seek(size[0], 1)
        return size == b"\x00"

    here, frames = file.tell(), 0
    file.seek(10)
    colours(file.read(3)[0])
    whole = True
    while whole and (kind := file.read(1)) != b";":
        if kind == b",":  # a frame: place and flags, colours, code size, data
            colours(file.read(9)[-1])
            file.seek(1, 1)
            frames += (whole := whole_data())
        elif kind == b"!":  # an extension
            file.seek(1, 1)
            whole = whole_data()
        else:  # padding is passed over, as by Pillow
            whole = bool(kind)
    file.seek(here)
    return range(frames), "" if whole else f"the GIF is cut off: {frames} whole frames, then the file ends"


def read_pages(path: Path, reading: Reading, notes: Notes, pages: Sequence[int] | None = None) -> Iterator[Picture]:
    """Decode the given pages, ascending, one by one; None: the only one. All must be of one size."""
    with opened(path) as image:
        there = _examine(image, path, reading).pages
        if pages is None and len(there) != 1:
            raise Unreadable(path, f"it holds {len(there)} pictures, where one was expected")
        size = None
        for page in there if pages is None else pages:
            image.seek(page)
            picture, plain = decode(image, path, reading, notes)
            size = size or picture.shape
            if picture.shape != size:
                have, want = by(picture.shape), by(size)
                raise Unreadable(path, f"its pictures differ in size: number {page} has {have} pixels, others {want}")
            yield Picture(picture, _own_bytes(path) if plain and len(there) == 1 else None)


def by(size: Sequence[int]) -> str:
    """Size as people write it: x before y."""
    return f"{size[1]} x {size[0]}"


def _own_bytes(path: Path) -> bytes | None:
    content = path.read_bytes()
    eight_bit_grey_or_rgb = content[24] == 8 and content[25] in (0, 2)  # IHDR of a PNG: depth and colour type
    return content if content.startswith(b"\xff\xd8") or (content[1:4] == b"PNG" and eight_bit_grey_or_rgb) else None
