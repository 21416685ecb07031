"""The selective scan against its recurrence, and the two blocks that mix along a sequence."""

import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.mamba import GatedConvolution, StateSpace, selective_scan


def parts(n, b=2, d=3, s=4, seed=0, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    x, write, read = (torch.randn(b, n, size, generator=draw, dtype=dtype) for size in (d, s, s))
    step = torch.rand(b, n, d, generator=draw, dtype=dtype) * 0.5 + 0.01
    return x, step, -torch.rand(d, s, generator=draw, dtype=dtype) * 4 - 0.1, write, read


def token_by_token(x, step, rate, write, read):
    """As the recurrence is printed."""
    held, found = torch.zeros(len(x), x.shape[2], rate.shape[1], dtype=x.dtype), []
    for t in range(x.shape[1]):
        held = torch.exp(step[:, t, :, None] * rate) * held + (step[:, t] * x[:, t])[..., None] * write[:, t, None]
        found.append((held * read[:, t, None]).sum(-1))
    return torch.stack(found, 1)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 33])
def test_the_scan_is_its_recurrence(n):
    values = parts(n)
    assert_close(selective_scan(*values), token_by_token(*values), atol=1e-12, rtol=1e-12)
    single = [value.float() for value in values]
    assert_close(selective_scan(*single), token_by_token(*single), atol=1e-6, rtol=1e-6)


def test_gradients_of_the_scan_are_those_of_its_recurrence():
    found = []
    for scan in (selective_scan, token_by_token):
        values = [value.requires_grad_() for value in parts(7)]
        scan(*values).square().sum().backward()
        found.append([value.grad for value in values])
    for one, other in zip(*found, strict=True):
        assert_close(one, other, atol=1e-12, rtol=1e-10)


def test_a_long_scan_with_a_memory_that_fades_fast_stays_finite():
    x, step, rate, write, read = parts(400, dtype=torch.float32)
    found = selective_scan(x, 100 * step, 10 * rate, write, read)  # a product of decays would be exp(-1e5)
    assert_close(found, token_by_token(x, 100 * step, 10 * rate, write, read), atol=1e-4, rtol=1e-5)


def test_scan_by_hand():
    one = torch.ones(1, 2, 1)
    # h1 = 1 · 3 · 1, h2 = exp(-ln 2) · 3 + 1 · 5; read twice over
    x, rate = torch.tensor([[[3.0], [5.0]]]), -torch.tensor([[2.0]]).log()
    assert_close(selective_scan(x, one, rate, one, 2 * one), torch.tensor([[[6.0], [13.0]]]))


@pytest.mark.parametrize("kind", [StateSpace, GatedConvolution])
def test_blocks_keep_shapes_and_every_weight_learns(kind):
    torch.manual_seed(0)
    block, x = kind(6), torch.randn(2, 5, 6)
    block(x).square().sum().backward()
    assert block(x).shape == x.shape
    for name, weight in block.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_tokens_read_in_both_directions_have_no_first():
    torch.manual_seed(0)
    block, x = StateSpace(6), torch.randn(1, 5, 6)
    assert_close(block(x).flip(1), block(x.flip(1)))
    changed = x.clone()
    changed[:, 4, 0] += 1
    assert not torch.allclose(block(changed)[:, 0], block(x)[:, 0])


def test_steps_begin_where_mamba_has_them():
    torch.manual_seed(0)
    begin = torch.nn.functional.softplus(StateSpace(64).to_step.bias)
    assert 1e-3 <= begin.min() < 2e-3
    assert 0.05 < begin.max() <= 0.1


def test_a_gated_convolution_sees_its_kernel_and_no_further():
    torch.manual_seed(0)
    block, x = GatedConvolution(4, kernel=3), torch.randn(1, 7, 4)
    changed = x.clone()
    changed[:, 3, 0] += 1
    differs = (block(changed) != block(x)).any(2)[0]
    assert differs.tolist() == [False, False, True, True, True, False, False]
