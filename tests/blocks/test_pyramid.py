"""Blocks over a handful of tokens: sizes of the published ones, and who sees whom."""

import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.pyramid import (
    AttentionBlock,
    CrossScaleFusion,
    MobileViTBlock,
    PVTBlock,
    ReducedAttention,
    near_square,
    on_grid,
)


def size(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_of_the_published_blocks():
    with torch.device("meta"):
        assert size(CrossScaleFusion(768, 6, 2, learned=False)) == 28_360_704
        assert size(CrossScaleFusion(384, 6, 2, learned=False)) == 7_102_464
        assert size(MobileViTBlock(384, 4, 2)) == 2_814_720
        assert size(PVTBlock(512, 8, 2)) == 3_677_696
        assert size(AttentionBlock(640, 8)) == 3_283_840


def test_attention_by_hand():
    """nn.MultiheadAttention and a residual, spelt out."""
    torch.manual_seed(0)
    block, x = AttentionBlock(4, 2).eval(), torch.randn(1, 3, 4)
    y = block.norm_attention(x)
    query, key, value = (y @ block.attend.in_proj_weight.T + block.attend.in_proj_bias).chunk(3, -1)
    found = []
    for q, k, v in zip(query.split(2, -1), key.split(2, -1), value.split(2, -1), strict=True):
        found.append(((q @ k.mT) / 2**0.5).softmax(-1) @ v)
    x = x + torch.cat(found, -1) @ block.attend.out_proj.weight.T + block.attend.out_proj.bias
    expected = x + block.feed(block.norm_feed(x))
    torch.manual_seed(0)
    again = AttentionBlock(4, 2).eval()
    assert_close(again(torch.randn(1, 3, 4)), expected)


GRIDS = [(1, (1, 1)), (5, (2, 3)), (6, (2, 3)), (9, (3, 3)), (10, (3, 4)), (13, (4, 4))]


@pytest.mark.parametrize(("count", "grid"), GRIDS)
def test_the_smallest_grid_near_a_square(count, grid):
    assert near_square(count) == grid


def test_a_grid_is_filled_up_with_zeros_behind():
    x = torch.arange(5.0)[None, :, None] + 1
    assert on_grid(x, (2, 3)).flatten().tolist() == [1, 2, 3, 4, 5, 0]


def test_fusion_puts_first_tokens_ahead_and_swaps_with_its_inputs():
    torch.manual_seed(0)
    fuse, small, big = CrossScaleFusion(8, 2, 2), torch.randn(3, 4, 8), torch.randn(3, 6, 8)
    found = fuse(small, big)
    assert found.shape == (3, 12, 8)
    swapped = CrossScaleFusion(8, 2, 2)
    turned = {}
    for name, value in fuse.state_dict().items():
        at = name.split(".")
        if name == "first":
            value = value.flip(0)
        else:
            at[1] = str(int(at[1]) ^ 1)
        turned[".".join(at)] = value
    swapped.load_state_dict(turned)
    order = [1, 0, *range(8, 12), *range(2, 8)]  # both first tokens, then the other set's
    assert_close(swapped(big, small)[:, order], found)


def test_only_first_tokens_cross_between_scales():
    torch.manual_seed(0)
    fuse, small, big = CrossScaleFusion(8, 2, 1), torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    changed = fuse(small, big + 1)
    differs = (changed != fuse(small, big)).any(2)[0]
    assert differs.tolist() == [
        True,
        True,
        *[False] * 4,
        *[True] * 4,
    ]  # one layer: what is carried has not been told on


def test_constant_first_tokens_are_no_weights():
    assert CrossScaleFusion(8, 2, 1, learned=False).first is None
    assert CrossScaleFusion(8, 2, 1).first is not None


@pytest.mark.parametrize("grid", [(3, 4), (2, 2), (5, 3)])
def test_mobilevit_keeps_the_map(grid):
    torch.manual_seed(0)
    x = torch.randn(2, 8, *grid)
    assert MobileViTBlock(8, 2, 1)(x).shape == x.shape


def test_a_smaller_map_of_one_place_says_the_same_to_all():
    """Two rows of three with squares of two: what the release of CrossPVT does."""
    torch.manual_seed(0)
    attend, x = ReducedAttention(8, 2, 2), torch.randn(1, 6, 8)
    assert attend.smaller(x, (2, 3)).shape == (1, 1, 8)
    found = attend(x, (2, 3))
    assert_close(found, found[:, :1].expand_as(found))
    changed = x.clone()
    changed[:, [2, 5]] += 1  # the third column is in no square
    assert_close(attend(changed, (2, 3)), found)
    found.square().sum().backward()
    assert attend.to_query.weight.grad is not None
    assert attend.to_query.weight.grad.abs().sum() < 1e-12


def test_reduced_attention_of_a_larger_map_listens_to_its_queries():
    torch.manual_seed(0)
    attend = ReducedAttention(8, 2, 2)
    attend(torch.randn(1, 16, 8), (4, 4)).square().sum().backward()
    assert attend.to_query.weight.grad is not None
    assert attend.to_query.weight.grad.abs().sum() > 1e-6


def test_widths_that_do_not_divide_are_refused():
    for make in (lambda: AttentionBlock(8, 3), lambda: ReducedAttention(8, 3, 2)):
        with pytest.raises(ValueError, match="width 8 does not divide into 3 heads"):
            make()
