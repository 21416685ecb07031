import pytest
import torch
from torch import nn
from torch.testing import assert_close

from vitreous.blocks.quantise import (
    SPREAD,
    CodeAutoencoder,
    Codebook,
    chi_deviation,
    feature_codes,
    mix,
    picture_codes,
    sharpness,
    soft_assignment,
    straight_through,
)


def close(actual, expected):
    assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def rows(x):
    return x.flatten(2).mT


def test_the_choice_and_what_passes_it_equal_the_reference(golden):
    case = golden("vq_vvo_codebook_match")
    book = Codebook(16, 6, table_dim=None)
    book.load_state_dict({"table": case("param.codebook")})
    x = case("in.features").requires_grad_()
    found = book(rows(x))
    close(soft_assignment(rows(x), book.codes()).mT.unflatten(2, (4, 4)), case("out.soft_assignment"))
    assert_close(found.index.unflatten(1, (4, 4)), case("out.index"))
    code = found.code.mT.unflatten(2, (4, 4))
    close(code, case("out.quant"))
    passed = straight_through(x, code)
    close(passed, case("out.decode_input"))
    passed.square().sum().backward()
    close(x.grad, case("grad.features"))


def test_the_auto_encoder_of_codes_equals_the_reference(golden):
    case = golden("vq_vvo_quantise")
    coder = CodeAutoencoder(nn.Conv2d(10, 8, 1), nn.Conv2d(8, 10, 1), Codebook(24, 8, 12)).eval()
    names = {"codebook.weight": "book.table", "code_proj.weight": "book.project.weight"}
    names |= {"code_proj.bias": "book.project.bias"}
    coder.load_state_dict({names.get(n, n): t for n, t in case.under("param.").items()})
    x = case("in.features").requires_grad_()
    close(coder.encode(x), case("out.encode"))
    found = coder(x)
    assert_close(found.index.unflatten(1, (4, 4)), case("out.index"))
    close(found.code.mT.unflatten(2, (4, 4)), case("out.quant"))
    terms = coder.terms(x, x.detach(), done=1.0)
    for ours, theirs in {"rebuild": "recon", "align": "align", "commit": "commit", "norm": "norm"}.items():
        close(terms[f"codes_{ours}"], case(f"out.loss_{theirs}"))
    loss = sum(terms.values())
    close(loss, case("out.loss"))
    loss.backward()
    close(x.grad, case("grad.features"))
    for name, gradient in case.under("grad.param.").items():
        close(coder.get_parameter(names.get(name, name)).grad, gradient)


def test_deviation_of_a_random_distance():
    assert chi_deviation(4) == pytest.approx(0.682428, abs=1e-6)  # methods.md, 13.1
    assert chi_deviation(256) == pytest.approx(0.706761, abs=1e-6)
    lengths = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(0)).norm(dim=1)
    assert lengths.std().item() == pytest.approx(chi_deviation(4), rel=0.01)


def test_schedules_begin_and_end_where_they_should():
    assert [mix(done) for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1, 0.5, 0, 0])
    assert [sharpness(done) for done in (0.0, 0.5, 1.0)] == pytest.approx([1, SPREAD**0.5, SPREAD])


def test_random_choices_are_for_training_and_are_near():
    torch.manual_seed(0)
    book, x = Codebook(32, 4, 16), torch.randn(1, 500, 4)
    drawn, again, sharp = (book(x, s).index for s in (1.0, 1.0, 20.0))
    nearest = book.eval()(x, 1.0).index
    assert not torch.equal(drawn, again)
    assert (drawn == nearest).float().mean() < (sharp == nearest).float().mean() < 1
    assert torch.equal(nearest, book(x).index)


@pytest.mark.parametrize("kind", ["features", "pictures"])
def test_codes_learn_to_tell_a_map_and_then_rest(kind):
    torch.manual_seed(0)
    side = (6, 8) if kind == "features" else (24, 32)
    coder = feature_codes(5, 16, 4, 8) if kind == "features" else picture_codes(16, 4, 8, 8)
    palette = torch.rand(4, 5 if kind == "features" else 3)
    x = palette[torch.randint(4, (2, 6, 8))].permute(0, 3, 1, 2)
    x = nn.functional.interpolate(x, size=side, mode="nearest")
    optimiser = torch.optim.Adam(coder.parameters(), 3e-3)

    def step(done):
        optimiser.zero_grad()
        terms = coder.terms(x, x, done)
        sum(terms.values()).backward()
        optimiser.step()
        return {name: term.item() for name, term in terms.items()}

    first = step(0.0)["codes_rebuild"]
    for i in range(150):
        last = step(i / 149)["codes_rebuild"]
    assert last < 0.3 * first
    before = coder(x).index
    assert before.shape == (2, 48)
    assert step(1.5) == dict.fromkeys(("codes_rebuild", "codes_align", "codes_commit", "codes_norm"), 0.0)
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in coder.parameters())


def test_no_gradient_passes_codes_that_are_learned():
    torch.manual_seed(0)
    coder = feature_codes(5, 16, 4, 8)
    found = coder(torch.randn(2, 5, 3, 4, requires_grad=True))
    assert not found.code.requires_grad
