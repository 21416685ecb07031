"""The nouns that cross folders.

Letters mean one thing everywhere: `b` clips, `t` frames, `h w` patch grid, `y x` pixels, `n` = h·w, `d` feature,
`k` slots, `s` slot, `i` iterations. An image is a clip with t = 1, so no code asks "image or video?".
Pixels are NumPy (they come from files), features and slots are torch (they go through models).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

if TYPE_CHECKING:  # torch is heavy: who reads pictures only does not pay for it
    from torch import Tensor
else:
    Tensor = Any


@dataclass(frozen=True)
class Frame:
    """One picture of a clip, as read.

    key      of the clip it belongs to
    index    its place in the clip, from 0
    image    8-bit sRGB
    ids      object ids; 0 background, -1 does not score; same size as the picture; None if unknown
    encoded  the file's own bytes where they decode to exactly `image` (PNG or JPEG), so that nobody has to
             encode it again; else None
    """

    key: str
    index: int
    image: UInt8[np.ndarray, "y x 3"]
    ids: Int[np.ndarray, "y x"] | None = None
    encoded: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Clip:
    """A video, or a picture (t = 1), with what is known of its objects.

    key        unique in its data set and stable: a path below its root, without the ending where that is unique
    frames     8-bit sRGB
    ids        0 background, -1 does not score; None if unknown
    instances  one row per object: id, shape, size, colour, material, category ... as far as known
    """

    key: str
    frames: UInt8[np.ndarray, "t y x 3"]
    ids: Int[np.ndarray, "t y x"] | None = None
    instances: Sequence[dict[str, Any]] | None = None


@runtime_checkable
class Source(Protocol):
    """A data set: clips by key, read frame by frame. `vitreous.data.open_source(path)` makes one.

    skipped  (path, reason) of what could not be read and was left out, filled as reading goes on
    """

    skipped: list[tuple[str, str]]

    @property
    def name(self) -> str:
        """Short name for people: the folder's, say."""
        ...

    @property
    def keys(self) -> Sequence[str]:
        """All clips, in a fixed order."""
        ...

    def length(self, key: str) -> int:
        """Number of frames, found without decoding them."""
        ...

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        """Read a clip frame by frame from `start` on, never holding it whole. A bad file raises DataError."""
        ...

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        """Object table of a clip; None if there is none."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 over keys, lengths and file sizes: tells whether the data changed since it was read."""
        ...


@dataclass(frozen=True)
class Batch:
    """What a method sees.

    features   frozen and standardised; the target of the reconstruction as well as its input
    pictures   the part that the grid spans, in [0, 1], at the method's size; only where it needs pictures
    first_ids  of the objects in the first frame of each clip, as of Frame, at that size (the grid's without pictures);
               only where slots start from them. No other truth is ever here: pixels are scored, see report/score.py
    """

    features: "Float[Tensor, 'b t h w d']"
    keys: Sequence[str] = ()
    pictures: "Float[Tensor, 'b t 3 y x'] | None" = None
    first_ids: "Int[Tensor, 'b y x'] | None" = None

    def to(self, *where: Any, **how: Any) -> "Batch":
        """As `Tensor.to`."""
        beside = (None if x is None else x.to(*where, **how) for x in (self.pictures, self.first_ids))
        return Batch(self.features.to(*where, **how), self.keys, *beside)


@dataclass(frozen=True)
class SlotOutput:
    """What every method answers.

    slots      one vector per object
    masks      share of each patch that each slot owns, in [0, 1], summing to 1 over k; on the grid of the features,
               or, of a method that looks at pictures, on a finer one of its own
    rebuilt    the features, rebuilt from the slots; NaN throughout where a method rebuilds something else
    attention  of slot attention per iteration, summing to 1 over k; None where a method has none
    keep       which slots there are; the others own nothing. None: all
    state      what the method's `forward` needs to go on with the next frames of these clips, so that a long clip can
               be seen chunk by chunk; None where frames do not know each other
    aside      what the method's loss needs beside all this, by name: a rebuilt picture, say
    """

    slots: "Float[Tensor, 'b t k s']"
    masks: "Float[Tensor, 'b t k my mx']"
    rebuilt: "Float[Tensor, 'b t h w d']"
    attention: "Float[Tensor, 'b t i k ay ax'] | None" = None
    keep: "Bool[Tensor, 'b t k'] | None" = None
    state: Any = None
    aside: "dict[str, Tensor]" = field(default_factory=dict)


@dataclass(frozen=True)
class Segmentation:
    """Who owns each pixel of a clip. Made by every method; read by every metric, page and viewer.

    labels  0..k-1, or -1 where nothing was decided
    shares  soft ownership before the decision, in [0, 1], summing to 1 over k; None if never known
    """

    labels: "Int[Tensor, 't y x']"
    shares: "Float[Tensor, 't k y x'] | None" = None


@dataclass(frozen=True)
class ValueMap:
    """What each patch of a picture gives to its numbers. Made by regression heads; read by pages and viewers.

    values   in units of the numbers, on the grid of all tiles; the mean of each map is the picture's number
    targets  names of the numbers
    """

    key: str
    values: Float[np.ndarray, "k h w"]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """One metric over a set of images: never a mean alone.

    values    one per image or clip; NaN where it is not defined there (and left out of the mean)
    mean      of the defined values
    low high  95 % bootstrap interval of the mean
    """

    values: Sequence[float]
    mean: float
    low: float
    high: float
