"""What a page shows at one moment, from what was seen and what was chosen; no part of Gradio."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from vitreous.view import fragments
from vitreous.view.draw import switched
from vitreous.view.measured import Measured
from vitreous.view.names import Choices
from vitreous.view.seen import Pictures, Seen


@dataclass(frozen=True)
class Held:
    """What a session holds: the pictures that were brought, what a run makes of them, what was said of its slots."""

    pictures: Pictures
    shown: Seen | Measured
    choices: Choices = Choices()


@dataclass(frozen=True)
class Wishes:
    """How to show it.

    strength  of the colours over the picture, in [0, 1]
    target    which number of a regression run
    """

    frame: float = 0
    follow_edges: bool = False
    strength: float = 0.55
    target: str | None = None


@dataclass(frozen=True)
class Screen:
    """The picture, and parts of the page in HTML; empty where there is nothing to show."""

    picture: UInt8[np.ndarray, "y x 3"]
    caption: str
    cards: str
    attention: str = ""
    features: str = ""


def screen(held: Held, wishes: Wishes) -> Screen:
    """All of it."""
    if isinstance(held.shown, Measured):
        return of_numbers(held.shown, wishes)
    seen, frame = held.shown, within(held.shown, wishes.frame)
    labels = seen.pixels(frame, wishes.follow_edges).labels[0].numpy()
    here = f", frame {frame + 1} of {seen.frames}" if seen.frames > 1 else ""
    return Screen(
        painted(held, wishes),
        f"{seen.name}{here}",
        fragments.cards(seen, frame, held.choices, wishes.follow_edges),
        fragments.attention(seen, frame, held.choices),
        fragments.pca(seen.pictures[frame], seen.principal[frame], labels),
    )


def painted(held: Held, wishes: Wishes) -> UInt8[np.ndarray, "y x 3"]:
    """The picture alone: what changes when a slot is switched."""
    if isinstance(held.shown, Measured):
        return of_numbers(held.shown, wishes).picture
    seen, frame = held.shown, within(held.shown, wishes.frame)
    labels = seen.pixels(frame, wishes.follow_edges).labels[0].numpy()
    return switched(seen.pictures[frame], labels, held.choices.on(seen.slots), wishes.strength)


def of_numbers(measured: Measured, wishes: Wishes) -> Screen:
    target = wishes.target if wishes.target in measured.targets else measured.targets[0]
    return Screen(measured.drawn(target), f"{measured.name}: {target}", fragments.numbers(measured))


def within(seen: Seen, frame: float) -> int:
    """A slider may still stand where the last clip was longer."""
    return max(0, min(int(frame), seen.frames - 1))
