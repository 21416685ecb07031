"""Figures of a comparison, each as SVG and PNG, each by one function that takes the comparison."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

from vitreous.report.figures.curves import against_settings
from vitreous.report.figures.masks import attention, disputed, over_time, side_by_side
from vitreous.report.figures.materials import materials
from vitreous.report.figures.objects import active_slots, difficulty
from vitreous.report.figures.style import Drawing, NotDrawn

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

__all__ = ["FIGURES", "Drawing", "Drawn", "NotDrawn", "draw", "makers"]

DPI = 130
FIGURES: dict[str, Callable[["Comparison"], Drawing]] = {
    "materials": materials,
    "difficulty": difficulty,
    "active_slots": active_slots,
    "side_by_side": side_by_side,
    "over_time": over_time,
    "attention": attention,
    "disputed": disputed,
}


@dataclass(frozen=True)
class Drawn:
    """A figure as files, or why there is none.

    alt      what it shows, for those who do not see it
    skipped  why it was not drawn; then there are no files
    """

    name: str
    title: str = ""
    alt: str = ""
    svg: Path | None = None
    png: Path | None = None
    skipped: str = ""

    @property
    def best(self) -> Path:
        """The smaller of the two files: charts as SVG, sheets of pictures as PNG."""
        assert self.svg is not None
        assert self.png is not None
        return min(self.svg, self.png, key=lambda path: path.stat().st_size)


def makers(comparison: "Comparison") -> dict[str, Callable[["Comparison"], Drawing]]:
    """All figures that there may be, by name: first a curve for each setting that is a number and differs."""
    return against_settings(comparison) | FIGURES


def draw(comparison: "Comparison", out: Path) -> Iterator[Drawn]:
    """Write all figures into a folder, one after the other; those that there is nothing for say why."""
    out.mkdir(parents=True, exist_ok=True)
    for name, make in makers(comparison).items():
        try:
            drawing = make(comparison)
        except NotDrawn as reason:
            yield Drawn(name, skipped=str(reason))
            continue
        svg, png = out / f"{name}.svg", out / f"{name}.png"
        # the same runs give the same file: no date, and ids that do not change
        with matplotlib.rc_context({"svg.hashsalt": name}):
            drawing.figure.savefig(svg, metadata={"Date": None, "Title": drawing.title, "Description": drawing.alt})
        drawing.figure.savefig(png, dpi=DPI, metadata={"Title": drawing.title, "Description": drawing.alt})
        yield Drawn(name, drawing.title, drawing.alt, svg, png)
