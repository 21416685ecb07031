"""How figures look: colours that most eyes tell apart, beside them markers and dashes; white ground, for print."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vitreous.metrics.names import named
from vitreous.report.pictures import PALETTE

COLOURS = ["#{:02x}{:02x}{:02x}".format(*PALETTE[i].tolist()) for i in (0, 1, 2, 3, 4, 5)] + ["#444444", "#882255"]
MARKERS, DASHES = "osD^vPX*", ("-", "--", "-.", ":")
MATERIALS = {"metal": COLOURS[0], "rubber": COLOURS[1], "mixed": "#888888"}
GREY = "#777777"
LUCK = {"fg_ari", "ari", "video_fg_ari", "video_ari", "object_ari"}  # 0 is luck, where others have no such point
UNITS = {
    "active_slots": "slots that win a patch (number)",
    "entropy": "entropy of the masks (share of log K)",
    "mean_fill": "error over that of the mean feature",
    "top_share": "share of patches of the largest slot",
}
SETTINGS = {
    "slots": "slots K",
    "mask_temperature": "mask temperature τ",
    "temperature": "attention temperature τ",
    "lr": "learning rate",
    "steps": "training steps",
    "batch_size": "batch size (pictures)",
    "slot_dim": "slot width (numbers)",
    "iterations": "iterations of slot attention",
}


class NotDrawn(Exception):
    """A figure that these runs have nothing for; says why."""


@dataclass(frozen=True)
class Drawing:
    """A figure and what it shows, in a sentence or two, for those who do not see it."""

    figure: Figure
    title: str
    alt: str


def new_figure(width: float, height: float, title: str) -> Figure:
    """In inches; the title to the left, as a headline."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def plain(axes: Axes, grid: str = "both") -> None:
    """Only the two spines that carry a scale, and a light grid to read values by."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, axis=grid, color="#e4e4e4", linewidth=0.8)  # pyright: ignore[reportArgumentType]
    axes.set_axisbelow(True)


def score_label(metric: str) -> str:
    """Name and unit of a metric on an axis."""
    if metric in UNITS:
        return UNITS[metric]
    return f"{named(metric)} (0 luck, 1 perfect)" if metric in LUCK else f"{named(metric)} (0 to 1)"


def setting_label(name: str) -> str:
    return SETTINGS.get(name, name.replace("_", " "))


def look_of_line(i: int) -> dict[str, Any]:
    """Colour, marker and dashes of the i-th line: any two differ in more than colour."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[i % len(DASHES)],
    }


def legend_below(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """One legend for all panels, where there is more than one thing to name."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        columns = min(columns, len(names))
        figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def listed(names: Sequence[str], most: int = 4) -> str:
    """a, b, c and 5 more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
