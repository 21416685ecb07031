import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods.randsfq import RandSFQ, RandSFQConfig
from vitreous.types import Batch


def made(**settings):
    torch.manual_seed(0)
    small = dict(slots=4, slot_dim=16, decoder_layers=1, decoder_heads=2)
    return RandSFQ(RandSFQConfig(**(small | settings)), 12, (6, 8))


PAPERS = dict(start="gaussian", masks="decoder", centre=False)


@pytest.mark.parametrize("settings", [{}, dict(masks="decoder", later=2), PAPERS])
def test_chunks_of_a_clip_are_the_clip(settings, moving, follows):
    follows.chunks(made(**settings), moving()[0])


def test_warm_slots_keep_their_objects(moving, follows):
    batch, labels = moving()
    found = follows.owners(made(), batch, labels)
    assert found == [found[0]] * 24


def test_a_frame_begins_where_its_own_features_lead(moving):
    """One iteration from slots that have looked at the frame already: by hand, frame by frame."""
    method, (batch, _) = made(**PAPERS).eval(), moving(3)
    torch.manual_seed(0)
    out = method(batch)
    x = method.group.project(batch.features.flatten(2, 3))
    slots = out.slots[:, 0]
    for t in (1, 2):
        start = method.transit([slots], [x[:, t]])
        slots, attention = method.group.attend(x[:, t], start, iterations=1)
        assert_close(out.slots[:, t], slots)
        assert_close(out.attention[:, t, -1].flatten(2), attention[:, -1])


def test_what_a_frame_teaches_does_not_reach_the_slots_before(moving):
    method, (batch, _) = made(**PAPERS), moving(3)
    out = method(batch)
    out.slots[:, 1:].square().sum().backward()
    assert method.group.start.mean.grad.abs().max() == 0
    assert method.transit.project.weight.grad.abs().max() > 0


def test_pairs_are_drawn_while_training(moving, monkeypatch):
    method, (batch, _) = made(**PAPERS, dropout=0.0), moving(5)
    draw, slots = method.transit.draw, []
    for seed in range(6):

        def drawn(clips, past, seed=seed):
            torch.manual_seed(seed)
            return draw(clips, past)

        monkeypatch.setattr(method.transit, "draw", drawn)
        torch.manual_seed(0)
        slots.append(method(batch).slots)
    assert all(torch.equal(s[:, :2], slots[0][:, :2]) for s in slots)  # with one past frame there is one pair
    assert any((s[:, 2:] - slots[0][:, 2:]).abs().max() > 1e-4 for s in slots)


def test_it_learns_a_moving_scene(moving, follows):
    first, last = follows.trained(made(), moving(4, clips=2)[0])
    assert last["rebuild"] < 0.7 * first["rebuild"]


def test_a_still_has_no_contrast(moving):
    method, (batch, _) = made(), moving(1)
    terms = method.loss(method(batch), Batch(batch.features))
    assert terms["contrast"].item() == 0


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match="window must be at least 2 .* not 1 and 0.1"):
        RandSFQConfig(window=1)
