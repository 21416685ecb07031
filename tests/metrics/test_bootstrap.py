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
