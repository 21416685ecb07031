import math

import numpy as np
import pytest

from vitreous.metrics.bootstrap import interval, summarise
from vitreous.metrics.seeds import over_seeds


def test_mean_and_interval_of_the_defined_values():
    score = summarise([0.2, float("nan"), 0.6])
    assert score.mean == pytest.approx(0.4)
    assert score.low == pytest.approx(0.2)
    assert score.high == pytest.approx(0.6)
    assert len(score.values) == 3


def test_the_interval_is_that_of_a_normal_mean():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    score = summarise(values)
    assert score.high - score.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_nothing_defined_is_not_a_number():
    assert math.isnan(summarise([float("nan")]).mean)
    assert math.isnan(summarise([]).low)


def test_what_belongs_together_is_drawn_together():
    rng = np.random.default_rng(0)
    clips = np.repeat(rng.normal(0.5, 0.1, 40), 24)  # frames of a clip say the same thing 24 times
    grouped = summarise(clips, groups=np.repeat(np.arange(40), 24))
    once = summarise(clips[::24])
    assert grouped.mean == pytest.approx(once.mean)
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low)
    assert grouped.high - grouped.low > 3 * (summarise(clips).high - summarise(clips).low)


def test_groups_of_unlike_size_weigh_what_they_hold():
    score = summarise([1.0, 1.0, 1.0, 0.0, float("nan")], groups=["a", "a", "a", "b", "c"])
    assert score.mean == 0.75
    assert (score.low, score.high) == (0, 1)


def test_a_single_group_has_no_spread():
    score = summarise([0.2, 0.4], groups=["clip", "clip"])
    assert score.low == score.high == pytest.approx(0.3)


def share(found, true):
    """How many of the intervals cover the true value."""
    return np.mean([one.low <= true <= one.high for one in found])


@pytest.mark.parametrize("images", [50, 300])
@pytest.mark.parametrize(
    ("draw", "true"),
    [
        (lambda rng, size: rng.normal(0.7, 0.2, size), 0.7),
        (lambda rng, size: rng.exponential(1, size), 1),
        (lambda rng, size: rng.beta(8, 2, size), 0.8),
    ],
    ids=["normal", "skewed", "near one"],
)
def test_intervals_cover_the_true_mean(draw, true, images):
    found = [interval(values) for values in draw(np.random.default_rng(2), (1000, images))]
    assert 0.93 <= share(found, true) <= 0.97


def test_intervals_over_clips_cover_the_true_mean():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(40), rng.integers(1, 9, 40))  # clips of 1 to 8 frames
    frames = rng.normal(0, 1, (2000, 40))[:, clip] + rng.normal(0, 0.5, (2000, len(clip)))
    assert 0.93 <= share([interval(values, groups=clip) for values in frames], 0) <= 0.97
    assert share([interval(values) for values in frames], 0) < 0.8  # as if frames were on their own


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("of_seeds", [0.0, 0.14, 0.5], ids=["images", "both", "seeds"])
def test_intervals_over_images_and_seeds_cover_the_true_mean(of_seeds, seeds):
    """0.14 is where 50 images and one seed weigh the same."""
    rng = np.random.default_rng(0)
    images, runs = rng.normal(0, 1, (1000, 50, 1)), rng.normal(0, of_seeds, (1000, 1, seeds))
    values = images + runs + rng.normal(0, 0.3, (1000, 50, seeds))
    assert 0.93 <= share([over_seeds(one) for one in values], 0) <= 0.97


def test_one_seed_tells_of_its_run_only():
    values = np.random.default_rng(0).normal(0, 1, (50, 1))
    assert over_seeds(values) == interval(values[:, 0])


def test_a_seed_that_is_far_off_widens_the_interval():
    values = np.random.default_rng(0).normal(0.5, 0.1, (50, 3))
    apart = over_seeds(values + np.array([0, 0, 0.3]))
    assert apart.high - apart.low > 5 * (over_seeds(values).high - over_seeds(values).low)


def test_equal_seeds_add_nothing():
    values = np.random.default_rng(0).normal(0.5, 0.1, (50, 1))
    once, thrice = interval(values[:, 0]), over_seeds(np.repeat(values, 3, axis=1))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_seeds_that_differ_alike_on_every_image():
    found = over_seeds(np.array([[0.4, 0.5, 0.6]] * 20))
    # all there is to go by are three numbers: t of two degrees of freedom
    assert (found.mean, found.high - found.mean) == pytest.approx((0.5, 4.3027 * 0.1 / 3**0.5), abs=1e-4)


def test_the_interval_stays_where_scores_are():
    scores = np.array([1.0] * 20 + [0.9])
    found = interval(scores)
    assert 0.9 < found.low < found.mean < found.high <= 1


def test_values_of_many_objects_are_drawn_in_parts():
    values = np.random.default_rng(0).normal(0, 1, 5000)
    found = interval(values)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 5000**0.5, rel=0.05)
