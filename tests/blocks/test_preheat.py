import re

import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.initial import SharedGaussian
from vitreous.blocks.preheat import Preheat, preheat_loss

RENAMED = [
    (r"^proj_kv", "project"),
    (r"^log_std_query", "log_std"),
    (r"^block\.norm_self", "norm_self"),
    (r"^block\.norm_ff", "norm_feed"),
    (r"^block\.ff1", "feed.0"),
    (r"^block\.ff2", "feed.2"),
    (r"^block\.self_attn", "to_slots"),
    (r"^block\.cross_attn", "to_features"),
    (r"out_proj", "to_out"),
]


def renamed(params):
    """Our names, and query, key and value apart."""
    state = {}
    for name, value in params.items():
        for pattern, own in RENAMED:
            name = re.sub(pattern, own, name)
        if "in_proj_weight" in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[name.replace("in_proj_weight", f"to_{part}.weight")] = rows
        else:
            state[name] = value
    return state


def close_gradient(found, expected):
    """Tolerance B."""
    assert_close(found, expected, atol=1e-5 * max(1.0, expected.abs().max().item()), rtol=1e-4)


@pytest.mark.parametrize("flag", ["on", "off"])
def test_equals_smoothsa_forward_and_backward(flag, golden):
    case = golden("init_smoothsa_preheated")
    params = case.under("param.")
    start, preheat = SharedGaussian(4, 16), Preheat(16, 12)
    start.load_state_dict({n: params.pop(n) for n in ("mean", "log_std")})
    preheat.load_state_dict(renamed(params), strict=True)
    features = case("in.features").requires_grad_()
    drawn = start(features, noise=case("draw.noise"))
    heated = preheat(drawn, features.detach() if flag == "on" else features, noise=case("draw.noise_query"))
    assert_close(heated.guess, case("out.qinit"), atol=1e-5, rtol=1e-5)
    assert_close(heated.slots, case("out.query_train"), atol=1e-5, rtol=1e-5)
    assert_close(preheat.eval()(drawn, features).slots, case("out.query_eval"), atol=1e-5, rtol=1e-5)
    loss = 100 * preheat_loss(heated.guess, case("in.slots_final"))
    assert_close(loss, case("out.loss"), atol=1e-5, rtol=1e-5)
    loss.backward()
    found = {n: p.grad for n, p in preheat.named_parameters()}
    expected = case.under(f"grad_{flag}.param.")
    close_gradient(start.mean.grad, expected.pop("mean"))
    close_gradient(start.log_std.grad, expected.pop("log_std"))
    for name, value in renamed(expected).items():
        close_gradient(found[name], value)
    if flag == "off":
        close_gradient(features.grad, case("grad_off.features"))
    else:
        assert features.grad is None


def test_slots_know_nothing_of_who_warmed_them_and_the_loss_not_of_who_is_missed():
    torch.manual_seed(0)
    preheat, drawn, final = Preheat(8, 6), torch.randn(2, 3, 8), torch.randn(2, 3, 8, requires_grad=True)
    heated = preheat(drawn, torch.randn(2, 5, 6))
    heated.slots.sum().backward()
    assert {n for n, p in preheat.named_parameters() if p.grad is not None} == {"log_std"}
    preheat_loss(heated.guess, final).backward()
    assert final.grad is None
    assert all(p.grad is not None for p in preheat.parameters())


def test_started_as_identity_it_guesses_that_slots_stay():
    drawn = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    heated = Preheat(8, 6, noise=False).start_as_identity()(drawn, torch.randn(2, 5, 6))
    assert_close(heated.slots, drawn)
    assert_close(heated.guess, drawn)


def test_slots_left_out_are_inert():
    torch.manual_seed(0)
    preheat, drawn, x = Preheat(8, 6).eval(), torch.randn(2, 3, 8), torch.randn(2, 5, 6)
    keep = torch.tensor([[True, True, False], [True, False, False]])
    here, there = preheat(drawn, x, keep), preheat(drawn.where(keep[..., None], 50.0), x, keep)
    assert_close(there.guess[keep], here.guess[keep], atol=1e-5, rtol=1e-5)
    final = torch.zeros(2, 3, 8)
    assert_close(preheat_loss(here.guess, final, keep), here.guess[keep].square().mean())
    assert_close(preheat_loss(here.guess, final, torch.ones_like(keep)), preheat_loss(here.guess, final))
