"""SAM against the numbers of the usual implementation, by hand, and for models that stand apart."""

import pytest
import torch
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.regress.sam import SAM

LAYERS = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")


class Case:
    """The small network of a golden file, its optimiser and closure."""

    def __init__(self, case):
        self.case, how = case, case.config
        self.p = {name: value.clone().requires_grad_() for name, value in case.under("before.").items()}
        groups = [{"params": list(self.p.values())}]
        if how["groups"]:
            first, second = ([p for name, p in self.p.items() if name.startswith("fc1") == at] for at in (True, False))
            groups = [{"params": first, "rho": 0.1, "lr": 0.05}, {"params": second, "rho": 0.4, "lr": 0.025}]
        base = torch.optim.SGD(groups, how["lr"], how["momentum"], weight_decay=how["weight_decay"])
        self.sam = SAM(base, how["rho"], adaptive=how["adaptive"])
        self.act = {"relu": torch.relu, "tanh": torch.tanh}[how["activation"]]

    def loss(self):
        self.sam.base.zero_grad()
        hidden = self.act(self.case("in.x") @ self.p["fc1.weight"].T + self.p["fc1.bias"])
        loss = mse_loss(hidden @ self.p["fc2.weight"].T + self.p["fc2.bias"], self.case("in.y"))
        loss.backward()
        return loss

    def check(self, prefix, of=lambda p: p):
        for name in LAYERS:
            assert_close(of(self.p[name]), self.case(f"{prefix}.{name}"), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["sam_sgd", "sam_sgd_adaptive", "sam_groups_momentum"])
def test_each_stage_of_a_step_is_the_golden_one(golden, name):
    run = Case(golden(name))
    assert_close(run.loss(), run.case("out.loss_step1"), atol=1e-5, rtol=1e-5)
    run.check("out.grad_first", lambda p: p.grad)
    assert_close(run.sam.climb(), run.case("out.grad_norm_step1"), atol=1e-5, rtol=1e-5)
    run.check("out.perturbed")
    assert_close(run.loss(), run.case("out.loss_perturbed_step1"), atol=1e-5, rtol=1e-5)
    run.check("out.grad_second", lambda p: p.grad)
    run.sam.back()
    run.check("before")
    run.sam.base.step()
    run.check("after_step1")


def test_steps_with_momentum_and_two_groups_are_the_golden_ones(golden):
    run = Case(golden("sam_groups_momentum"))
    for step in (1, 2, 3):
        assert_close(run.sam.step(run.loss), run.case(f"out.loss_step{step}"), atol=1e-5, rtol=1e-5)
        run.check(f"after_step{step}")
    assert_close(run.p["unused"], run.case("after.unused"))  # no gradient, no step


@pytest.mark.parametrize(
    ("adaptive", "rho", "shifted", "after"),
    [
        (False, 0.05, (2.010847, 1.048809), (1.798915, 0.056072)),
        (True, 0.5, (2.406138, 1.456906), (1.759386, -0.311215)),
    ],
)
def test_by_hand(adaptive, rho, shifted, after):
    w = torch.tensor([2.0, 1.0], requires_grad=True)  # L = (w1^2 + 9 w2^2) / 2, from the reference notes
    sam = SAM(torch.optim.SGD([w], 0.1), rho, adaptive=adaptive)
    seen = []

    def closure():
        sam.base.zero_grad()
        seen.append(w.detach().clone())
        loss = (w.square() * torch.tensor([1.0, 9.0])).sum() / 2
        loss.backward()
        return loss

    assert sam.step(closure).item() == 6.5
    assert_close(seen[1], torch.tensor(shifted), atol=2e-6, rtol=0)
    assert_close(w.detach(), torch.tensor(after), atol=2e-6, rtol=0)
    far = (seen[1] - seen[0]) / (seen[0].abs() if adaptive else 1)
    assert far.norm().item() == pytest.approx(rho, rel=1e-5)


def test_no_rho_is_the_plain_optimiser_and_no_rate_leaves_all_as_it_is():
    def trained(rho, lr, steps=3):
        w = torch.linspace(-1, 2, 6).requires_grad_()
        sam = SAM(torch.optim.AdamW([w], lr), rho)

        def closure():
            sam.base.zero_grad()
            loss = (w**4).sum()
            loss.backward()
            return loss

        for _ in range(steps):
            sam.step(closure)
        return w.detach()

    plain = torch.linspace(-1, 2, 6).requires_grad_()
    optimiser = torch.optim.AdamW([plain], 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (plain**4).sum().backward()
        optimiser.step()
    assert torch.equal(trained(0.0, 0.1), plain.detach())
    assert not torch.equal(trained(0.3, 0.1), plain.detach())
    assert torch.equal(trained(0.3, 0.0), torch.linspace(-1, 2, 6))  # back exactly


@pytest.mark.parametrize("adaptive", [False, True])
def test_models_in_one_tensor_have_a_norm_each(adaptive):
    draw = torch.Generator().manual_seed(0)
    start, bias = torch.randn(3, 4, 2, generator=draw), torch.randn(3, 2, generator=draw)
    x, y = torch.randn(7, 4, generator=draw), torch.randn(7, 3, 2, generator=draw)

    def stepped(models, apart):
        w, b = start[models].clone().requires_grad_(), bias[models].clone().requires_grad_()
        sam = SAM(torch.optim.AdamW([w, b], 0.1), 0.5, adaptive=adaptive, apart=apart)

        def closure():
            sam.base.zero_grad()
            loss = (torch.einsum("bd,mdo->bmo", x, w) + b - y[:, models]).pow(4).mean((0, 2)).sum()
            loss.backward()
            return loss

        for _ in range(3):
            sam.step(closure)
        return w.detach()

    together = stepped(slice(None), apart=True)
    for i in range(3):
        assert_close(together[i : i + 1], stepped(slice(i, i + 1), apart=False), atol=1e-6, rtol=1e-6)


def test_a_negative_rho_is_refused():
    with pytest.raises(RunError, match="rho must not be negative"):
        SAM(torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1), -0.1)
