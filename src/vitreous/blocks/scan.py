"""Slots go through a clip: each frame starts where the frames before it lead."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vitreous.blocks.grouping import Begun
from vitreous.blocks.slot_attention import SlotAttention

Past = Sequence[Float[Tensor, "b k s"]]  # slots of the frames before, the latest last
Seen = Sequence[Float[Tensor, "b n e"]]  # projected features up to the frame that is to be looked at, the latest last
Keep = Bool[Tensor, "b k"] | None


class Scanned(NamedTuple):
    """What a clip was found to hold.

    attention  of the iterations that all frames have, the last ones
    keep       which slots there are, the same in every frame; None: all
    state      slots after the last frame, and `keep`: the next frames of these clips begin there
    """

    slots: Float[Tensor, "b t k s"]
    attention: Float[Tensor, "b t i k n"]
    keep: Bool[Tensor, "b t k"] | None
    state: Begun


def scan(
    x: Float[Tensor, "b t n e"],
    attend: SlotAttention,
    begin: Callable[[], Begun],
    hand_on: Callable[[Past, Seen, Keep], Float[Tensor, "b k s"]],
    *,
    later: int,
    state: Begun | None = None,
) -> Scanned:
    """Look at frame after frame.

    begin    where the slots of the first frame start; asked only where clips begin, without a state
    hand_on  where those of any other frame start
    later    iterations in every frame but the first
    """
    slots, attention, seen = [], [], []
    past, keep = ([], None) if state is None else ([state.slots], state.keep)
    for patches in x.unbind(1):
        seen.append(patches)
        if past:
            first, count = hand_on(past, seen, keep), later
        else:
            (first, keep), count = begin(), attend.iterations
        found = attend(patches, first, iterations=count, keep=keep)
        slots.append(found.slots)
        attention.append(found.attention[:, -min(later, attend.iterations) :])
        past.append(found.slots)
    clips = torch.stack(slots, dim=1)
    here = None if keep is None else keep[:, None].expand(clips.shape[:3])
    return Scanned(clips, torch.stack(attention, dim=1), here, Begun(slots[-1], keep))
