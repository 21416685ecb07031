import pytest
import torch
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from vitreous.blocks.similarity import likeness, likeness_loss


def test_equals_videosaurs_target_loss_and_gradient(golden):
    case = golden("loss_videosaur_timesim")
    features, told = case("in.features"), case("in.prediction").requires_grad_()
    target = likeness(features, case.config["temperature"], case.config["threshold"])
    assert_close(target, case("out.target_similarity"), atol=1e-5, rtol=1e-5)
    rebuild, similar = mse_loss(told[..., :8], features), likeness_loss(told[..., 8:], target)
    assert_close(rebuild, case("out.loss_mse"), atol=1e-5, rtol=1e-5)
    assert_close(similar, case("out.loss_ce"), atol=1e-5, rtol=1e-5)
    loss = rebuild + case.config["ce_weight"] * similar
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(told.grad, case("grad.prediction"), atol=1e-5, rtol=1e-4)


NOW, NEXT = [[1.0, 0], [0, 1], [-1, 0]], [[0.5**0.5, 0.5**0.5], [1, 0], [-1, 0]]
BY_HAND = {  # temperature, threshold -> what is to be predicted, and the loss of logits that are cosines / temperature
    (0.25, 0.0): ([[0.236571, 0.763429, 0], [0.894285, 0.052857, 0.052857], [0, 0, 1]], 0.319835),
    (1.0, None): (
        [[0.396560, 0.531509, 0.071932], [0.503490, 0.248255, 0.248255], [0.137758, 0.102782, 0.759460]],
        0.881735,
    ),
}


@pytest.mark.parametrize("how", BY_HAND)
def test_three_patches_by_hand(how):
    shares, loss = BY_HAND[how]
    x = 5 * torch.tensor([[NOW, NEXT]])  # length does not count
    target = likeness(x, *how)
    assert_close(target[0, 0], torch.tensor(shares), atol=1e-5, rtol=0)
    cosines = torch.tensor(NOW) @ torch.tensor(NEXT).T
    logits = torch.stack([cosines / how[0], torch.full((3, 3), 7.0)])[None]  # the last frame's count for nothing
    assert likeness_loss(logits, target).item() == pytest.approx(loss, abs=1e-5)
    assert likeness_loss(torch.zeros(1, 2, 3, 3), target).item() == pytest.approx(1.098612, abs=1e-5)


def test_a_patch_that_is_like_none_is_alike_to_all():
    x = torch.tensor([[[[1.0, 0], [-1, 0]], [[-1.0, 0], [-1, 0]]]])
    assert likeness(x, 0.1)[0, 0].tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_a_still_has_no_next_frame():
    logits = torch.zeros(2, 1, 3, 3, requires_grad=True)
    loss = likeness_loss(logits, likeness(torch.randn(2, 1, 3, 4), 0.1))
    assert loss.item() == 0
