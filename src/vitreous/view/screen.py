"""What a page shows at one moment, from what was seen and what was chosen; no part of Gradio."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from vitreous.types import Segmentation
from vitreous.view import fragments
from vitreous.view.draw import readable, switched
from vitreous.view.measured import Measured
from vitreous.view.names import Choices
from vitreous.view.seen import Pictures, Seen

Number = int | float  # what a slider of a page may answer


@dataclass(frozen=True)
class Held:
    """What a session holds: the pictures that were brought, what a run makes of them, what was said of its slots."""

    pictures: Pictures
    shown: Seen | Measured
    choices: Choices = field(default_factory=Choices)


@dataclass(frozen=True)
class Wishes:
    """How to show it.

    strength  of the colours over the picture, in [0, 1]
    target    which number of a regression run
    """

    frame: Number = 0
    follow_edges: bool = False
    strength: Number = 0.55
    target: str | None = None


@dataclass(frozen=True)
class Screen:
    """The picture, and parts of the page in HTML; empty where there is nothing to show."""

    picture: UInt8[np.ndarray, "y x 3"]
    caption: str
    cards: str
    attention: str = ""
    features: str = ""


def screen(held: Held, wishes: Wishes, find: bool = True) -> Screen:
    """All of it. `find`: whether there is a store to find objects in."""
    if isinstance(held.shown, Measured):
        return of_numbers(held.shown, wishes)
    seen, frame = held.shown, within(held.shown, wishes.frame)
    picture = readable(seen.pictures[frame])
    found = seen.pixels(picture, frame, wishes.follow_edges)
    return Screen(
        painted(held, wishes, found),
        f"{seen.name}, frame {frame + 1} of {seen.frames}" if seen.frames > 1 else seen.name,
        fragments.cards(seen, frame, found, held.choices, find),
        fragments.attention(seen, frame, held.choices),
        fragments.pca(picture, seen.principal[frame], found.labels[0].numpy()),
    )


def painted(held: Held, wishes: Wishes, found: Segmentation | None = None) -> UInt8[np.ndarray, "y x 3"]:
    """The picture alone: what changes when a slot is switched. `found`: where it is known already."""
    if isinstance(held.shown, Measured):
        return of_numbers(held.shown, wishes).picture
    seen, frame = held.shown, within(held.shown, wishes.frame)
    picture = readable(seen.pictures[frame])
    found = found or seen.pixels(picture, frame, wishes.follow_edges)
    return switched(picture, found.labels[0].numpy(), held.choices.on(seen.slots), wishes.strength)


def of_numbers(measured: Measured, wishes: Wishes) -> Screen:
    target = target_of(measured, wishes)
    return Screen(readable(measured.drawn(target)), f"{measured.name}: {target}", fragments.numbers(measured))


def target_of(measured: Measured, wishes: Wishes) -> str:
    return wishes.target if wishes.target in measured.targets else measured.targets[0]


def within(seen: Seen, frame: Number) -> int:
    """A slider may still stand where the last clip was longer."""
    return max(0, min(int(frame), seen.frames - 1))
