"""The page as values: sections in order, each with what it says and shows. The template turns them into HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitreous.report.page_parts.embed import embed_file
from vitreous.report.page_parts.tables import Sortable


@dataclass(frozen=True)
class Figure:
    """A picture of a section.

    source  the picture itself, as a data URI
    alt     what it shows, for those who do not see it: never empty
    broad   over the whole width: sheets of many pictures
    """

    source: str
    title: str
    alt: str
    note: str = ""
    broad: bool = False

    @staticmethod
    def of(path: Path, title: str, alt: str, note: str = "", broad: bool = False) -> "Figure":
        return Figure(embed_file(path), title, alt, note, broad)


@dataclass(frozen=True)
class Card:
    """Something said about one run."""

    title: str
    verdict: str = ""
    healthy: bool = False
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Fold:
    """Details that are folded away."""

    title: str
    lines: Sequence[str] = ()
    commands: Sequence[str] = ()


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
