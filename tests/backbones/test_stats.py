import numpy as np
import pytest
import torch

from vitreous.backbones.stats import FeatureStats
from vitreous.errors import BackboneError


def features(n=12, h=3, w=4, d=5, seed=0):
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, h, w, d, generator=draw) @ torch.randn(d, d, generator=draw)
    return mixed + torch.randn(h, w, d, generator=draw) + 3.0


def summary(*chunks):
    stats = FeatureStats()
    for chunk in chunks:
        stats.add(chunk)
    return stats.summary()


def test_equal_to_two_passes_over_everything():
    x = features()
    found = summary(*x.split(5))
    flat = x.double().flatten(0, 2).numpy()
    np.testing.assert_allclose(found.mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, flat.std(0), rtol=1e-12)
    assert found.norm == pytest.approx(np.linalg.norm(flat, axis=1).mean())
    share = x.double().mean(0).flatten(0, 1).numpy().var(0).sum() / flat.var(0).sum()
    assert found.position_share == pytest.approx(share)


def test_cosine_by_hand():
    # three unit vectors at 0, 90 and 180 degrees: pairs have cosines 0, 0 and -1
    x = torch.tensor([[[[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]]])
    assert summary(x).cosine == pytest.approx(-1 / 3)


def test_cosine_equals_all_pairs():
    x = features()
    flat = x.double().flatten(1, 2)
    unit = flat / flat.norm(dim=2, keepdim=True)
    pairs = unit @ unit.mT
    off = ~torch.eye(12, dtype=torch.bool)
    assert summary(x).cosine == pytest.approx(pairs[:, off].mean().item())


def test_principal_components_by_hand():
    # variances 16, 4, 1, 1 of 22: one component holds 73 %, two hold 91 %
    draw = np.random.default_rng(0)
    x = draw.standard_normal((4000, 4))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / len(x))).T  # exactly white
    turn = np.linalg.qr(draw.standard_normal((4, 4)))[0]
    tokens = torch.from_numpy(x * [4, 2, 1, 1] @ turn).reshape(10, 20, 20, 4)
    found = summary(tokens)
    assert (found.pca90, found.pca95) == (2, 3)  # three hold 95.5 %
    assert found.spectrum.tolist() == pytest.approx([16 / 22, 4 / 22, 1 / 22, 1 / 22])


def test_spatial_variance_is_that_within_pictures():
    x = features()
    assert summary(*x.split(5)).spatial == pytest.approx(x.double().flatten(1, 2).numpy().var(1).mean())
    pictures_of_one_colour = torch.randn(6, 1, 1, 5).expand(6, 3, 4, 5)
    assert summary(pictures_of_one_colour).spatial == pytest.approx(0, abs=1e-12)


def test_position_share_is_1_where_all_pictures_are_alike_and_small_for_noise():
    one = features(1)
    assert summary(one.expand(8, -1, -1, -1)).position_share == pytest.approx(1)
    noise = torch.randn(50, 4, 4, 8, generator=torch.Generator().manual_seed(1))
    assert summary(noise).position_share == pytest.approx(1 / 50, rel=0.3)


def test_a_mean_far_from_zero_costs_no_digits():
    x = features().double()
    near, far = summary(x), summary(x + 1e6)
    np.testing.assert_allclose(far.std, near.std, rtol=1e-8)
    assert far.position_share == pytest.approx(near.position_share, rel=1e-8)


def test_features_that_never_vary():
    found = summary(torch.ones(3, 2, 2, 4))
    assert (found.pca90, found.position_share, found.cosine) == (0, 0.0, pytest.approx(1))


def test_zero_tokens_and_single_patches_are_no_fault():
    assert summary(torch.zeros(3, 2, 2, 4)).cosine == 0
    assert summary(torch.ones(3, 1, 1, 4)).cosine == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad):
    x = features()
    x[3, 1, 1, 1] = bad
    with pytest.raises(BackboneError, match="not finite"):
        summary(x)


def test_mixed_grids_are_refused():
    with pytest.raises(BackboneError, match=r"\(2, 4, 5\) among those of \(3, 4, 5\)"):
        summary(features(), features(h=2))


def test_nothing_to_sum_up():
    with pytest.raises(BackboneError, match="No pictures"):
        summary(torch.zeros(0, 2, 2, 4))
