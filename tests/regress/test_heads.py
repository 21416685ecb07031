"""What every kind of head owes, and the patch head against golden numbers."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.regress import HEADS, heads_class
from vitreous.regress.heads import HeadConfig, PatchHeads

NAMES = ["seed 0 fold 0 a", "seed 0 fold 0 b", "seed 0 fold 1 a", "seed 0 fold 1 b"]


def made(kind="patch", names=NAMES, out=1, dim=6, **config):
    return heads_class(kind)(HeadConfig(**({"width": 8} | config)), dim, names, out).draw()


def patches(seed=0, b=3, n=5, d=6):
    return torch.randn(b, n, d, generator=torch.Generator().manual_seed(seed))


def test_the_patch_head_is_the_golden_one(golden):
    case = golden("head_dense_regression")
    heads = PatchHeads(HeadConfig(width=20), 12, ["one"])
    with torch.no_grad():
        for i, name in enumerate(("fc1", "fc2")):
            heads.weights[i].copy_(case(f"param.{name}.weight").T[None])
            heads.biases[i].copy_(case(f"param.{name}.bias")[None])
    x = case("in.features").clone().requires_grad_()
    votes = heads(x)
    assert votes.each is not None
    assert_close(votes.each[:, :, 0, 0], case("out.dense"), atol=1e-5, rtol=1e-5)
    assert_close(votes.numbers[:, 0, 0], case("out.prediction"), atol=1e-5, rtol=1e-5)
    loss = (votes.numbers[:, 0, 0] - case("in.target")).square().mean()
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert_close(x.grad, case("grad.features"), atol=1e-5, rtol=1e-5)
    for i, name in enumerate(("fc1", "fc2")):
        assert_close(heads.weights[i].grad[0].T, case(f"grad.param.{name}.weight"), atol=1e-5, rtol=1e-5)
        assert_close(heads.biases[i].grad[0], case(f"grad.param.{name}.bias"), atol=1e-5, rtol=1e-5)


def test_size_of_the_published_head():
    heads = PatchHeads(HeadConfig(width=128), 1536, ["one"])
    assert sum(p.numel() for p in heads.parameters()) == 196_865


def test_the_mean_of_positive_votes_is_not_the_positive_mean():
    heads = made("linear", ["one"], dim=1)
    with torch.no_grad():
        heads.weights[0].fill_(1.0)
        heads.biases[0].zero_()
    x = torch.tensor([[[-3.0], [1.0]]])  # ReLU(mean) would be 0
    assert heads(x).numbers.item() == 0.5


@pytest.mark.parametrize("kind", HEADS)
def test_order_of_patches_does_not_matter(kind):
    heads, x = made(kind), patches()
    assert_close(heads(x).numbers, heads(x[:, torch.tensor([3, 0, 4, 1, 2])]).numbers)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("positive", ["relu", "softplus"])
def test_no_answer_is_negative(kind, positive):
    votes = made(kind, positive=positive)(patches())
    assert (votes.numbers >= 0).all()
    assert votes.each is None or (votes.each >= 0).all()


@pytest.mark.parametrize("kind", HEADS)
def test_what_patches_give_adds_up_to_the_number(kind):
    votes = made(kind)(patches())
    if votes.each is not None:
        assert_close(votes.each.mean(1), votes.numbers)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("depth", [1, 3])
def test_a_head_is_the_same_whoever_stands_beside_it(kind, depth):
    x = patches()
    all_four = made(kind, depth=depth, dropout=0.4, positive="none")
    alone = made(kind, [NAMES[2]], depth=depth, dropout=0.4, positive="none")
    for seed in (None, 7):  # as used, and while learning
        assert torch.equal(all_four.part(2, 3)(x, seed).numbers, alone(x, seed).numbers)
        beside, own = all_four(x, seed).numbers[:, 2:3], alone(x, seed).numbers
        assert torch.equal(beside, own) if kind == "patch" else torch.allclose(beside, own, rtol=1e-6, atol=1e-6)
    assert not torch.equal(all_four(x).numbers[:, 0], all_four(x).numbers[:, 1])


def test_a_part_learns_for_the_whole():
    whole = made()
    for weight in whole.parameters():
        weight.grad = torch.zeros_like(weight)
    whole.part(1, 2)(patches()).numbers.sum().backward()
    grad = whole.weights[0].grad
    assert grad is not None
    assert grad[1].abs().sum() > 0
    assert grad[[0, 2, 3]].abs().sum() == 0
    part, before = whole.part(0, 4), whole(patches()).numbers
    torch.optim.SGD(whole.parameters(), 0.1).step()
    assert_close(part(patches()).numbers, whole(patches()).numbers, atol=0, rtol=0)
    assert not torch.equal(before, part(patches()).numbers)


@pytest.mark.parametrize("kind", HEADS)
def test_votes_begin_where_they_are_told_to(kind):
    for positive in ("relu", "softplus", "none"):
        heads = made(kind, positive=positive)
        with torch.no_grad():
            heads.weights[-1].zero_()
        heads.start_at(torch.full((4, 1), 2.5))
        assert_close(heads(patches()).numbers, torch.full((3, 4, 1), 2.5))


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    heads = made(width=2000, dropout=0.25)
    y = heads.dropped(torch.ones(4, 20, 2000), 3)
    assert (y == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    assert not torch.equal(y[0], y[1])


def test_a_joint_head_shares_what_is_hidden():
    heads = made(names=["seed 0 fold 0"], out=5)
    assert heads(patches()).numbers.shape == (3, 1, 5)
    assert heads.weights[0].shape == (1, 6, 8)


def test_settings_that_cannot_be_are_named():
    with pytest.raises(RunError, match='No head "path". Did you mean "patch"'):
        heads_class("path")
    for wrong, said in (({"width": 0}, "width"), ({"dropout": 1.0}, "dropout must lie")):
        with pytest.raises(RunError, match=said):
            replace(HeadConfig(), **wrong)
