import re

import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.transition import Pairs, RandomPairTransition, pick

RENAMED = [
    (r"^time_embed", "age"),
    (r"^proj_features", "project"),
    (r"^block\.cross_attn", "block.multihead_attn"),
    (r"^block\.ff1", "block.linear1"),
    (r"^block\.ff2", "block.linear2"),
    (r"^block\.norm_self", "block.norm1"),
    (r"^block\.norm_cross", "block.norm2"),
    (r"^block\.norm_ff", "block.norm3"),
]


def mine(name):
    for pattern, own in RENAMED:
        name = re.sub(pattern, own, name)
    return name


def test_equals_randsfq_with_its_draws_and_at_test(golden):
    case = golden("transit_randsfq")
    transit = RandomPairTransition(16, 12, window=4, hidden=32, dropout=0.0)
    transit.load_state_dict({mine(n): v for n, v in case.under("param.").items()}, strict=True)
    past, seen = case("in.slots").unbind(1), case("in.features").unbind(1)
    drawn = Pairs(3 - case("draw.slot_step"), 3 - case("draw.feature_step"))  # counted back from now
    assert_close(transit(past, seen, pairs=drawn), case("out.query_train"), atol=1e-5, rtol=1e-5)
    assert_close(transit.eval()(past, seen), case("out.query_eval"), atol=1e-5, rtol=1e-5)
    assert_close(transit(past[-1:], seen[-1:]), case("out.query_eval"), atol=1e-5, rtol=1e-5)


def made(**how):
    torch.manual_seed(0)
    return RandomPairTransition(8, 6, **({"window": 4, "dropout": 0.0} | how))


def frames(count, rows, channels, seed=0):
    return list(torch.randn(count, 2, rows, channels, generator=torch.Generator().manual_seed(seed)))


def test_what_is_drawn():
    transit = made()
    one = transit.draw(500, 1)
    assert (one.slots == 1).all()
    assert (one.features == 0).all()
    pairs = transit.draw(500, 3)
    assert {(s, f) for s, f in zip(*(p.tolist() for p in pairs), strict=True)} == {
        (s, f) for s in (1, 2, 3) for f in (0, 1, 2)
    }
    assert all((x == y).all() for x, y in zip(transit.eval().draw(5, 3), transit.draw(5, 1), strict=True))


def test_a_long_past_is_looked_back_on_as_far_as_the_window():
    transit, past, seen = made(window=3), frames(9, 4, 8), frames(9, 5, 6)
    for seed in range(20):
        torch.manual_seed(seed)
        long = transit(past, seen)
        torch.manual_seed(seed)
        assert_close(transit(past[-2:], seen[-2:]), long, rtol=0, atol=0)


def test_frames_are_picked_by_sample():
    past = [torch.full((3, 1, 1), float(i)) for i in range(5)]
    assert pick(past, torch.tensor([0, 4, 2]))[:, 0, 0].tolist() == [4.0, 0.0, 2.0]


def test_no_gradient_goes_from_frame_to_frame():
    past, seen = ([x.requires_grad_() for x in frames(3, n, d)] for n, d in ((4, 8), (5, 6)))
    made()(past, seen).square().sum().backward()
    assert all(x.grad is None for x in [*past, *seen])


def test_permuting_the_slots_permutes_the_answer_and_slots_left_out_are_inert():
    transit, past, seen = made(), frames(1, 4, 8), frames(1, 5, 6)
    order, keep = torch.tensor([2, 0, 3, 1]), torch.tensor([[True, False, True, True], [False, True, True, False]])
    here = transit(past, seen, keep)
    assert_close(transit([past[0][:, order]], seen, keep[:, order]), here[:, order], atol=1e-5, rtol=1e-5)
    there = transit([past[0].where(keep[..., None], 100.0)], seen, keep)
    assert_close(there[keep], here[keep], atol=1e-5, rtol=1e-5)


def test_started_as_identity_it_hands_slots_on():
    transit, past, seen = made(dropout=0.5).start_as_identity(), frames(3, 4, 8), frames(3, 5, 6)
    torch.nn.init.constant_(transit.project.bias, 3.0)
    for _ in range(5):
        expected = torch.nn.functional.layer_norm(past[-1], (8,))
        found = transit(past[-1:], seen[-1:])
        assert_close(found, expected, atol=1e-3, rtol=1e-3)  # three norms, each with its epsilon


@pytest.mark.parametrize("window", [2, 4])
def test_every_parameter_learns(window):
    transit = made(window=window)
    for _ in range(20):
        transit(frames(3, 4, 8), frames(3, 5, 6)).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for n, p in transit.named_parameters() if not n.endswith("norm3.weight"))
