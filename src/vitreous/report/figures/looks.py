"""What runs see in single pictures: found anew, since scores keep no masks. Needs the runs and their store."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from vitreous.predict.segment import refine, segment_store, to_pixels
from vitreous.report.differences import LOW_IS_BETTER
from vitreous.report.figures.shown import shown
from vitreous.report.figures.style import NotDrawn
from vitreous.report.means import REFINED
from vitreous.report.page_parts.choose import Chosen, choose
from vitreous.report.page_parts.scenes import Source, match, open_sources, truth
from vitreous.report.pictures import PALETTE
from vitreous.types import Frame

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

GREY = 20  # of the palette: the background
SIDE_BY_SIDE, SCENES, FRAMES = 6, 6, 8  # runs, scenes and frames of a clip in one figure


@dataclass(frozen=True)
class Look:
    """A picture as a run sees it.

    shares     of each slot in each pixel, as scored; `attention` on the grid, per iteration, where the method has any
    """

    shares: Float[Tensor, "k y x"]
    attention: Float[Tensor, "i k h w"] | None

    @property
    def labels(self) -> Int[np.ndarray, "y x"]:
        return self.shares.argmax(0).numpy()


@dataclass(frozen=True)
class Scene:
    """Frames of one clip (one of a still): what is there, and what each run sees, by its name.

    true    labels from 0, the background; None where no truth is known
    colours by run: the place in the palette of each slot. A slot has the colour of the object that it shows
    """

    why: str
    key: str
    frames: list[Frame]
    true: Int[np.ndarray, "t y x"] | None
    looks: dict[str, list[Look]]
    colours: dict[str, Int[np.ndarray, " k"]]

    @property
    def true_colours(self) -> Int[np.ndarray, " q"]:
        assert self.true is not None
        return of_truth(int(self.true.max()) + 1)


class Looks:
    """Looks at a comparison's scenes, a run per setting; each is found once.

    notes  what cannot be seen and why
    """

    def __init__(self, comparison: "Comparison") -> None:
        self.comparison = comparison
        self.runs = [group.runs[0] for group in shown(comparison, SIDE_BY_SIDE)]

    @cached_property
    def sources(self) -> list[Source]:
        """Runs that can be looked at; NotDrawn where there is none."""
        sources, self.notes = open_sources(self.runs)
        if not sources:
            more = f" ({len(self.notes) - 1} more like this)" if len(self.notes) > 1 else ""
            raise NotDrawn(self.notes[0] + more)
        return sources

    @cached_property
    def chosen(self) -> list[Chosen]:
        metric = self.comparison.metrics[0]
        values = self.comparison.values(metric)
        seen = values.loc[:, [source.scored.name for source in self.sources]]
        return choose(seen, SCENES, metric in LOW_IS_BETTER)

    @cached_property
    def scenes(self) -> list[Scene]:
        """Scenes for pictures side by side; of a clip, the frame in its middle."""
        return self.look([(one, middle(self.rows(self.sources[0], one))) for one in self.chosen])

    @cached_property
    def clip(self) -> Scene:
        """One clip in frames that are spread over it."""
        for one in self.chosen:
            rows = self.rows(self.sources[0], one)
            if len(rows) > 1:
                return self.look([(one, spread(rows, FRAMES))])[0]
        raise NotDrawn("only stills were scored")

    def rows(self, source: Source, one: Chosen) -> Int[np.ndarray, " t"]:
        return source.store.rows(one.key, one.view)

    def look(self, plan: Sequence[tuple[Chosen, Int[np.ndarray, " t"]]]) -> list[Scene]:
        """All runs at the rows of a plan. Stores of two grids may count rows alike or not, so frames lead."""
        seen: dict[str, list[list[Look]]] = {}
        first = self.sources[0].store
        for source in self.sources:
            places = [
                [self.rows(source, one)[self.rows(self.sources[0], one).tolist().index(row)] for row in rows]
                for one, rows in plan
            ]
            found = see(source, {int(row) for rows in places for row in rows})
            seen[source.scored.name] = [[found[int(row)] for row in rows] for rows in places]
        scenes = []
        for i, (one, rows) in enumerate(plan):
            frames = [first.frame(int(row)) for row in rows]
            true, _ = truth(frames, first.instances(one.key))
            looks = {name: found[i] for name, found in seen.items()}
            colours = {name: of_slots(some, true) for name, some in looks.items()}
            scenes.append(Scene(one.why, one.key, frames, true, looks, colours))
        return scenes


def see(source: Source, wanted: set[int]) -> dict[int, Look]:
    """Look at rows of a store: clips from their first frame on, refined where refined masks are compared."""
    found = {}
    for batch, out in segment_store(source.run, source.store, wanted=wanted):
        attention = None if out.attention is None else out.attention.flatten(0, 1)
        for i, (row, masks) in enumerate(zip(batch.reshape(-1).tolist(), out.masks.flatten(0, 1), strict=True)):
            if row in wanted:
                image = source.store.frame(row).image
                refined = source.scored.row.endswith(REFINED)
                size = (image.shape[0], image.shape[1])
                where = refine(masks[None], image[None]) if refined else to_pixels(masks[None], size)
                assert where.shares is not None
                found[row] = Look(where.shares[0], None if attention is None else attention[i])
    return found


def of_slots(looks: Sequence[Look], true: Int[np.ndarray, "t y x"] | None) -> Int[np.ndarray, " k"]:
    """Place in the palette of each slot: that of the object it shows; others have colours that no object has."""
    slots = looks[0].shares.shape[0]
    if true is None:
        return np.arange(slots) % GREY
    count = int(true.max()) + 1
    matched = match(np.stack([look.labels for look in looks]), true, count)
    matched += [-1] * (slots - len(matched))
    free = iter(range(count - 1, count - 1 + slots))
    return np.array([of_truth(count)[j] if j >= 0 else next(free) % GREY for j in matched])


def of_truth(count: int) -> Int[np.ndarray, " q"]:
    """Place in the palette of each true label: grey for the background, then one by one."""
    return np.array([GREY, *(i % GREY for i in range(count - 1))])


def softly(shares: Float[Tensor, "k h w"], colours: Int[np.ndarray, " k"]) -> Float[np.ndarray, "h w 3"]:
    """Colours mixed by shares, in [0, 1]: where slots dispute a place, it turns grey."""
    return np.einsum("khw,kc->hwc", shares.numpy(), PALETTE[colours] / 255).clip(0, 1)


def middle(rows: Int[np.ndarray, " t"]) -> Int[np.ndarray, " 1"]:
    return rows[len(rows) // 2][None]


def spread(rows: Int[np.ndarray, " t"], count: int) -> Int[np.ndarray, " n"]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]
