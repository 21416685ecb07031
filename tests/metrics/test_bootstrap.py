import math

import numpy as np
import pytest

from vitreous.metrics.bootstrap import summarise


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
