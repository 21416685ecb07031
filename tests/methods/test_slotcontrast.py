import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.contrast import slot_contrast
from vitreous.errors import RunError
from vitreous.methods.slotcontrast import SlotContrast, SlotContrastConfig
from vitreous.types import Batch


def made(**settings):
    torch.manual_seed(0)
    small = dict(slots=4, slot_dim=16, decoder_width=32, decoder_layers=2)
    return SlotContrast(SlotContrastConfig(**(small | settings)), 12, (6, 8))


SETTINGS = [{}, dict(masks="decoder"), dict(start="learned", hidden="normed", odd_scale=True, masks="decoder")]


@pytest.mark.parametrize("settings", SETTINGS)
def test_chunks_of_a_clip_are_the_clip(settings, moving, follows):
    follows.chunks(made(**settings), moving()[0])


def test_warm_slots_keep_their_objects(moving, follows):
    batch, labels = moving()
    found = follows.owners(made(), batch, labels)
    assert found == [found[0]] * 24


def test_the_loss_contrasts_slots_of_all_clips_over_time(moving):
    method, (batch, _) = made(contrast=0.7, contrast_temperature=0.3), moving(4, clips=3)
    out = method(batch)
    terms = method.loss(out, batch)
    assert_close(terms["contrast"], 0.7 * slot_contrast(out.slots, out.keep, temperature=0.3))
    parts = [slot_contrast(s[None], k[None], temperature=0.3) for s, k in zip(out.slots, out.keep, strict=True)]
    assert terms["contrast"] > 0.7 * torch.stack(parts).mean()  # others' slots are to be told from too
    assert method.loss(method(Batch(batch.features[:, :1])), Batch(batch.features[:, :1]))["contrast"] == 0


def test_learned_slots_come_to_last(moving, follows):
    """Drawn at one place, slots begin alike; contrast tells them apart and makes them keep to themselves."""
    method, (batch, _) = made(start="learned"), moving(4, clips=4)
    first, last = follows.trained(method, batch)
    assert last["contrast"] < 0.5 * first["contrast"]
    assert last["rebuild"] < 0.8 * first["rebuild"]


@pytest.mark.parametrize("settings", [dict(hidden="normed"), dict(odd_scale=True)])
def test_each_oddity_of_the_release_changes_the_numbers(settings, moving):
    batch, _ = moving(3)
    plain, odd = made(start="learned").eval(), made(start="learned", **settings).eval()
    odd.load_state_dict(plain.state_dict())
    assert (odd(batch).slots - plain(batch).slots).abs().max() > 1e-3


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match="later must be at least 1 .* not 0 and 0.7"):
        SlotContrastConfig(later=0)
