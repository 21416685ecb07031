import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.contrast import slot_contrast


def test_equals_smoothsas_value_and_gradient(golden):
    case = golden("loss_smoothsa_slot_contrast")
    slots = case("in.slots").requires_grad_()
    loss = slot_contrast(slots, temperature=case.config["tau"])
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(slots.grad, case("grad.slots"), atol=1e-5, rtol=1e-4)


BY_HAND = torch.tensor([[[[3.0, 0], [0, 1]], [[0.8, 0.6], [0, 2]]]])


def test_two_slots_by_hand():
    assert slot_contrast(BY_HAND).item() == pytest.approx(0.063487, abs=1e-5)  # over the earlier slots: 0.009243 else
    assert slot_contrast(BY_HAND[:, :1]).item() == 0


def test_slots_left_out_do_not_count():
    more = torch.cat([BY_HAND, torch.randn(1, 2, 1, 2)], dim=2).repeat(2, 1, 1, 1)
    both = torch.tensor([True, True, False]).expand(2, 2, 3)
    assert_close(slot_contrast(more, both), slot_contrast(BY_HAND.repeat(2, 1, 1, 1)))
    gone = torch.tensor([[[True, True], [True, False]]])  # in the second frame: still there to be told from
    first_only = (torch.tensor([8.0, 6.0]).logsumexp(0) - 8.0).item()
    slots = torch.tensor([[[[1.0, 0], [0, 1]], [[0.8, 0.6], [1, 1]]]])
    assert slot_contrast(slots, gone).item() == pytest.approx(first_only, abs=1e-5)


def test_precision_does_not_suffer_from_bfloat16():
    slots = 1 + 0.05 * torch.randn(2, 3, 4, 8, generator=torch.Generator().manual_seed(0))  # cosines near 1
    with torch.autocast("cpu", torch.bfloat16):
        half = slot_contrast(slots)
    assert_close(half, slot_contrast(slots), atol=1e-5, rtol=1e-5)


def test_slots_of_other_clips_are_told_from_too():
    apart = slot_contrast(BY_HAND)
    assert slot_contrast(BY_HAND.repeat(2, 1, 1, 1)) > apart + 0.6  # a copy of itself, so log 2 more


@pytest.mark.parametrize("keep", [None, torch.ones(2, 3, 4, dtype=torch.bool)])
def test_order_of_slots_and_clips_does_not_matter(keep):
    slots = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert_close(slot_contrast(slots.flip(0)[:, :, [2, 0, 3, 1]], keep), slot_contrast(slots, keep))
