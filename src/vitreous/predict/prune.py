"""Slots that double another become one after training: the number of slots need not be tuned, for any method."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from vitreous.blocks.redundancy import Same, distinct
from vitreous.errors import RunError
from vitreous.types import SlotOutput


class Pruned(NamedTuple):
    """The state of clips that are pruned: the method's own, and which slot stands for each; -1: won nothing so far;
    None: nobody was judged yet.
    """

    state: Any
    stands: Int[Tensor, "b k"] | None


def check_same(same: Same | None) -> None:
    """Refuse what is no distance."""
    if same is not None and same != "auto" and not 0 <= same <= 2:
        raise RunError(f"--prune {same}: a cosine distance between 0 and 2 was expected, as 0.2, or auto.")


@torch.no_grad()
def prune(out: SlotOutput, same: Same, before: Int[Tensor, "b k"] | None = None) -> SlotOutput:
    """One slot for each cluster, with the mean of its slots by what each owns, and the sum of their masks.

    A slot is judged in the first frame where it wins a patch, and it stays with its cluster, so numbers hold over a
    clip, and a clip seen in pieces gives what it gives at once. Where frames do not know each other (no state), each is
    judged by itself.

    before  who stood for each slot at the end of the frames just before these
    """
    if out.state is None:
        clips = out.slots.shape[:2]
        frames = judged(mapped(out, lambda x: x.flatten(0, 1)[:, None]), same, None)
        return replace(mapped(frames, lambda x: x[:, 0].unflatten(0, clips)), state=None)
    return judged(out, same, before)


def judged(out: SlotOutput, same: Same, before: Int[Tensor, "b k"] | None) -> SlotOutput:
    """Frame after frame of the same clips."""
    k = out.slots.shape[2]
    there = torch.ones_like(out.slots[..., 0], dtype=torch.bool) if out.keep is None else out.keep
    own, names = out.masks.flatten(3).sum(-1), torch.arange(k, device=out.slots.device)
    wins = one_hot(out.masks.flatten(3).argmax(2), k).any(2)
    stands, members = torch.full_like(there[:, 0], -1, dtype=torch.long) if before is None else before, []
    for frame in range(out.slots.shape[1]):
        new = there[:, frame] & wins[:, frame] & (stands < 0)
        if new.any():
            known = stands == names
            means = pooled(out.slots[:, frame], own[:, frame], rows(stands))
            seen = means.where(known[..., None], out.slots[:, frame])
            found = distinct(seen, own[:, frame], same, keep=known | new, apart=known)
            stands = found.members.argmax(1).where(new, stands)
        members.append(rows(stands))
    each = torch.stack(members, dim=1)  # b t k k
    return replace(
        out,
        slots=pooled(out.slots, own, each),
        masks=torch.einsum("btcm,btmhw->btchw", each, out.masks.float()),
        attention=None if out.attention is None else torch.einsum("btcm,btimhw->btichw", each, out.attention.float()),
        keep=(each @ there.float()[..., None])[..., 0] > 0,
        state=Pruned(out.state, stands),
    )


def rows(stands: Int[Tensor, "b k"]) -> Float[Tensor, "b k k"]:
    """Row c: ones at the slots that c stands for; a slot of which nothing is known stands for itself."""
    k = stands.shape[1]
    return one_hot(stands.where(stands >= 0, torch.arange(k, device=stands.device)), k).mT.float()


def pooled(
    slots: Float[Tensor, "*b k s"], own: Float[Tensor, "*b k"], members: Float[Tensor, "*b k k"]
) -> Float[Tensor, "*b k s"]:
    """Means over the members, by what each owns; zeros where there are none."""
    weight = members * own.float().clamp(min=1e-6)[..., None, :]
    return weight / weight.sum(-1, keepdim=True).clamp(min=1e-6) @ slots.float()


def mapped(out: SlotOutput, change: Callable[[Tensor], Tensor]) -> SlotOutput:
    """The same change to all that has clips and frames."""
    names = ("slots", "masks", "rebuilt", "attention", "keep")
    values = {name: getattr(out, name) for name in names}
    return replace(out, **{name: None if value is None else change(value) for name, value in values.items()})
