"""A run applied to features or pictures: slots, and who owns each pixel."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from vitreous.backbones import Backbone
from vitreous.blocks.redundancy import Same
from vitreous.errors import FeatureMismatch, RunError
from vitreous.features.needs import as_batch, provide, small_ids
from vitreous.features.preprocess import Preprocess, check_fit, nearest, resized
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.predict.loading import warm_backbone, warm_run
from vitreous.predict.prune import Pruned, check_same, prune
from vitreous.predict.regions import check_area, separated, without_small
from vitreous.runs import Run, read_recipe
from vitreous.shipped import find_run
from vitreous.types import Batch, Frame, Segmentation, SlotOutput, Source

WORDS = {"pictures": "pictures", "first_ids": "the objects' ids in the first frame"}
KEEP_SIDE = 2048  # px; shares of 11 slots in it are 185 MB
REACH, EDGE = 1.5, 1e-3  # of the guided filter: radius in patches; variance of colour that counts as an edge


def to_pixels(masks: Float[Tensor, "t k h w"], size: tuple[int, int]) -> Segmentation:
    """Masks of patches -> owners of pixels: bilinear on the shares first, the decision last.

    The other order, deciding per patch and enlarging labels, gives stairs; labels are never interpolated.
    """
    shares = interpolate(masks.float(), size=size, mode="bilinear", align_corners=False)
    return Segmentation(labels=shares.argmax(1), shares=shares)


def refine(masks: Float[Tensor, "t k h w"], pictures: UInt8[np.ndarray, "t y x 3"], edge: float = EDGE) -> Segmentation:
    """Masks of patches -> owners of pixels whose borders follow the edges of the picture.

    A guided filter (He et al. 2010; kornia) explains the enlarged shares by the colours around each pixel, in windows
    of three patches a side; so a patch that covers a border is divided where the colour changes.

    edge  variance of colours in [0, 1] below which a window counts as plain: larger follows fewer edges
    """
    from kornia.filters import guided_blur  # a second to import

    size = (pictures.shape[1], pictures.shape[2])
    patch = max(size[0] / masks.shape[2], size[1] / masks.shape[3])
    shares = to_pixels(masks, size).shares
    assert shares is not None
    guide = torch.tensor(pictures).permute(0, 3, 1, 2).to(shares) / 255
    reach, coarse = 2 * round(REACH * patch) + 1, max(1, int(patch / 4))  # coefficients of patches / 4 are fine enough
    shares = guided_blur(guide, shares, reach, edge, "replicate", subsample=coarse, separable=True).clamp(0, 1)
    shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-6)
    return Segmentation(labels=shares.argmax(1), shares=shares)


@torch.no_grad()
def find_slots(
    run: Run, seen: Float[Tensor, "b t h w d"] | Batch, state: Any = None, same: Same | None = None
) -> SlotOutput:
    """Slots in standardised features. The same numbers every time: initial slots that are drawn are drawn alike.

    seen   features are enough for most methods; a batch, as of `reader`, for those that need pictures or ids
    state  of the output for the frames just before these, so that slots keep their numbers; None where clips begin
    same   distance below which slots are made one, or auto: see `prune`; None: they are left as they are
    """
    batch = seen if isinstance(seen, Batch) else Batch(seen)
    needs = run.method.needs & {"pictures", "first_ids"} - ({"first_ids"} if state is not None else set())
    if lacks := [name for name in sorted(needs) if getattr(batch, name) is None]:
        raise RunError(
            f"{run.folder}: {run.recipe.method} needs {' and '.join(WORDS[name] for name in lacks)} beside features.\n"
            "Score or segment data that has them, or train with another start:  vitreous train --method "
            f"{run.recipe.method} --help"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.recipe.training.get("seed", 0))
        before = state if isinstance(state, Pruned) else Pruned(state, None)
        out = run.method.eval()(batch, before.state)
    return out if same is None else prune(out, same, before.stands)


def reader(run: Run, store: FeatureStore) -> Callable[[Int[np.ndarray, "b t"]], Batch]:
    """Rows of a store as a run sees them: features standardised as in training, and what else its method needs."""
    check_store(run, store)
    standardise, method = Standardiser.from_state(run.statistics), run.method
    beside = provide(store, method.needs - {"frames"}, method.picture_size, run.recipe.method, frames=1)

    def read(rows: Int[np.ndarray, "b t"]) -> Batch:
        features = standardise(store.batch(rows.reshape(-1))).unflatten(0, rows.shape)
        return Batch(features, **(beside(rows) if beside else {}))

    return read


def check_store(run: Run, store: FeatureStore) -> None:
    """Refuse features that the run was not trained on, naming both."""
    want, have = run.recipe.backbone, store.meta.backbone
    same = all(want.get(k) == have.get(k) for k in ("digest", "layer", "facet"))
    if not same or store.grid != run.recipe.grid:
        regrid = (
            f"\nOr take the run to it:  vitreous regrid {run.folder} {'x'.join(map(str, store.grid))}" if same else ""
        )
        raise FeatureMismatch(
            f"{run.folder} was trained on {describe(want, run.recipe.grid)}, but {store.path} holds "
            f"{describe(have, store.grid)}.\n"
            f"Extract matching ones:  vitreous extract SOURCE --out STORE --backbone {want['name']} "
            f"--grid {'x'.join(map(str, run.recipe.grid))}{regrid}"
        )


def describe(backbone: dict, grid: tuple[int, int]) -> str:
    return (
        f"{backbone['name']} features (layer {backbone.get('layer')}, {backbone.get('facet')}, "
        f"{backbone['dim']} numbers per patch, weights {str(backbone.get('digest'))[:8]}) on a {grid[0]}x{grid[1]} grid"
    )


def segment_store(
    run: Run,
    store: FeatureStore,
    batch_size: int = 32,
    wanted: Collection[int] | None = None,
    same: Same | None = None,
) -> Iterator[tuple[Int[np.ndarray, "b t"], SlotOutput]]:
    """Row numbers and slots of a whole store, with the statistics of the training.

    Clips of one length go together, about `batch_size` frames at a time; a longer clip goes on where it stopped, so
    memory stays the same and slots keep their numbers from its first frame to its last.

    wanted  rows: clips are left out where none of those that go together holds one. Those that stay are the same to
            the last bit, as slots that are drawn depend on the company of a batch
    same    as of `find_slots`
    """
    read = reader(run, store)
    views = (store.rows(key, view) for view in store.meta.views for key in store.keys)
    for length, alike in groupby((rows for rows in views if len(rows)), key=len):
        for clips in several(alike, max(1, batch_size // length)):
            if wanted is not None and not any(row in wanted for rows in clips for row in rows.tolist()):
                continue
            state = None
            for rows in np.split(np.stack(clips), range(batch_size, length, batch_size), axis=1):
                out = find_slots(run, read(rows), state, same)
                state = out.state
                yield rows, out


Item = TypeVar("Item")


def several(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    """`count` of them at a time; the last may be fewer."""
    items = iter(items)
    while some := list(islice(items, count)):
        yield some


@dataclass(frozen=True)
class Segmented:
    """What was found in one frame, at the size of the part of the picture that the model saw.

    name   of its files: the key of a still, key/0007 for a frame of a video
    clip   key of the video; None for a still
    slots  one vector per label
    whole  the picture is as it was read: nothing is cut off, nothing reduced
    """

    name: str
    picture: UInt8[np.ndarray, "y x 3"]
    found: Segmentation
    slots: Float[Tensor, "k s"] | None = None
    clip: str | None = None
    whole: bool = True


class Segmenter:
    """Pictures -> segmentations with a run: its own backbone and statistics, loaded once per process.

    refine     let borders follow the edges of the picture
    same       as of `find_slots`
    min_area   smaller regions go to their neighbours: a share of the picture, or pixels, see predict/regions.py
    apart      regions of one slot that do not touch, from this size on, are segments of their own; stills alone
    fit        crop: the part that the grid spans; squash: all of the picture; None: as the run was trained
    keep_side  longest side in pixels; larger pictures are reduced before anything else, or their masks fill the memory
    """

    def __init__(
        self,
        run: Run | Path | str,
        device: str = "auto",
        *,
        refine: bool = False,
        same: Same | None = None,
        min_area: float | int = 0,
        apart: float | int = 0,
        fit: str | None = None,
        keep_side: int = KEEP_SIDE,
    ) -> None:
        check_same(same)
        self.refine, self.min_area, self.keep_side = refine, check_area(min_area), keep_side
        self.apart = check_area(apart, "apart")
        self.same: Same | None = same
        recipe = run.recipe if isinstance(run, Run) else read_recipe(find_run(run))
        self.backbone: Backbone = warm_backbone(recipe.backbone, device)
        self.run = run if isinstance(run, Run) else warm_run(run, str(self.backbone.device))
        self.run.method.to(self.backbone.device)
        self.preprocess = Preprocess(self.backbone.size_for(recipe.grid), check_fit(fit or recipe.fit))
        self.standardise = Standardiser.from_state(self.run.statistics)

    def stills(self, frames: Sequence[Frame]) -> list[Segmented]:
        """Segment pictures, each by itself."""
        seen = self.look(frames)
        out = find_slots(self.run, self.see(seen, clips=len(seen)), same=self.same)
        return [
            Segmented(view.key, view.image, *self.divided(mask, view.image, slots[0]), whole=same_size(frame, view))
            for frame, view, mask, slots in zip(frames, seen, out.masks.cpu(), out.slots.cpu(), strict=True)
        ]

    def video(self, frames: Iterable[Frame], chunk: int = 8) -> Iterator[Segmented]:
        """Segment the frames of one clip, `chunk` at a time, however many there are; slots keep their numbers."""
        if self.apart:
            raise RunError("apart is for stills: regions of one slot have no numbers that last over a video.")
        state = None
        for some in several(frames, chunk):
            seen = self.look(some)
            out = find_slots(self.run, self.see(seen), state, self.same)
            state = out.state
            for frame, view, mask, slots in zip(some, seen, out.masks[0].cpu(), out.slots[0].cpu(), strict=True):
                found, name = self.pixels(mask[None], view.image), f"{view.key}/{view.index:04d}"
                yield Segmented(name, view.image, found, slots, view.key, same_size(frame, view))

    def look(self, frames: Iterable[Frame]) -> list[Frame]:
        """The part of each picture that the grid spans, of a size whose masks can be held."""
        return [self.preprocess(reduced(frame, self.keep_side)) for frame in frames]

    def see(self, seen: Sequence[Frame], clips: int = 1) -> Batch:
        """Standardised features of preprocessed frames, and what else the method needs."""
        images = torch.from_numpy(np.stack([self.preprocess.resize(s.image) for s in seen]))
        features = self.standardise(self.backbone(images[:, None])[:, 0]).unflatten(0, (clips, -1))
        method = self.run.method
        size, pictures, first = method.picture_size or self.run.recipe.grid, None, None
        if "pictures" in method.needs:
            pictures = as_batch([resized(s.image, size) for s in seen]).unflatten(0, (clips, -1))
        if "first_ids" in method.needs:
            ids = [small_ids(s.ids, size) for s in seen[:: len(seen) // clips] if s.ids is not None]
            first = torch.from_numpy(np.stack(ids)) if len(ids) == clips else None
        return Batch(features, pictures=pictures, first_ids=first).to(features.device)

    def pixels(self, mask: Float[Tensor, "1 k h w"], picture: UInt8[np.ndarray, "y x 3"]) -> Segmentation:
        size = (picture.shape[0], picture.shape[1])
        found = refine(mask, picture[None]) if self.refine else to_pixels(mask, size)
        if not self.min_area:
            return found
        labels = without_small(found.labels[0].numpy(), self.min_area)
        return Segmentation(torch.from_numpy(labels)[None], found.shares)

    def divided(
        self, mask: Float[Tensor, "1 k h w"], picture: UInt8[np.ndarray, "y x 3"], slots: Float[Tensor, "k s"]
    ) -> tuple[Segmentation, Float[Tensor, "n s"]]:
        """Segments of a still, and a vector for each."""
        found = self.pixels(mask, picture)
        if not self.apart:
            return found, slots
        found, origin = separated(found, self.apart)
        return found, slots[origin]

    def source(self, source: Source, batch_size: int = 8) -> Iterator[Segmented]:
        """All frames of a source, a few at a time, so that a long video never lies in memory."""
        return segment_source(source, lambda still: self, batch_size)


def segment_source(source: Source, segmenter: Callable[[bool], Segmenter], batch_size: int = 8) -> Iterator[Segmented]:
    """All frames of a source; `segmenter(still)` sees the stills, or the videos."""
    for still, keys in groupby(source.keys, key=lambda key: source.length(key) == 1):
        if still:
            frames = (frame for key in keys for frame in source.frames(key))
            for some in several(frames, batch_size):
                yield from segmenter(True).stills(some)
        else:
            for key in keys:
                yield from segmenter(False).video(source.frames(key), batch_size)


def same_size(one: Frame, other: Frame) -> bool:
    return one.image.shape == other.image.shape


def reduced(frame: Frame, side: int) -> Frame:
    """At most `side` pixels on its longer side."""
    y, x = frame.image.shape[:2]
    if max(y, x) <= side:
        return frame
    size = (max(1, round(y * side / max(y, x))), max(1, round(x * side / max(y, x))))
    image = np.asarray(Image.fromarray(frame.image).resize((size[1], size[0]), Image.Resampling.LANCZOS))
    return Frame(frame.key, frame.index, image, None if frame.ids is None else nearest(frame.ids, size))
