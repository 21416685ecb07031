"""A run applied to features or pictures: slots, and who owns each pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from vitreous.backbones import Backbone, load_described
from vitreous.errors import FeatureMismatch
from vitreous.features.preprocess import Preprocess
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.runs import Run
from vitreous.types import Batch, Frame, Segmentation, SlotOutput, Source

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
    guide = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(shares) / 255
    reach, coarse = 2 * round(REACH * patch) + 1, max(1, int(patch / 4))  # coefficients of patches / 4 are fine enough
    shares = guided_blur(guide, shares, reach, edge, "replicate", subsample=coarse, separable=True).clamp(0, 1)
    shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-6)
    return Segmentation(labels=shares.argmax(1), shares=shares)


@torch.no_grad()
def find_slots(run: Run, features: Float[Tensor, "b t h w d"]) -> SlotOutput:
    """Slots in standardised features. The same numbers every time: initial slots that are drawn are drawn alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.recipe.training.get("seed", 0))
        return run.method.eval()(Batch(features))


def check_store(run: Run, store: FeatureStore) -> None:
    """Refuse features that the run was not trained on, naming both."""
    want, have = run.recipe.backbone, store.meta.backbone
    same = all(want.get(k) == have.get(k) for k in ("digest", "layer", "facet")) and store.grid == run.recipe.grid
    if not same:
        raise FeatureMismatch(
            f"{run.folder} was trained on {describe(want, run.recipe.grid)}, but {store.path} holds "
            f"{describe(have, store.grid)}.\n"
            f"Extract matching ones:  vitreous extract SOURCE --out STORE --backbone {want['name']} "
            f"--grid {run.recipe.grid[0]}"
        )


def describe(backbone: dict, grid: tuple[int, int]) -> str:
    return (
        f"{backbone['name']} features (layer {backbone.get('layer')}, {backbone.get('facet')}, "
        f"{backbone['dim']} numbers per patch, weights {str(backbone.get('digest'))[:8]}) on a {grid[0]}x{grid[1]} grid"
    )


def segment_store(run: Run, store: FeatureStore, batch_size: int = 32) -> Iterator[tuple[list[int], SlotOutput]]:
    """Row numbers and slots of every row of a store, frame by frame, with the statistics of the training."""
    check_store(run, store)
    standardise = Standardiser.from_state(run.statistics)
    for first in range(0, len(store), batch_size):
        rows = list(range(first, min(first + batch_size, len(store))))
        yield rows, find_slots(run, standardise(store.batch(rows))[:, None])


@dataclass(frozen=True)
class Segmented:
    """What was found in one frame, at the size of the part of the picture that the model saw.

    name  of its files: the key of a still, key/0007 for a frame of a video
    """

    name: str
    picture: np.ndarray
    found: Segmentation


class Segmenter:
    """Pictures -> segmentations with a run: loads the run's own backbone and statistics once.

    refine  let borders follow the edges of the picture
    """

    def __init__(self, folder: Path | str, device: str = "auto", *, refine: bool = False) -> None:
        self.refine = refine
        self.run = Run.load(folder)
        self.backbone: Backbone = load_described(self.run.recipe.backbone, device=device)
        self.preprocess = Preprocess(self.backbone.size_for(self.run.recipe.grid), self.run.recipe.fit)
        self.standardise = Standardiser.from_state(self.run.statistics)

    def __call__(self, frames: Sequence[Frame], names: Sequence[str]) -> list[Segmented]:
        """Segment frames, each by itself."""
        seen = [self.preprocess(frame) for frame in frames]
        images = torch.from_numpy(np.stack([self.preprocess.resize(s.image) for s in seen]))
        masks = find_slots(self.run, self.standardise(self.backbone(images[:, None])[:, 0])[:, None]).masks
        return [
            Segmented(name, view.image, self.pixels(mask, view.image))
            for name, view, mask in zip(names, seen, masks, strict=True)
        ]

    def pixels(self, mask: Float[Tensor, "1 k h w"], picture: UInt8[np.ndarray, "y x 3"]) -> Segmentation:
        if self.refine:
            return refine(mask, picture[None])
        return to_pixels(mask, (picture.shape[0], picture.shape[1]))

    def source(self, source: Source, batch_size: int = 8) -> Iterator[Segmented]:
        """All frames of a source, a few at a time, so that a long video never lies in memory."""
        waiting: list[Frame] = []
        names: list[str] = []
        for key in source.keys:
            still = source.length(key) == 1
            for frame in source.frames(key):
                waiting.append(frame)
                names.append(key if still else f"{key}/{frame.index:04d}")
                if len(waiting) == batch_size:
                    yield from self(waiting, names)
                    waiting, names = [], []
        if waiting:
            yield from self(waiting, names)
