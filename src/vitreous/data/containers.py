"""Is a video file shorter than its own structure says? FFmpeg ends such files without a word."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp", b"sidx")
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
UNKNOWN = 0xFFFFFFFF  # written by programs that stream and never come back to fill in the size


def is_cut_off(path: Path) -> bool:
    """True if an MP4, MOV, MKV, WebM or AVI ends before its outermost parts do."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            ends = _riff_ends(file, size)
        elif head[:4] == EBML:
            ends = _ebml_ends(file)
        elif head[4:8] in MP4_BOXES:
            ends = _mp4_ends(file, size)
        else:
            return False
        return any(end > size for end in ends)


def _riff_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """AVI: one RIFF after the other. Without the odd byte of padding, which some writers leave out at the end."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if name != b"RIFF" or length in (0, UNKNOWN):
            return
        yield at + 8 + length
        at += 8 + length + length % 2


def _mp4_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Boxes: 32-bit size, name; a size of 1 is followed by a 64-bit one, 0 reaches to the end of the file."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length = int.from_bytes(file.read(4), "big")
        file.seek(4, 1)
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8:
            return
        yield (at := at + length)


def _ebml_ends(file: BinaryIO) -> Iterator[int]:
    """Matroska: a header, then one segment, whose size may be unknown (all bits 1)."""
    file.seek(4)
    if (length := _ebml_number(file)) is None:
        return
    file.seek(length, 1)
    if file.read(4) == SEGMENT and (length := _ebml_number(file)) is not None:
        yield file.tell() + length


def _ebml_number(file: BinaryIO) -> int | None:
    """As many bytes as the first has leading zeros, and one; None if all bits after the marker are 1."""
    first = (file.read(1) or b"\x00")[0]
    more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (0xFF >> (more + 1))]) + file.read(more), "big")
    return None if value == 2 ** (7 * (more + 1)) - 1 else value
