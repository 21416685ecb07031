import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.losses import diversity, rebuild_loss, shares_cross_entropy


@pytest.mark.parametrize("kind", ["mse", "cosine", "channel_norm"])
def test_reconstruction_losses_equal_the_reference(kind, golden):
    case = golden("loss_seedproj_reconstruction")
    target, rebuilt = (case(f"in.{name}").movedim(2, -1) for name in ("target", "reconstruction"))
    rebuilt.requires_grad_()
    target.requires_grad_()
    frames = torch.stack([rebuild_loss(rebuilt[:, t], target[:, t], kind) for t in range(2)])
    assert_close(frames, case(f"out.frame_losses_{kind}"), atol=1e-5, rtol=1e-5)
    loss = rebuild_loss(rebuilt, target, kind)  # frames are of one size: the mean of means is the mean
    assert_close(loss, case(f"out.loss_{kind}"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(rebuilt.grad.movedim(-1, 2), case(f"grad_{kind}.reconstruction"), atol=1e-5, rtol=1e-4)
    assert target.grad is None


def test_diversity_equals_the_reference(golden):
    case = golden("loss_seedproj_diversity")
    slots = case("in.slots").requires_grad_()
    loss = diversity(slots)
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(slots.grad, case("grad.slots"), atol=1e-5, rtol=1e-4)


def test_diversity_by_hand():
    slots = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [9.0, 9.0]]])
    keep = torch.tensor([[True, True, True, False]])
    # of three pairs one points apart, two stand at right angles
    assert diversity(slots, keep).item() == pytest.approx(-1 / 3)


@pytest.mark.parametrize("kept", [0, 1])
def test_diversity_of_a_lonely_slot_is_zero_and_has_a_gradient(kept):
    slots = torch.randn(1, 3, 4, requires_grad=True)
    loss = diversity(slots, torch.arange(3)[None] < kept)
    assert loss.item() == 0
    loss.backward()
    assert slots.grad.isfinite().all()


def test_channel_norm_is_blind_to_offset_and_length_cosine_to_length():
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    assert rebuild_loss(3 * x + 2, x, "channel_norm").item() == pytest.approx(0, abs=1e-4)
    assert rebuild_loss(3 * x, x, "cosine").item() == pytest.approx(0, abs=1e-6)
    assert rebuild_loss(3 * x, x, "mse").item() > 1


def test_distillation_with_its_second_softmax_equals_the_reference(golden):
    case = golden("loss_dias_distill")
    first, last = (case(f"in.attn_{name}").flatten(2).requires_grad_() for name in ("first", "last"))
    loss = shares_cross_entropy(first, last, twice=True)
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(first.grad.view_as(case("grad.attn_first")), case("grad.attn_first"), atol=1e-5, rtol=1e-4)
    assert last.grad is None


def test_distillation_of_one_patch_by_hand():
    first, last = torch.tensor([[[0.6], [0.3], [0.1]]]), torch.tensor([[[0.9], [0.05], [0.05]]])
    assert shares_cross_entropy(first, last).item() == pytest.approx(0.635071, abs=1e-6)
    assert shares_cross_entropy(first, last, twice=True).item() == pytest.approx(0.893287, abs=1e-6)
    swapped = last[:, [1, 0, 2]]
    assert shares_cross_entropy(first, swapped).item() == pytest.approx(1.224246, abs=1e-6)
    assert shares_cross_entropy(first, swapped, twice=True).item() == pytest.approx(1.148287, abs=1e-6)
    assert shares_cross_entropy(last, last).item() == pytest.approx(0.394398, abs=1e-6)  # its entropy


def test_distillation_of_a_slot_that_is_not_there_has_a_gradient():
    shares = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]], requires_grad=True)
    loss = shares_cross_entropy(shares, torch.tensor([[[0.0, 0.5], [1.0, 0.5]]]))
    assert loss.item() == pytest.approx(0.5 * 0.5 * 87.33654, rel=1e-4)  # log of the smallest float
    loss.backward()
    assert shares.grad.isfinite().all()
