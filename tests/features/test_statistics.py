import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from vitreous.features.statistics import FeatureSums, dump_sums, load_sums


def summed(features, *, chunks=1):
    sums = FeatureSums(tuple(features.shape[1:]))
    for part in features.chunk(chunks):
        sums.add(part)
    return sums


def draw(rows=50, h=3, w=2, d=5, mean=0.0, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    place = torch.randn(1, h, w, d, generator=generator)
    return (mean + scale * (torch.randn(rows, h, w, d, generator=generator) + place)).half()


@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (300, 1), (-2000, 0.5), (0, 1e-6), (20000, 3000)])
def test_equal_to_two_passes_in_float64(mean, scale):
    features = draw(mean=mean, scale=scale)
    stats, x = summed(features).statistics(), features.double().numpy()
    near = {"rtol": 1e-12, "atol": 1e-300}
    np.testing.assert_allclose(stats.mean, x.mean((0, 1, 2)), rtol=1e-12, atol=1e-15 * scale)
    np.testing.assert_allclose(stats.std, x.std((0, 1, 2)), **near)
    np.testing.assert_allclose(stats.position_mean, x.mean(0), rtol=1e-12, atol=1e-15 * scale)
    np.testing.assert_allclose(stats.position_std, x.std(0), **near)
    np.testing.assert_allclose(stats.within_std, np.sqrt(x.var(0).mean((0, 1))), **near)
    assert stats.rms_norm == pytest.approx(math.sqrt((x**2).sum(-1).mean()), rel=1e-12)
    share = x.mean(0).var((0, 1)).sum() / x.var((0, 1, 2)).sum()
    assert stats.position_share == pytest.approx(share, abs=1e-12)
    assert stats.count == 50


def test_correctly_rounded_where_float64_sums_cancel():
    features = torch.full((9, 1, 1, 1), 60000.0).half()
    features[0] = 60032  # the next float16
    exact = [Fraction(float(x)) for x in features.flatten()]
    mean = sum(exact) / 9
    variance = sum((x - mean) ** 2 for x in exact) / 9
    stats = summed(features).statistics()
    assert stats.mean[0] == float(mean)
    assert stats.std[0] == math.sqrt(float(variance))


def test_no_order_and_no_partition_changes_a_bit():
    features = draw(rows=200, scale=7)
    one = summed(features)
    shuffled = features[torch.randperm(200, generator=torch.Generator().manual_seed(1))]
    other = summed(shuffled[:120], chunks=7)
    other.merge(summed(shuffled[120:], chunks=3))
    for name in ("mean", "std", "position_mean", "position_std", "within_std", "rms_norm", "position_share"):
        assert np.array_equal(getattr(one.statistics(), name), getattr(other.statistics(), name)), name


def test_exact_at_the_ends_of_float16():
    largest, smallest = torch.finfo(torch.float16).max, 2.0**-24
    features = torch.tensor([largest, -largest, smallest, 0.0] * 600).half().view(-1, 1, 1, 1)
    stats = summed(features).statistics()
    exact = Fraction(smallest) / 4
    assert stats.mean[0] == float(exact)
    second = (2 * Fraction(largest) ** 2 + Fraction(smallest) ** 2) / 4
    assert stats.std[0] == math.sqrt(float(second - exact**2))


def test_position_share_by_hand():
    # two places, means -1 and 1 (variance 1); around them +-1 (variance 1): position explains half
    features = torch.tensor([[-2.0, 0.0], [0.0, 2.0]]).half().view(2, 1, 2, 1)
    assert summed(features).statistics().position_share == 0.5
    assert summed(torch.ones(4, 2, 2, 1).half()).statistics().position_share == 0.0


def test_sums_survive_a_file(tmp_path):
    sums = summed(draw())
    (tmp_path / "sums").write_bytes(dump_sums(sums, ["a.lance", "b.lance"]))
    again, files = load_sums(str(tmp_path / "sums"))
    assert files == ["a.lance", "b.lance"]
    assert again.count == 50
    assert again.shape == sums.shape
    again.add(draw(seed=2))
    sums.add(draw(seed=2))
    assert all(torch.equal(a, b) for a, b in zip(again.tensors().values(), sums.tensors().values(), strict=True))
