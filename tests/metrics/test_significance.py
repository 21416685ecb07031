import numpy as np
import pytest
from scipy import stats

from vitreous.metrics.seeds import SeedNoise, over_seeds, pooled, seed_noise
from vitreous.metrics.significance import holm, paired, sign_flip, unpaired

LEVEL = pytest.approx(0.05, abs=0.015)


def alarms(p):
    return np.mean(np.array(p) <= 0.05)


def test_signs_by_hand():
    # of 8 patterns of signs, two give a sum as far from 0 as 1 + 2 + 3
    assert sign_flip(np.array([1.0, 2.0, 3.0])) == 2 / 8
    # + + - and its mirror give 0, which is nearer; all others are as far or farther than 2: - + +, + - + ... by hand 6
    assert sign_flip(np.array([1.0, -1.0, 2.0])) == 6 / 8
    assert sign_flip(np.zeros(4)) == 1


def test_signs_agree_with_scipy():
    differences = np.random.default_rng(0).normal(0.3, 1, 30)
    theirs = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=9999, rng=1)
    assert sign_flip(differences) == pytest.approx(theirs.pvalue, abs=0.02)


def test_a_group_flips_as_one():
    differences = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, np.nan])
    assert sign_flip(differences, groups=list("aabbccd")) == 2 / 8
    assert np.isnan(sign_flip(np.array([np.nan])))


def test_welch_agrees_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 30), rng.normal(0.5, 2, 50)
    (found,) = unpaired(np.concatenate([a, b])[:, None], np.arange(80) >= 30)
    theirs = stats.ttest_ind(a, b, equal_var=False)
    low, high = theirs.confidence_interval()
    assert (found.mean, found.low, found.high) == pytest.approx((a.mean() - b.mean(), low, high))
    assert found.welch == pytest.approx(theirs.pvalue)
    assert found.permutation == pytest.approx(theirs.pvalue, abs=0.01)


def test_pairs_within_groups_are_a_paired_test():
    """Scenes of one metal and one rubber object each: what is compared are the differences within scenes."""
    rng = np.random.default_rng(0)
    scene = rng.normal(0, 5, 40)
    metal, rubber = scene + rng.normal(0.5, 1, 40), scene + rng.normal(0, 1, 40)
    found, apart = (
        unpaired(np.concatenate([metal, rubber])[:, None], np.arange(80) >= 40, groups=groups)[0]
        for groups in (np.tile(np.arange(40), 2), None)
    )
    theirs = stats.ttest_rel(metal, rubber)
    assert found.mean / (found.high - found.low) == pytest.approx(theirs.statistic / (2 * 1.99), rel=0.01)
    assert found.permutation == pytest.approx(theirs.pvalue, abs=0.01)
    assert apart.permutation > 0.3


def test_too_few_to_compare():
    (found,) = unpaired(np.array([[1.0], [2.0], [3.0]]), np.array([False, False, True]))
    assert found.mean == -1.5
    assert np.isnan([found.welch, found.permutation, found.low]).all()
    (none,) = unpaired(np.empty((0, 1)), np.empty(0, dtype=bool))
    assert np.isnan([none.mean, none.welch, none.permutation]).all()


@pytest.mark.parametrize(("n", "spread"), [(50, 1.0), (300, 1.0), (9, 1.0)])
def test_flipped_signs_hold_their_level(n, spread):
    rng = np.random.default_rng(0)
    image = rng.beta(8, 2, (1000, n))
    one, other = (image + rng.normal(0, 0.1, (1000, n)) for _ in range(2))
    assert alarms([sign_flip(d) for d in one - other]) == LEVEL


