import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods.slotformer import SlotFormer, SlotFormerConfig
from vitreous.types import Batch

ROLLOUT = dict(rollout_dim=32, rollout_layers=1, rollout_heads=2, history=3)


def made(**settings):
    torch.manual_seed(0)
    small = dict(slots=4, slot_dim=16, decoder_width=32, decoder_layers=2)
    return SlotFormer(SlotFormerConfig(**(small | ROLLOUT | settings)), 12, (6, 8))


@pytest.mark.parametrize("settings", [{}, dict(masks="decoder"), dict(start="learned", predictor_blocks=2)])
def test_chunks_of_a_clip_are_the_clip(settings, moving, follows):
    follows.chunks(made(**settings), moving()[0])


def test_warm_slots_keep_their_objects(moving, follows):
    batch, labels = moving()
    found = follows.owners(made(), batch, labels)
    assert found == [found[0]] * 24


def parts(method):
    """Which parts have a gradient."""
    return {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_slots_and_dynamics_do_not_teach_each_other(moving):
    method, (batch, _) = made(), moving(8)
    terms = method.loss(method(batch), batch)
    (terms["slots"] + terms["foretold"]).backward()
    assert parts(method) == {"rollout"}
    method.zero_grad()
    method.loss(method(batch), batch)["rebuild"].backward()
    assert parts(method) == {"group", "predict", "decode"}


def test_the_loss_is_how_far_the_rollout_is_from_what_comes(moving):
    method, (batch, _) = made(rollout_slots=2.0, rollout_rebuild=3.0).eval(), moving(8)
    out = method(batch)
    terms, keep = method.loss(out, batch), out.keep[:, 0]
    coming, decoded = method.foretell(out.slots[:, :3], 5, keep)
    missed = (coming - out.slots[:, 3:]).square().mean(-1)[keep[:, None].expand(-1, 5, -1)].mean()
    assert_close(terms["slots"], 2 * missed)
    x = batch.features.flatten(2, 3)
    rebuilt = decoded.features.unflatten(0, (1, 5)) + x.mean(2, keepdim=True)[:, 3:]
    assert_close(terms["foretold"], 3 * (rebuilt - x[:, 3:]).square().mean())
    assert decoded.masks[:, ~keep[0]].abs().max() == 0


@pytest.mark.parametrize(("frames", "known"), [(1, 0), (2, 1), (4, 2), (5, 2), (9, 3)])
def test_a_short_clip_is_foretold_from_its_first_half(frames, known, moving, monkeypatch):
    method, (batch, _) = made(), moving(frames)
    asked = []
    whole = method.rollout.forward
    monkeypatch.setattr(
        method.rollout, "forward", lambda s, n, keep: (asked.append((s.shape[1], n)), whole(s, n, keep))[1]
    )
    terms = method.loss(method(batch), batch)
    assert asked == ([(known, frames - known)] if known else [])
    assert (terms["slots"] == 0) == (known == 0)


def test_it_foretells_slots_that_change():
    """An object whose look goes round in a circle, from anywhere, before a floor that stays."""
    draw = torch.Generator().manual_seed(0)
    angle = torch.rand(48, 1, generator=draw) * 6.28 + 0.5 * torch.arange(8)  # b t
    x = torch.zeros(48, 8, 6, 8, 12)
    x[..., 0], x[:, :, 2:5, 2:5, :2] = 5.0, torch.tensor([0.0, 2.0])
    x[:, :, 2:5, 2:5, 2:4] = 4 * torch.stack([angle.sin(), angle.cos()], -1)[:, :, None, None]
    batch, method = Batch(x + 0.02 * torch.randn(x.shape, generator=draw)), made(rollout_dropout=0.0)
    with torch.no_grad():
        out = method.eval()(batch)
    optimiser = torch.optim.Adam(method.rollout.parameters(), 5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        method.loss(out, batch)["slots"].backward()
        optimiser.step()
    slots, keep = out.slots, out.keep[:, 0]
    coming, _ = method.foretell(slots[:, :3], 5, keep)
    there = keep[:, None].expand(-1, 5, -1)
    assert keep.sum(1).tolist() == [2] * 48
    missed = (coming - slots[:, 3:])[there].square().mean()
    stays = (slots[:, 2:3] - slots[:, 3:])[there].square().mean()
    assert missed < 0.1 * stays


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match="history must be at least 1, not 0"):
        SlotFormerConfig(history=0)
