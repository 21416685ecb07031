import numpy as np
import pytest
from numpy.testing import assert_allclose

from vitreous.errors import RunError
from vitreous.metrics.regression import weighted_r2
from vitreous.regress.constraints import Sums, error_covariance, reconciled

PASTURE = ("Green", "Clover", "Dead", "GDM", "Total")
TEXTS = ("GDM = Green + Clover", "Total = GDM + Dead")
WEIGHTS = np.array([0.1, 0.1, 0.1, 0.2, 0.5])
TRUE = np.array([[20, 5, 10, 25, 35], [40, 0, 5, 40, 45], [8, 4, 16, 12, 28.0]])
PRED = np.array([[24, 6, 8, 27, 36], [35, 1, 7, 38, 44], [10, 2, 12, 11, 26.0]])


def sums():
    return Sums.of(TEXTS, PASTURE)


def test_the_worked_examples():
    assert_allclose(sums().project(PRED)[0], [23, 5, 8, 28, 36], atol=1e-9)
    assert weighted_r2(TRUE, sums().project(PRED), WEIGHTS) == pytest.approx(0.976107963, abs=1e-9)
    assert weighted_r2(TRUE, sums().compose(PRED), WEIGHTS) == pytest.approx(0.949276661, abs=1e-9)


def test_the_projection_is_the_matrix_of_the_notes():
    eighths = [[5, -3, -1, 2, 1], [-3, 5, -1, 2, 1], [-1, -1, 5, -2, 3], [2, 2, -2, 4, 2], [1, 1, 3, 2, 5]]
    p = sums().project(np.eye(5) + 100)  # far from 0, where nothing is held back
    linear = p - sums().project(np.full((1, 5), 100.0))
    assert_allclose(linear, np.array(eighths) / 8, atol=1e-9)


def test_what_would_be_negative_is_held_at_nothing_and_still_adds_up():
    y = np.array([[30, 0.5, 0.2, 20, 20], [0, 0, 0, 0, 0.0]])
    found = sums().project(y)
    assert (found >= 0).all()
    assert sums().off(found) < 1e-9
    tries = np.random.default_rng(0).uniform(0, 30, (20000, 3)) @ sums().basis.T
    assert ((tries - y[0]) ** 2).sum(1).min() >= ((found[0] - y[0]) ** 2).sum() - 1e-9  # nothing nearer
    assert_allclose(found[1], sums().project(y[1:])[0])


def test_what_is_well_known_moves_least():
    loose = sums().project(PRED, np.diag([100.0, 100, 100, 100, 1e-4]))
    assert_allclose(loose[:, 4], PRED[:, 4], atol=1e-3)
    assert sums().off(loose) < 1e-9
    rng = np.random.default_rng(0)
    covariance = error_covariance(rng.normal(size=(50, 5)) * [1, 2, 3, 4, 5])
    assert sums().off(reconciled(PRED, sums(), "weighted", covariance)) < 1e-9
    assert np.linalg.eigvalsh(error_covariance(np.ones((9, 3)))).min() > 0  # errors that go together entirely


def test_ways_and_what_they_leave():
    assert reconciled(PRED, sums(), "none") is PRED
    assert reconciled(PRED, None, "project") is PRED
    assert sums().off(TRUE) == 0
    assert sums().off(PRED) == 3.0  # 24 + 6 is 30, and 27 was predicted
    with pytest.raises(RunError, match='No way to reconcile called "compse". Did you mean "compose"'):
        reconciled(PRED, sums(), "compse")


def test_factors_and_totals_of_totals():
    found = Sums.of(["pair = 2*half"], ["half", "pair"])
    assert found.compose(np.array([[3.0, 99.0]])).tolist() == [[3.0, 6.0]]
    assert sums().basis[4].tolist() == [1, 1, 1]  # Total in terms of green, clover, dead


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["GDM = Gren + Clover"], 'speaks of "Gren", which is no target. Did you mean "Green"'),
        (["GDM"], "is not a sum"),
        (["GDM = "], "is not a sum"),
        (["GDM = x*Green"], "is not a sum"),
        (["GDM = -1*Green"], "is not a sum"),
        (["GDM = Green", "GDM = Dead"], "a total twice"),
        (["GDM = Total", "Total = GDM"], "a part of itself: GDM = Total = GDM"),
    ],
)
def test_sums_that_cannot_be_are_named(texts, said):
    with pytest.raises(RunError) as caught:
        Sums.of(texts, PASTURE)
    assert said in str(caught.value)