@pytest.mark.parametrize("seeds", [(3, 3), (3, 5), (5, 5)])
@pytest.mark.parametrize("of_seeds", [0.0, 0.14, 0.5], ids=["images", "both", "seeds"])
def test_differences_over_seeds_hold_their_level(of_seeds, seeds):
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (1000, 50, 1))
    ours, theirs = (
        image
        + rng.normal(0, 0.7, (1000, 50, 1))  # what each setting makes of an image
        + rng.normal(0, of_seeds, (1000, 1, s))
        + rng.normal(0, 0.3, (1000, 50, s))
        for s in seeds
    )
    found = [paired(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert alarms([one.p for one in found]) == LEVEL
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.02)


def test_flipping_signs_alone_would_take_a_lucky_seed_for_a_better_setting():
    rng = np.random.default_rng(0)
    ours, theirs = (rng.normal(0, 1, (300, 50, 1)) + rng.normal(0, 0.5, (300, 1, 3)) for _ in range(2))
    p = [sign_flip(d) for d in ours.mean(2) - theirs.mean(2)]
    assert alarms(p) > 0.2


@pytest.mark.parametrize("kind", ["normal", "unlike spread", "near one"])
def test_unpaired_tests_hold_their_level(kind):
    rng = np.random.default_rng(1)
    draw = {
        "normal": lambda n, _: rng.normal(0, 1, (n, 1000)),
        "unlike spread": lambda n, which: rng.normal(0, 1 + which, (n, 1000)),
        "near one": lambda n, _: rng.beta(8, 2, (n, 1000)),
    }[kind]
    values = np.concatenate([draw(30, 0), draw(60, 1)])
    found = unpaired(values, np.arange(90) >= 30, draws=399)
    assert alarms([one.welch for one in found]) == LEVEL
    assert alarms([one.permutation for one in found]) == LEVEL


def test_tests_of_objects_that_share_scenes_hold_their_level():
    rng = np.random.default_rng(0)
    scene = np.repeat(np.arange(60), 5)  # 20 of one kind, 20 of the other, 20 of both
    second = np.concatenate([np.zeros(100, bool), np.ones(100, bool), rng.random(100) < 0.5])
    values = rng.normal(0, 1, (60, 1000))[scene] + rng.normal(0, 1, (300, 1000))
    found = unpaired(values, second, groups=scene, draws=399)
    assert alarms([one.welch for one in found]) == LEVEL
    assert alarms([one.permutation for one in found]) == LEVEL
    assert alarms([one.welch for one in unpaired(values, second, draws=9)]) > 0.15  # as if objects were on their own


def test_runs_on_the_same_images():
    rng = np.random.default_rng(0)
    image = rng.normal(0.7, 0.2, (100, 1))
    better = image + 0.01 + rng.normal(0, 0.01, (100, 1))
    found, found_in = paired(better, image), (better - image)[:, 0]
    assert found.mean == pytest.approx(0.01, abs=0.003)
    assert 0 < found.low < found.mean < found.high < 0.02
    assert found.p == pytest.approx(stats.ttest_1samp(found_in, 0).pvalue)  # no flip comes as far: t tells
    assert found.test == "signs flipped, over pictures"
    seeds = paired(image + 0.01 + rng.normal(0, 0.01, (100, 3)), np.repeat(image, 2, axis=1))
    assert seeds.test == "t, over pictures and seeds"
    assert seeds.p < 0.01


def test_nothing_in_common():
    found = paired(np.full((3, 1), np.nan), np.ones((3, 1)))
    assert np.isnan([found.mean, found.low, found.p]).all()


def test_holm_by_hand():
    # 0.01 * 3, then 0.03 * 2, then 0.04 * 1, which may not be less
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.01, np.nan, 0.5])) == pytest.approx([0.02, np.nan, 0.5], nan_ok=True)


@pytest.mark.parametrize("of_seeds", [0.0, 0.14, 0.5], ids=["images", "both", "seeds"])
def test_noise_pooled_over_settings_keeps_level_and_cover(of_seeds):
    """Eight settings of two seeds: two of them alone would tell next to nothing."""
    rng, once = np.random.default_rng(0), np.ones(50)
    p, covered = [], []
    for _ in range(1000):
        image, runs = rng.normal(0, 1, (50, 1)), rng.normal(0, of_seeds, (8, 1, 2))
        values = image + rng.normal(0, 0.7, (8, 50, 1)) + runs + rng.normal(0, 0.3, (8, 50, 2))
        noise = [seed_noise(one, once) for one in values]
        known = tuple(pooled(noise[i], noise[:i] + noise[i + 1 :]) for i in range(2))
        p.append(paired(values[0], values[1], noise=known, draws=200).p)
        found = over_seeds(values[0], noise=known[0], draws=500)
        covered.append(found.low <= 0 <= found.high)
    assert alarms(p) == LEVEL
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_noise_is_pooled_by_hand():
    some = [SeedNoise(3.0, 1.0, 2.0), SeedNoise(5.0, 2.0, 2.0)]
    assert pooled(SeedNoise(1.0, 0.0, 2.0), some) == SeedNoise(3.0, 1.0, 6.0)
    assert SeedNoise(3.0, 1.0, 6.0).variance(10, 2) == (3 - 1) / 20
    assert SeedNoise(1.0, 2.0, 6.0).variance(10, 2) == 0
    loud = SeedNoise(1000.0, 1.0, 2.0)
    assert pooled(loud, some) == loud
    assert pooled(some[0], some[1:]) == some[0]  # two degrees of freedom cannot tell who stands out
