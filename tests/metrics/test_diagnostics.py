import math

import pytest
import torch
from torch.testing import assert_close

from vitreous.metrics import diagnostics
from vitreous.metrics.diagnostics import (
    DIAGNOSTICS,
    active_slots,
    entropy,
    gini,
    mask_similarity,
    mean_fill,
    pattern_fill,
    top_share,
)

UNIFORM = torch.full((1, 4, 3, 3), 0.25)
SPLIT = torch.tensor([0, 1, 2, 3]).repeat(4).view(1, 1, 4, 4).eq(torch.arange(4).view(1, 4, 1, 1)).float()
ONE = torch.zeros(1, 4, 3, 3).index_fill(1, torch.tensor([2]), 1)
EXPECTED = {  # uniform, four equal slots, one slot takes all
    "mask_similarity": (1, 0, 0),
    "active_slots": (1, 4, 1),
    "top_share": (1, 0.25, 1),
    "gini": (0, 0, 0.75),
    "entropy": (1, 0, 0),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_extremes(name):
    found = [DIAGNOSTICS[name](masks).item() for masks in (UNIFORM, SPLIT, ONE)]
    assert found == pytest.approx(EXPECTED[name], abs=1e-12)


def test_by_hand():
    masks = torch.tensor([[[[1.0, 0.6, 0.0, 0.0]], [[0.0, 0.4, 1.0, 1.0]]]])
    # 0.24 / sqrt(1.36 * 2.16); shares 1.6 : 2.4; entropy of (0.6, 0.4) in one of four patches
    assert mask_similarity(masks).item() == pytest.approx(0.24 / math.sqrt(1.36 * 2.16))
    assert active_slots(masks).item() == 2
    assert active_slots(masks, above=0.5).item() == 0
    assert top_share(masks).item() == 0.5
    assert gini(masks).item() == pytest.approx((2.4 - 1.6) / (2 * 4))
    bits = -(0.6 * math.log2(0.6) + 0.4 * math.log2(0.4))
    assert entropy(masks).item() == pytest.approx(bits / 4)


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_slots_may_trade_places_and_samples_do_not_mix(name):
    masks = torch.randn(3, 5, 4, 4, generator=torch.Generator().manual_seed(0)).softmax(1)
    metric = DIAGNOSTICS[name]
    assert_close(metric(masks[:, [4, 2, 0, 1, 3]]), metric(masks))
    assert_close(torch.cat([metric(m[None]) for m in masks]), metric(masks))
    assert metric(masks[:0]).shape == (0,)


def test_one_slot():
    masks = torch.ones(2, 1, 3, 3)
    assert mask_similarity(masks).isnan().all()
    assert entropy(masks).tolist() == gini(masks).tolist() == [0, 0]


def test_the_constant_mean_fills_to_one():
    features = torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    mean = features.mean((1, 2), keepdim=True).expand_as(features)
    assert mean_fill(mean, features).tolist() == pytest.approx([1, 1])
    assert mean_fill(features, features).tolist() == [0, 0]
    assert mean_fill(features, torch.ones_like(features)).isnan().all()


def test_shares_won_sum_to_one():
    masks = torch.randn(3, 5, 4, 4, generator=torch.Generator().manual_seed(1)).softmax(1)
    assert diagnostics.shares_won(masks).sum(1).tolist() == pytest.approx([1, 1, 1])


def test_the_pattern_is_what_differs_between_patches():
    features = torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    assert pattern_fill(torch.zeros_like(features), features).tolist() == pytest.approx([1, 1])
    assert pattern_fill(features + 3, features).tolist() == pytest.approx([0, 0], abs=1e-12)
    assert mean_fill(features + 3, features).min() > 1  # the same, but for what all patches share
    rebuilt = torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(1))
    assert (pattern_fill(rebuilt, features) <= mean_fill(rebuilt, features)).all()
