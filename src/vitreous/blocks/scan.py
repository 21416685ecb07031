"""Slots go through a clip: each frame starts where the frames before it lead."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import one_hot

from vitreous.blocks.grouping import Begun
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError

Past = Sequence[Float[Tensor, "b k s"]]  # what the frames before handed on, the latest last
Seen = Sequence[Float[Tensor, "b n e"]]  # projected features up to the frame that is to be looked at, the latest last
Keep = Bool[Tensor, "b k"] | None


class Scanned(NamedTuple):
    """What a clip was found to hold.

    attention  of the iterations that all frames have, the last ones
    keep       which slots there are, the same in every frame; None: all
    state      what the last frame handed on, and `keep`: the next frames of these clips begin there
    """

    slots: Float[Tensor, "b t k s"]
    attention: Float[Tensor, "b t i k n"]
    keep: Bool[Tensor, "b t k"] | None
    state: Begun


def check_scan(later: int, memory: float) -> None:
    """Refuse settings that cannot be."""
    if later < 1 or not 0 <= memory < 1:
        raise RunError(f"later must be at least 1 and memory in [0, 1), not {later} and {memory}.")


def scan(
    x: Float[Tensor, "b t n e"],
    attend: SlotAttention,
    begin: Callable[[], Begun],
    hand_on: Callable[[Past, Seen, Keep], Float[Tensor, "b k s"]],
    *,
    later: int,
    memory: float | None = None,
    state: Begun | None = None,
) -> Scanned:
    """Look at frame after frame.

    begin    where the slots of the first frame start; asked only where clips begin, without a state
    hand_on  where those of any other frame start
    later    iterations in every frame but the first
    memory   None: a frame hands on its slots. Else (ours, for warm slots) the running means of the patches that they
             won, of which so large a share is older than the frame: k-means alone tears the background by and by
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
        past.append(found.slots if memory is None else running_mean(first, found.attention[:, -1], patches, memory))
    clips = torch.stack(slots, dim=1)
    here = None if keep is None else keep[:, None].expand(clips.shape[:3])
    return Scanned(clips, torch.stack(attention, dim=1), here, Begun(past[-1], keep))


def running_mean(
    slots: Float[Tensor, "b k s"], share: Float[Tensor, "b k n"], x: Float[Tensor, "b n s"], memory: float
) -> Float[Tensor, "b k s"]:
    """Slots, moved towards the mean of the patches of which they won most; one that won nothing waits where it is."""
    won = one_hot(share.argmax(1), share.shape[1]).mT.to(x.dtype)
    count = won.sum(-1, keepdim=True)
    mean = memory * slots + (1 - memory) * (won @ x / count.clamp(min=1))
    return mean.where(count > 0, slots)
