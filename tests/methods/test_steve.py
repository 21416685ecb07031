import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods.steve import STEVE, STEVEConfig
from vitreous.types import Batch

SMALL = dict(slots=3, slot_dim=8, resolution=24, codes=7, coder_width=8, decoder_width=8, decoder_layers=1)
PICTURES = dict(look="pictures", start="gaussian", encoder_width=6)


def tiny(**settings):
    torch.manual_seed(0)
    return STEVE(STEVEConfig(**SMALL | settings), 12, (6, 8))


def with_pictures(batch):
    """Pictures whose colours are the first three numbers of the patches; ids by a threshold."""
    x = batch.features[..., :3].movedim(-1, 2).sigmoid()
    pictures = x.repeat_interleave(4, 3).repeat_interleave(4, 4)
    return Batch(batch.features, (), pictures, (pictures[:, 0, 0] > 0.6).long() * 5)


@pytest.mark.parametrize("settings", [{}, PICTURES, PICTURES | dict(start="boxes"), dict(words="features")])
def test_a_clip_in_pieces_is_the_clip(moving, settings):
    method, batch = tiny(**settings).eval(), with_pictures(moving(6)[0])
    torch.manual_seed(1)
    whole = method(batch)
    torch.manual_seed(1)
    state, parts = None, []
    for t in range(0, 6, 2):
        first = batch.first_ids if t == 0 else None
        parts.append(method(Batch(batch.features[:, t : t + 2], (), batch.pictures[:, t : t + 2], first), state))
        state = parts[-1].state
    for name in ("slots", "masks", "attention"):
        found = torch.cat([getattr(part, name) for part in parts], dim=1)
        assert_close(found, getattr(whole, name), atol=1e-5, rtol=1e-4)


def test_warm_slots_follow_what_moves_before_they_learn_anything(moving, follows):
    batch, labels = moving(24)
    owner = torch.tensor(follows.owners(tiny(slot_dim=16), batch, labels))
    assert (owner == owner[0]).all()
    assert len(set(owner[0].tolist())) == 3


def test_a_cell_of_the_papers_own_sees_pixels_and_no_features(moving):
    method, batch = tiny(**PICTURES | dict(stride=2)).eval(), with_pictures(moving(2)[0])
    torch.manual_seed(1)
    out = method(batch)
    assert out.masks.shape == (1, 2, 3, 12, 16)
    torch.manual_seed(1)
    again = method(Batch(torch.zeros_like(batch.features), (), batch.pictures))
    assert_close(out.masks, again.masks, atol=0, rtol=0)


def test_the_mlp_rests_in_the_last_iteration(moving):
    method, batch = tiny(**PICTURES | dict(iterations=1, later=1)).eval(), with_pictures(moving(1)[0])
    torch.manual_seed(1)
    before = method(batch).slots
    with torch.no_grad():
        method.group.attend.mlp.fc2.bias += 1.0  # it would move every slot
    torch.manual_seed(1)
    assert_close(method(batch).slots, before, atol=0, rtol=0)
    method.group.attend.iterations = 2
    torch.manual_seed(1)
    assert (method(batch).slots - before).abs().max() > 1e-3


def test_needs_follow_from_the_settings():
    assert tiny().needs == {"pictures"}
    assert tiny(words="features").needs == frozenset()
    assert tiny(words="features", start="boxes").needs == {"first_ids"}
    assert tiny(words="features", **PICTURES).needs == {"pictures"}


def test_learns_to_tell_a_clip(moving, follows):
    first, last = follows.trained(tiny(decoder_width=16, coder_width=16), with_pictures(moving(3, clips=4)[0]))
    assert last["rebuild"] < 0.9 * first["rebuild"]
    assert last["picture"] < 0.5 * first["picture"]


def test_what_cannot_be_is_refused():
    with pytest.raises(RunError, match='say start "gaussian" or "boxes"'):
        STEVEConfig(look="pictures")
    with pytest.raises(RunError, match="later and stride at least 1"):
        STEVEConfig(later=0)
