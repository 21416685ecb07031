"""What slots have to work with: features of a backbone in numbers, side by side, and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from vitreous.backbones.stats import FeatureStats, FeatureSummary
from vitreous.features.store import FeatureStore
from vitreous.report.contact import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AT_ONCE = 32  # pictures in memory
COLUMNS = {  # of the table: what is shown, and how
    "std": ("std", "{:.3g}"),
    "norm": ("norm", "{:.3g}"),
    "cosine": ("patch cosine", "{:.2f}"),
    "spatial": ("spatial variance", "{:.3g}"),
    "pca90": ("dims for 90 %", "{}"),
    "pca95": ("95 %", "{}"),
    "dim": ("of", "{}"),
    "position_share": ("position share", "{:.1%}"),
}


@dataclass(frozen=True)
class FeaturePanel:
    """Features as a backbone gave them, on some pictures of a store.

    name      of the backbone; of the store, too, where several hold features of one backbone
    summary   see backbones/stats.py
    position  how far the mean of each place lies from the mean of all, in units of the root mean square deviation:
              what can be seen of it where position explains much
    """

    name: str
    pictures: int
    summary: FeatureSummary
    position: Float[np.ndarray, "h w"]

    @property
    def numbers(self) -> dict[str, float]:
        values = self.summary.numbers()
        return {name: values[name] for name in COLUMNS}  # pyright: ignore[reportReturnType]


def feature_panels(stores: Sequence[FeatureStore], pictures: int = 200) -> list[FeaturePanel]:
    """A panel per store, on at most so many pictures of each, spread evenly over it."""
    names = [str(store.meta.backbone["name"]) for store in stores]
    twice = {name for name in names if names.count(name) > 1}
    return [
        panel(store, f"{name} ({store.path.name})" if name in twice else name, pictures)
        for store, name in zip(stores, names, strict=True)
    ]


def panel(store: FeatureStore, name: str, pictures: int = 200) -> FeaturePanel:
    """Measure one store."""
    stats, rows = FeatureStats(), spread(len(store), pictures)
    places = np.zeros((*store.grid, store.dim))
    for start in range(0, len(rows), AT_ONCE):
        features = store.batch(rows[start : start + AT_ONCE]).float()
        stats.add(features)
        places += features.double().sum(0).numpy()
    summary = stats.summary()
    away = np.square(places / len(rows) - summary.mean.numpy()).mean(-1)
    scale = float(summary.std.square().mean())
    return FeaturePanel(name, len(rows), summary, np.sqrt(away / scale) if scale > 0 else np.sqrt(away))


def print_panels(panels: Sequence[FeaturePanel]) -> str:
    """The numbers as a table, a backbone per line."""
    rows = [["backbone", *(title for title, _ in COLUMNS.values())]]
    rows += [[p.name, *(how.format(p.numbers[name]) for name, (_, how) in COLUMNS.items())] for p in panels]
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(width[0]), *(cell.rjust(w) for cell, w in zip(row[1:], width[1:], strict=True))])
        for row in rows
    )


def draw_panels(panels: Sequence[FeaturePanel]) -> "Figure":
    """Five numbers as bars, the share of the variance over principal components, and a map of position per backbone."""
    from matplotlib.figure import Figure

    count = len(panels)
    figure = Figure(figsize=(11, 4.4 + 0.25 * max(count, 3)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[1 + 0.25 * max(count, 3), 3]).flatten()
    bars = upper.subplots(1, len(SHOWN))
    for axes, (name, (title, most)) in zip(bars, SHOWN.items(), strict=True):
        draw_bars(axes, [p.numbers[name] for p in panels], title, most)
    bars[0].set_yticks(range(count), [p.name for p in panels], fontsize=8)
    grid = lower.subplots(1, 1 + count, squeeze=False, width_ratios=[1.6, *[1.0] * count])[0]
    draw_spectra(grid[0], panels)
    most = max(float(p.position.max()) for p in panels)
    for axes, p in zip(grid[1:], panels, strict=True):
        image = axes.imshow(p.position, vmin=0, vmax=most, cmap="viridis")
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"{p.name}\nposition {p.summary.position_share:.0%}", fontsize=8)
    bar = lower.colorbar(image, ax=list(grid[1:]), shrink=0.7)
    bar.set_label("mean of a place,\nin deviations", fontsize=8)
    return figure


SHOWN = {  # title, and the most there can be
    "std": ("std", None),
    "norm": ("norm of a patch", None),
    "cosine": ("cosine of two patches\nof one picture", 1.0),
    "spatial": ("spatial variance", None),
    "position_share": ("position share", 1.0),
}


def draw_bars(axes: "Axes", values: Sequence[float], title: str, most: float | None) -> None:
    """A bar per backbone with its value; from 0, so that lengths may be compared."""
    drawn = axes.barh(range(len(values)), values, color=colours(len(values)), height=0.7)
    axes.bar_label(drawn, [f"{value:.3g}" for value in values], fontsize=8, padding=3)
    # room for the values, and for three bars at least, so that one alone is no block
    axes.set_xlim(min(0.0, *values) * 1.4, (most or max(*values, 0.0) or 1.0) * 1.3)
    axes.set_ylim(max(len(values), 3) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def draw_spectra(axes: "Axes", panels: Sequence[FeaturePanel]) -> None:
    """In the colours of the bars."""
    for p, colour in zip(panels, colours(len(panels)), strict=True):
        held = p.summary.spectrum.cumsum(0).numpy()
        axes.plot(np.arange(1, len(held) + 1), held, color=colour)
    for share in (0.9, 0.95):
        axes.axhline(share, color="grey", linewidth=0.6, linestyle=":")
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.set_xlabel("principal components", fontsize=8)
    axes.set_ylabel("share of variance", fontsize=8)
    axes.tick_params(labelsize=8)


def colours(count: int) -> list[str]:
    """Okabe and Ito's, told apart by most eyes; used again beyond eight."""
    some = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#555555"]
    return [some[i % len(some)] for i in range(count)]
