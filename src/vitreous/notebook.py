"""How objects of the package look as the last line of a notebook's cell: plain HTML, pictures inside."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

SIDE = 128  # px


def as_table(rows: Sequence[Sequence[Any]], *, head: bool = False) -> str:
    """Rows of cells; the first cell of each names it, and with `head` the first row its columns."""
    lines = []
    for number, (name, *cells) in enumerate(rows):
        kind = "th" if head and number == 0 else "td"
        lines.append(
            f"<tr><th>{escape(str(name))}</th>{''.join(f'<{kind}>{escape(str(c))}</{kind}>' for c in cells)}</tr>"
        )
    return f'<table style="text-align: left">{"".join(lines)}</table>'


def as_picture(path: Path) -> str:
    """A PNG file, if it is there."""
    return image(path.read_bytes()) if path.is_file() else ""


def as_pictures(pictures: Sequence[Any]) -> str:
    """Arrays, uint8 [y x 3], side by side and small."""
    from PIL import Image

    shown = []
    for picture in pictures:
        file, small = BytesIO(), Image.fromarray(picture)
        small.thumbnail((SIDE, SIDE))
        small.save(file, "PNG")
        shown.append(image(file.getvalue()))
    return f"<div>{' '.join(shown)}</div>"


def image(png: bytes) -> str:
    return f'<img src="data:image/png;base64,{b64encode(png).decode()}" style="max-width: 100%">'
