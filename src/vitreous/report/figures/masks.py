"""Slots to look at: side by side over runs, over time, per iteration, and where they dispute a pixel."""

from collections.abc import Sequence
from math import log
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from vitreous.metrics.names import named
from vitreous.report.figures.looks import Look, Scene, softly
from vitreous.report.figures.style import Drawing, NotDrawn, listed, new_figure
from vitreous.report.pictures import overlay

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

TILE = 1.75  # inches


def side_by_side(comparison: "Comparison") -> Drawing:
    """The same scenes for all runs: picture, truth, slots; a slot has the colour of the object that it shows."""
    looks, metric = comparison.looks, comparison.metrics[0]
    names = [source.scored.name for source in looks.sources]
    title = "Slots of the same scenes"
    figure, grid = tiles(len(looks.scenes), 2 + len(names), title)
    head(grid[0], ["picture", "truth", *names])
    for row, scene in zip(grid, looks.scenes, strict=True):
        row[0].set_ylabel(scene.why, fontsize=9)
        show_truth(row, scene)
        for name, axes in zip(names, row[2:], strict=True):
            axes.imshow(painted(scene, name, 0))
            axes.set_xlabel(score_of(comparison, metric, name, scene), fontsize=8)
    alt = (
        f"{len(looks.scenes)} scenes in rows: picture, true objects, and the slots of {listed(names, 6)}. Scenes were "
        f"chosen by {named(metric)}: where runs differ most, the worst, the median and the best."
    )
    return Drawing(figure, title, alt)


def over_time(comparison: "Comparison") -> Drawing:
    """One clip: frames in columns; below them truth and slots of each run. A slot keeps its colour through the clip."""
    scene = comparison.looks.clip
    title = f"Slots over time: {scene.key} ({scene.why})"
    figure, grid = tiles(2 + len(scene.looks), len(scene.frames), title)
    head(grid[0], [f"frame {frame.index}" for frame in scene.frames])
    for row, name in zip(grid, ["picture", "truth", *scene.looks], strict=True):
        row[0].set_ylabel(fill(name, 22), fontsize=9)
        for t, axes in enumerate(row):
            if name == "picture" or (name == "truth" and scene.true is None):
                axes.imshow(scene.frames[t].image)
            elif name == "truth":
                axes.imshow(true_colours(scene, t))
            else:
                axes.imshow(painted(scene, name, t))
    indices = f"{scene.frames[0].index} to {scene.frames[-1].index}"
    alt = f"Frames {indices} of clip {scene.key}: picture, true objects, and slots of {listed(list(scene.looks), 6)}."
    return Drawing(figure, title, alt)


def attention(comparison: "Comparison") -> Drawing:
    """How slots divide one scene up, iteration by iteration; what they dispute is a mix of their colours."""
    looks = comparison.looks
    scene = next((scene for scene in looks.scenes if scene.why == "median"), looks.scenes[0])
    have = {name: some[0] for name, some in scene.looks.items() if some[0].attention is not None}
    if not have:
        raise NotDrawn("no method here has slot attention")
    steps = max(len(steps_of(look)) for look in have.values())
    title = f"Attention per iteration: {scene.key} ({scene.why})"
    figure, grid = tiles(len(have), 2 + steps, title)
    head(grid[0], ["picture", *(f"iteration {i + 1}" for i in range(steps)), "masks, as scored"])
    for row, (name, look) in zip(grid, have.items(), strict=True):
        row[0].set_ylabel(fill(name, 22), fontsize=9)
        row[0].imshow(scene.frames[0].image)
        for axes, shares in zip(row[1:], steps_of(look), strict=False):
            axes.imshow(softly(shares, scene.colours[name]), interpolation="nearest")
        for axes in row[1 + len(steps_of(look)) : -1]:
            axes.set_axis_off()
        row[-1].imshow(softly(look.shares, scene.colours[name]))
    alt = (
        f"Scene {scene.key}: share of each patch that each slot takes, after each of {steps} iterations of slot "
        f"attention, for {listed(list(have), 6)}; greyish where slots dispute a patch."
    )
    return Drawing(figure, title, alt)


def disputed(comparison: "Comparison") -> Drawing:
    """Entropy of who owns a pixel, in units of log K: dark where one slot does, bright where all dispute it."""
    looks = comparison.looks
    names, scenes = [source.scored.name for source in looks.sources], looks.scenes
    title = "Where slots dispute a pixel: entropy of the shares, 0 decided, 1 all alike"
    figure, grid = tiles(len(scenes), 1 + len(names), title, aside=0.9)
    head(grid[0], ["picture", *names])
    image: Any = None
    for row, scene in zip(grid, scenes, strict=True):
        row[0].imshow(scene.frames[0].image)
        row[0].set_ylabel(scene.why, fontsize=9)
        for name, axes in zip(names, row[1:], strict=True):
            found = entropy_of(scene.looks[name][0])
            image = axes.imshow(found, vmin=0, vmax=1, cmap="cividis")
            axes.set_xlabel(f"mean {found.mean():.2f}", fontsize=8)
    figure.colorbar(image, ax=grid.ravel().tolist(), fraction=0.03, shrink=0.5, aspect=30, label="share of log K")
    means = [f"{name} {np.mean([entropy_of(s.looks[name][0]).mean() for s in scenes]):.2f}" for name in names]
    alt = f"Maps of the entropy of slot shares for {len(scenes)} scenes; means over these scenes: {', '.join(means)}."
    return Drawing(figure, title, alt)


def tiles(rows: int, columns: int, title: str, aside: float = 0.4) -> tuple[Figure, np.ndarray]:
    """A grid of square pictures without scales; `aside` inches are left beside them."""
    figure = new_figure(TILE * columns + aside, TILE * rows * 1.08 + 0.7, title)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure, grid


def head(row: np.ndarray, names: Sequence[str]) -> None:
    for axes, name in zip(row, names, strict=True):
        axes.set_title(fill(name, 22), fontsize=9)


def show_truth(row: np.ndarray, scene: Scene) -> None:
    row[0].imshow(scene.frames[0].image)
    if scene.true is None:
        row[1].set_axis_off()
    else:
        row[1].imshow(true_colours(scene, 0))


def true_colours(scene: Scene, t: int) -> np.ndarray:
    assert scene.true is not None
    true = scene.true[t]
    return overlay(scene.frames[t].image, np.where(true < 0, -1, scene.true_colours[true]))


def painted(scene: Scene, name: str, t: int) -> np.ndarray:
    return overlay(scene.frames[t].image, scene.colours[name][scene.looks[name][t].labels])


def score_of(comparison: "Comparison", metric: str, name: str, scene: Scene) -> str:
    """FG-ARI 0.85: of this picture, or, of a metric of clips, of its clip."""
    values = comparison.values(metric)[name]
    here = values.index.get_level_values("key") == scene.key
    if "frame" in values.index.names:
        here &= values.index.get_level_values("frame") == scene.frames[0].index
    return f"{named(metric)} {values.to_numpy()[here][0]:.2f}" if here.any() else ""


def steps_of(look: Look) -> list:
    return [] if look.attention is None else list(look.attention)


def entropy_of(look: Look) -> Float[np.ndarray, "y x"]:
    shares = look.shares.double().numpy()
    each = -(shares * np.log(shares.clip(1e-12))).sum(0)
    return each / max(log(len(shares)), 1e-12)
