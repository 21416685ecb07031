"""Slot space as a figure: the same points, coloured by what they show."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vitreous.report.measure import SIZES
from vitreous.report.pictures import PALETTE
from vitreous.report.slot_space import LABELS, SlotSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"tsne": "t-SNE", "pca": "PCA"}
GREY, PALE = "#999999", "#dddddd"  # background; slots that show nothing
MOST = 20  # values of a label with a colour of their own


def draw_space(space: SlotSpace, how: str = "tsne") -> "Figure":
    """Panels: each label that is known, the ground-truth match (best IoU), the clusters. how: tsne or pca."""
    from matplotlib.figure import Figure

    table = space.table
    labels = [name for name in LABELS if name in table and bool(table[name].notna().any())]
    rest = [name for name in ("best_iou", "cluster", "share") if name in table and (name != "share" or not labels)]
    panels = labels + rest
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 4.7 * lines + 0.3))
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    # by hand: legends stand below their panels, and constrained layout would shrink the panels to their width
    figure.subplots_adjust(0.02, 0.16 / lines, 0.98, 1 - 0.16 / lines, wspace=0.06, hspace=0.28)
    for axes, name in zip(grid, panels, strict=False):
        draw_label(axes, table, name, how) if name in LABELS or name == "cluster" else draw_value(
            axes, table, name, how
        )
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(f"{NAMES[how]} of {len(table):,} slots of {table['row'].nunique():,} pictures", fontsize=11)
    return figure


def draw_label(axes: "Axes", table: pd.DataFrame, name: str, how: str) -> None:
    """A colour per value; slots of the background grey, those that show nothing pale."""
    x, y = table[f"{how}_x"].to_numpy(), table[f"{how}_y"].to_numpy()
    values: list[Any] = table[name].value_counts().index[:MOST].tolist()
    values.sort(key=list(SIZES).index if name == "size" else None)
    parts = [(str(v), (table[name] == v).to_numpy(), c, 7) for v, c in zip(values, colours(values, name), strict=True)]
    if name != "cluster":
        kinds = (("nothing", PALE), ("background", GREY))
        parts = [(f"({kind})", (table["kind"] == kind).to_numpy(), colour, 4) for kind, colour in kinds] + parts
    here = np.concatenate([np.flatnonzero(part) for _, part, _, _ in parts])
    drawn = [(colour, size) for _, part, colour, size in parts for _ in range(int(part.sum()))]
    order = np.random.default_rng(0).permutation(len(here))  # else the last value would cover the others
    axes.scatter(
        x[here[order]], y[here[order]], [drawn[i][1] for i in order], [drawn[i][0] for i in order], linewidths=0
    )
    for text, part, colour, size in parts:
        if part.any():
            axes.scatter([], [], s=size, color=colour, linewidths=0, label=text)
    axes.set_title("k-means cluster" if name == "cluster" else name, fontsize=10)
    longest = max([len(str(value)) for value in values], default=0)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=8 if longest < 4 else 5 if longest < 10 else 3,
        fontsize=7,
        markerscale=2,
        frameon=False,
        columnspacing=0.8,
        handletextpad=0.1,
    )


def colours(values: list, name: str) -> list[Any]:
    """Of an object's colour the colour itself, where matplotlib knows it by name; else those of the palette."""
    from matplotlib.colors import is_color_like

    known = [str(value).lower() for value in values]
    if name == "colour" and all(map(is_color_like, known)):
        return ["gold" if value == "yellow" else value for value in known]  # yellow on white cannot be seen
    return [tuple(colour / 255) for colour in PALETTE[np.arange(len(values)) % len(PALETTE)]]


def draw_value(axes: "Axes", table: pd.DataFrame, name: str, how: str) -> None:
    """A number from 0 to 1 as a colour."""
    ordered = table.sort_values(name)
    points = axes.scatter(
        ordered[f"{how}_x"], ordered[f"{how}_y"], s=5, c=ordered[name], vmin=0, vmax=1, cmap="viridis", linewidths=0
    )
    axes.set_title({"best_iou": "ground-truth match (best IoU)", "share": "share of the patches"}[name], fontsize=10)
    bar = axes.figure.colorbar(points, cax=axes.inset_axes((0.15, -0.05, 0.7, 0.025)), orientation="horizontal")
    bar.ax.tick_params(labelsize=7)
