"""The globally weighted R², by hand and by the worked example of the reference notes."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from vitreous.metrics.regression import interval, mean_absolute_error, r2, weighted_r2

# three pastures: green, dead, clover, GDM, total
TRUE = np.array([[20, 10, 5, 25, 35], [40, 5, 0, 40, 45], [8, 16, 4, 12, 28.0]])
PRED = np.array([[24, 8, 6, 27, 36], [35, 7, 1, 38, 44], [10, 12, 2, 11, 26.0]])
WEIGHTS = np.array([0.1, 0.1, 0.1, 0.2, 0.5])


def test_the_worked_example():
    assert weighted_r2(TRUE, PRED, WEIGHTS) == pytest.approx(0.979341156, abs=1e-9)
    assert weighted_r2(TRUE, PRED, 7 * WEIGHTS) == pytest.approx(0.979341156, abs=1e-9)  # only shares count
    means = np.broadcast_to(TRUE.mean(0), TRUE.shape)
    assert weighted_r2(TRUE, means, WEIGHTS) == pytest.approx(0.645160568, abs=1e-9)
    of_each = sum(w * r2(TRUE[:, i], PRED[:, i]) for i, w in enumerate(WEIGHTS))
    assert of_each == pytest.approx(0.883840738, abs=1e-9)  # the wrong metric of many notebooks


def test_order_of_pictures_and_targets_does_not_matter():
    rows, columns = np.array([2, 0, 1]), np.array([3, 1, 4, 0, 2])
    again = weighted_r2(TRUE[rows][:, columns], PRED[rows][:, columns], WEIGHTS[columns])
    assert again == pytest.approx(weighted_r2(TRUE, PRED, WEIGHTS))


def test_one_target_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    true, pred = rng.normal(size=50), rng.normal(size=50)
    assert r2(true, pred) == pytest.approx(r2_score(true, pred))
    assert mean_absolute_error(true, pred) == pytest.approx(np.abs(true - pred).mean())


def test_nothing_to_explain_is_nan():
    assert np.isnan(r2(np.full(4, 0.1), np.zeros(4)))
    assert np.isnan(weighted_r2(np.full((3, 2), 7.0), np.zeros((3, 2)), np.ones(2)))


def test_the_interval_covers_the_value_and_is_wider_where_groups_are_drawn():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 12)
    centre = rng.normal(size=10)[groups]
    true = (centre + 0.1 * rng.normal(size=120))[:, None]
    pred = true + rng.normal(size=10)[groups][:, None]  # a group errs as a whole

    def metric(a, b):
        return r2(a[:, 0], b[:, 0])

    alone, together = interval(metric, true, pred), interval(metric, true, pred, groups)
    assert alone.mean == together.mean == metric(true, pred)
    assert together.low < alone.low < alone.mean < alone.high
    assert interval(metric, true, pred, groups) == together  # drawn alike every time
