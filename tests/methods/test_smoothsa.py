import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.preheat import preheat_loss
from vitreous.errors import RunError
from vitreous.methods.smoothsa import SmoothSA, SmoothSAConfig
from vitreous.types import Batch


def made(**settings):
    torch.manual_seed(0)
    small = dict(slots=4, slot_dim=16, temperature=0.5, decoder_layers=1, decoder_heads=2)
    return SmoothSA(SmoothSAConfig(**(small | settings)), 12, (6, 8))


PAPERS = dict(start="gaussian", masks="decoder", centre=False)


@pytest.mark.parametrize("settings", [{}, dict(masks="decoder"), PAPERS | dict(truncate="none")])
def test_chunks_of_a_clip_are_the_clip(settings, moving, follows):
    follows.chunks(made(**settings), moving()[0])


def test_warm_slots_keep_their_objects(moving, follows):
    batch, labels = moving()
    found = follows.owners(made(), batch, labels)
    assert found == [found[0]] * 24


def test_the_preheater_misses_the_first_frames_slots_by_its_loss(moving):
    method, (batch, _) = made(**PAPERS, preheat=7.0), moving(3)
    out = method(batch)
    assert_close(method.loss(out, batch)["preheat"], 7 * preheat_loss(out.aside["guess"], out.slots[:, 0]))
    onward = method(batch, out.state)
    assert not onward.aside
    assert method.loss(onward, batch)["preheat"].item() == 0
    assert method.loss(method(Batch(batch.features[:, :1])), Batch(batch.features[:, :1]))["contrast"].item() == 0


@pytest.mark.parametrize(("progress", "reached"), [(0.0, False), (0.09, False), (0.1, True), (1.0, True)])
def test_early_on_the_preheater_does_not_teach_the_projection(progress, reached, moving):
    method, (batch, _) = made(**PAPERS), moving(1)
    method.progress = progress
    method.loss(method(batch), batch)["preheat"].backward()
    taught = method.group.project[1].weight.grad
    assert bool(taught is not None and taught.abs().max() > 0) is reached
    assert method.preheat.project.weight.grad.abs().max() > 0


def test_the_preheater_learns_from_its_loss_alone(moving):
    method, (batch, _) = made(**PAPERS), moving(3)
    terms = method.loss(method(batch), batch)
    (terms["rebuild"] + terms["contrast"]).backward()
    learned = {n for n, p in method.preheat.named_parameters() if p.grad is not None}
    assert learned == {"log_std"}  # how far to spread the start is for the slots to say
    assert method.group.start.mean.grad is None


def test_it_comes_to_guess_the_final_slots(moving, follows):
    first, last = follows.trained(made(**PAPERS), moving(1, clips=4)[0], 100)
    assert last["preheat"] < 0.6 * first["preheat"]  # the rest is noise


def test_drawn_slots_are_spread_in_training_only_and_warm_ones_never(moving):
    batch, _ = moving(1)
    method = made(**PAPERS)
    x = method.group.project(batch.features.flatten(2, 3))[:, 0]
    drawn = method.group.begin(batch.features[:, 0].flatten(1, 2), x)
    heated = method.heat(drawn, x)
    assert (heated.slots - heated.guess).std().item() == pytest.approx(1, abs=0.3)
    assert_close(method.eval().heat(drawn, x).slots, heated.guess)
    warm = made()
    begun = warm.group.begin(
        batch.features[:, 0].flatten(1, 2), x := warm.group.project(batch.features[:, 0].flatten(1, 2))
    )
    assert_close(warm.heat(begun, x).slots, begun.slots)  # at step 0 nothing is added to the groups
    assert warm.preheat.log_std is None


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match="contrast_temperature above 0, not 6 and 0"):
        SmoothSAConfig(contrast_temperature=0.0)
