"""The page as values: sections in order, each with what it says and shows. The template turns them into HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vitreous.report.page_parts.embed import embed_file
from vitreous.report.page_parts.tables import Sortable


@dataclass(frozen=True)
class Figure:
    """A picture of a section.

    source  the picture itself, as a data URI
    alt     what it shows, for those who do not see it: never empty
    note    below it
    broad   over the whole width; where that is narrow, it can be moved sideways
    """

    source: str
    alt: str
    note: str = ""
    broad: bool = False

    @staticmethod
    def of(path: Path, alt: str, note: str = "") -> "Figure":
        """From a file; sheets of pictures, which come as PNG, and wide charts are broad."""
        return Figure(embed_file(path), alt, note, wide(path))


def wide(path: Path) -> bool:
    """Whether a figure needs the whole width of the page: wider than 9 inches, or than 1,100 pixels."""
    if path.suffix == ".svg":
        size = re.search(r'<svg[^>]* width="([\d.]+)pt"', path.read_text(encoding="utf-8")[:4000])
        return size is not None and float(size[1]) > 9 * 72
    with Image.open(path) as image:
        return image.width > 1100


@dataclass(frozen=True)
class Card:
    """Something said about one run.

    more  folded away under `fold`
    """

    title: str
    verdict: str = ""
    healthy: bool = False
    lines: Sequence[str] = ()
    fold: str = ""
    more: Sequence[str] = ()


@dataclass(frozen=True)
class Fold:
    """Details that are folded away."""

    title: str
    lines: Sequence[str] = ()
    commands: Sequence[str] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Part:
    """A section. Everything in it is plain text: the template escapes it.

    absent   what is not there and why, in sentences
    browser  the scene browser stands here
    """

    anchor: str
    title: str
    words: Sequence[str] = ()
    absent: Sequence[str] = ()
    tables: Sequence[Sortable] = ()
    figures: Sequence[Figure] = ()
    cards: Sequence[Card] = ()
    folds: Sequence[Fold] = ()
    commands: Sequence[str] = ()
    browser: bool = False
