from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods.savi import SAVi, SAViConfig
from vitreous.types import Batch

SMALL = dict(slots=4, slot_dim=8, resolution=24, encoder_width=6, decoder_width=6)


def tiny(**settings):
    torch.manual_seed(0)
    return SAVi(SAViConfig(**SMALL | settings), 5, (6, 8))


def clip(frames=6):
    """Two squares that go right by four pixels a frame over a grey floor, ids 3 and 8."""
    ids = torch.zeros(1, frames, 24, 32, dtype=torch.long)
    for t in range(frames):
        ids[:, t, 4:10, 4 * t : 4 * t + 6], ids[:, t, 14:20, 4 * t + 2 : 4 * t + 8] = 3, 8
    colour = torch.full((9, 3), 0.4)
    colour[3], colour[8] = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.9])
    pictures = colour[ids].movedim(-1, 2)
    return Batch(torch.zeros(1, frames, 6, 8, 5), (), pictures, ids[:, 0]), ids


@pytest.mark.parametrize(
    ("start", "needs"),
    [("gaussian", {"pictures"}), ("learned", {"pictures"}), ("boxes", {"pictures", "first_ids"})],
)
def test_only_starts_that_are_pointed_out_need_ids(start, needs):
    assert tiny(start=start).needs == needs
    assert SAVi.needs == {"pictures"}


@pytest.mark.parametrize("start", ["gaussian", "boxes", "ids"])
def test_a_clip_in_pieces_is_the_clip(start):
    method, (batch, _) = tiny(start=start).eval(), clip()
    torch.manual_seed(1)
    whole = method(batch)
    torch.manual_seed(1)
    state, parts = None, []
    for begin, end in pairwise([0, 2, 3, 6]):
        first = batch.first_ids if begin == 0 else None  # only the first piece begins anywhere
        piece = Batch(batch.features[:, begin:end], (), batch.pictures[:, begin:end], first)
        parts.append(method(piece, state))
        state = parts[-1].state
    for name in ("slots", "masks", "attention"):
        found = torch.cat([getattr(part, name) for part in parts], dim=1)
        assert_close(found, getattr(whole, name), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("start", ["boxes", "ids"])
def test_who_is_pointed_out_first_is_the_first_slot(start):
    method, (batch, _) = tiny(start=start), clip()
    other = torch.tensor([0, -1, -1, 8, -1, -1, -1, -1, 3])[batch.first_ids]  # the ids of the two objects swapped
    there, here = method(batch), method(Batch(batch.features, (), batch.pictures, other))
    assert_close(here.masks, there.masks[:, :, [0, 2, 1, 3]], atol=1e-5, rtol=1e-5)
    assert (there.slots[:, :, 1] - there.slots[:, :, 2]).abs().max() > 1e-3


def test_slots_without_an_object_own_nothing_or_share_the_background():
    batch, _ = clip()
    out = tiny(start="boxes")(batch)
    assert out.keep[0, 0].tolist() == [True, True, True, False]
    assert out.masks[:, :, 3].abs().max() == 0
    alike = tiny(start="boxes", spare="background")(batch)
    assert alike.keep is None
    assert_close(alike.masks[:, :, 3], alike.masks[:, :, 0], atol=1e-5, rtol=1e-4)
    assert alike.masks[:, :, 3].min() > 0


def test_the_sum_is_the_mean_times_its_terms():
    batch, _ = clip(2)
    mean, total = (tiny(reduce=kind, start="learned") for kind in ("mean", "sum"))
    ratio = total.loss(total(batch), batch)["rebuild"] / mean.loss(mean(batch), batch)["rebuild"]
    assert ratio.item() == pytest.approx(2 * 3 * 24 * 32, rel=1e-4)


def test_what_is_not_pointed_out_is_asked_for():
    batch, _ = clip(1)
    with pytest.raises(RunError, match="no ids of first frames"):
        tiny(start="boxes")(Batch(batch.features, (), batch.pictures))
    with pytest.raises(RunError, match="later and stride must be at least 1"):
        SAViConfig(later=0)
