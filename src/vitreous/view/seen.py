"""What a run saw in a picture or a clip: all that a page shows of it, made once per upload."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16, Int, UInt8
from torch import Tensor

from vitreous.blocks.redundancy import Same
from vitreous.data import FolderSource, Reading
from vitreous.errors import DataError
from vitreous.features.preprocess import resized
from vitreous.features.store import FeatureStore
from vitreous.predict.segment import Segmenter, find_slots, refine, several, to_pixels
from vitreous.report.pictures import principal_colours
from vitreous.types import Frame, Segmentation, SlotOutput, Source

STILL, CLIP = 768, 480  # longest side that is looked at, in pixels: what fits a screen, and a slider that follows
FRAMES = 48  # of a clip; a longer one is thinned out
LARGE = 24_000_000  # pixels above which a picture is said to be large


@dataclass(frozen=True)
class Pictures:
    """One picture or the frames of one clip, as they are looked at.

    name   of the file or of the clip
    notes  what was done to them that one should know
    """

    name: str
    frames: Sequence[Frame]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A picture or a clip as a run sees it.

    run        its folder
    name       of the picture
    pictures   the part that the grid spans
    output     of the method, for one clip
    features   standardised, as the method saw them
    """

    run: Path
    name: str
    pictures: UInt8[np.ndarray, "t y x 3"]
    output: SlotOutput
    features: Float16[Tensor, "t h w d"]
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        return len(self.pictures)

    @property
    def slots(self) -> int:
        return self.masks.shape[1]

    @property
    def masks(self) -> Float[Tensor, "t k h w"]:
        return self.output.masks[0]

    @property
    def attention(self) -> Float[Tensor, "t i k h w"] | None:
        return None if self.output.attention is None else self.output.attention[0]

    def pixels(self, picture: UInt8[np.ndarray, "y x 3"], frame: int, follow_edges: bool = False) -> Segmentation:
        """Who owns each pixel of a frame, drawn in this size."""
        masks = self.masks[frame, None]
        return refine(masks, picture[None]) if follow_edges else to_pixels(masks, (picture.shape[0], picture.shape[1]))

    @cached_property
    def principal(self) -> UInt8[np.ndarray, "t h w 3"]:
        """First three principal components of the patches as colours; one is one kind of patch in all frames."""
        return principal_colours(self.features.float())

    def won(self) -> Int[np.ndarray, "t k"]:
        """Patches that each slot wins in each frame."""
        winner = self.masks.argmax(1).flatten(1)
        return torch.nn.functional.one_hot(winner, self.slots).sum(1).numpy()


def look(segmenter: Segmenter, pictures: Pictures, same: Same | None = None, chunk: int = 8) -> Seen:
    """See pictures with a run. `same`: as of `find_slots`."""
    state, views, outputs, features = None, [], [], []
    for some in several(pictures.frames, chunk):
        seen = segmenter.look(some)
        batch = segmenter.see(seen)
        out = find_slots(segmenter.run, batch, state, same)
        state = out.state
        views += [view.image for view in seen]
        outputs.append(out)
        features.append(batch.features[0].half().cpu())
    return Seen(
        segmenter.run.folder, pictures.name, np.stack(views), joined(outputs), torch.cat(features), pictures.notes
    )


def joined(outputs: Sequence[SlotOutput]) -> SlotOutput:
    """Pieces of one clip as one."""

    def over_time(name: str) -> Tensor | None:
        parts = [getattr(out, name) for out in outputs]
        return None if any(part is None for part in parts) else torch.cat(parts, dim=1).cpu()

    names = ("slots", "masks", "rebuilt", "attention", "keep")
    return SlotOutput(**{name: over_time(name) for name in names})  # pyright: ignore[reportArgumentType]


def read_file(path: Path) -> Pictures:
    """A file that somebody brought; DataError says what is wrong with it. Nothing is read but this file."""
    source = FolderSource(path)
    (key,) = source.keys
    length, stride = source.length(key), 1
    if length > FRAMES:
        stride = -(-length // FRAMES)
        source = FolderSource(path, reading=Reading(stride=stride))
    return of_source(source, key, path.name, stride, length)


def of_source(source: Source, key: str, name: str | None = None, stride: int = 1, length: int = 0) -> Pictures:
    """A clip of a data set, small enough for a page."""
    frames = source.frames(key)
    if stride == 1 and source.length(key) > FRAMES:
        length, stride = source.length(key), -(-source.length(key) // FRAMES)
        frames = (frame for at, frame in enumerate(frames) if at % stride == 0)
    notes = [f"Every {ordinal(stride)} of {length} frames is shown."] if stride > 1 else []
    return fit_to_page(name or key, frames, notes)


def of_store(store: FeatureStore, key: str) -> Pictures:
    """A clip of a store."""
    rows = store.rows(key)
    stride = -(-len(rows) // FRAMES)
    notes = [f"Every {ordinal(stride)} of {len(rows)} frames is shown."] if stride > 1 else []
    return fit_to_page(key, map(store.picture, rows[::stride].tolist()), notes)


def ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def fit_to_page(name: str, frames: Iterable[Frame], notes: Sequence[str] = ()) -> Pictures:
    """Shrunk as they are read, so that a long clip or a large picture never lies in memory as it is.

    A picture is as large as STILL, one of several as CLIP: the first is shrunk again when a second follows.
    """
    small: list[Frame] = []
    shape = None
    for frame in frames:
        if shape is not None and frame.image.shape != shape:
            raise DataError(f"{name}: frame {frame.index} has another size than the first. Bring the pages one by one.")
        if len(small) == 1:
            small = [shrunk(small[0], CLIP)]
        shape = frame.image.shape
        small.append(shrunk(frame, CLIP if small else STILL))
    if not small or shape is None:
        raise DataError(f"{name}: nothing in it can be read.")
    notes = list(notes)
    if shape[0] * shape[1] > LARGE:
        y, x = small[0].image.shape[:2]
        notes.append(
            f"{shape[1]} x {shape[0]} pixels ({shape[0] * shape[1] / 1e6:.0f} megapixels): looked at in {x} x {y}. "
            "Masks at full size:  vitreous segment"
        )
    return Pictures(name, small, tuple(notes))


def shrunk(frame: Frame, side: int) -> Frame:
    """Longest side at most so long, without ids: nobody scores here."""
    y, x = frame.image.shape[:2]
    scale = min(1.0, side / max(y, x))
    image = resized(frame.image, (max(1, round(y * scale)), max(1, round(x * scale))))
    return Frame(frame.key, frame.index, image, frame.ids if scale == 1 else None)
