import numpy as np
import pandas as pd
import pytest

from vitreous.metrics.regression import weighted_r2
from vitreous.regress.folds import divide
from vitreous.regress.leakage import look_up, look_ups, warning

ONE = np.ones(1)


def visits(count=30, each=8, spread=0.2, seed=0):
    """Numbers that the date explains but for a little."""
    rng = np.random.default_rng(seed)
    date = np.repeat(np.arange(count), each)
    y = np.exp(rng.normal(size=count)[date] + spread * rng.normal(size=count * each))
    noise = rng.integers(0, 6, len(date))
    table = pd.DataFrame({"date": [f"2015/{d}/1" for d in date], "observer": noise, "row": np.arange(len(date))})
    return y[:, None], table


def test_a_look_up_by_hand():
    y = np.array([[1.0], [3.0], [10.0], [20.0], [6.0]])
    found = look_up(y, ["a", "a", "b", "b", "c"], np.array([0, 1, 0, 1, 0]))
    # fold 0 learns from 3 and 20, fold 1 from 1, 10 and 6; c is unknown there: the mean of 3 and 20
    assert found[:, 0].tolist() == [3.0, 1.0, 20.0, 10.0, 11.5]


def test_planted_leakage_is_caught_and_grouping_mends_it():
    y, table = visits()
    random = divide(len(y), 5, seed=0)
    found = look_ups(y, table, random, ONE)
    assert found[0].columns == ("date",)
    assert found[0].score > 0.8
    said = warning(found, score=0.9)
    assert said is not None
    assert "the mean of the same date in the other folds scores 0.89" in said
    assert "--groups date" in said
    assert "of what the heads explain beyond the mean (0.900)" in said
    grouped = divide(len(y), 5, groups=table["date"].tolist(), seed=0)
    assert warning(look_ups(y, table, grouped, ONE)) is None


def test_a_column_that_tells_nothing_is_no_leak():
    y, table = visits(spread=0.2)
    alone = table[["observer", "row"]]  # row differs everywhere: no kind at all
    found = look_ups(y, alone, divide(len(y), 5), ONE)
    assert [one.columns for one in found] == [("observer",)]
    assert warning(found) is None


def test_two_columns_together_may_leak_where_neither_does():
    rng = np.random.default_rng(0)
    state, plot = rng.integers(0, 4, 400), rng.integers(0, 4, 400)
    y = (1.0 + (state + plot) % 4 + 0.1 * rng.normal(size=400))[:, None]
    found = look_ups(y, pd.DataFrame({"state": state, "plot": plot}), divide(400, 5), ONE)
    assert found[0].columns == ("state", "plot")
    assert found[0].score > 0.9
    assert found[1].score < 0.1
    assert "--groups state,plot" in str(warning(found))


def test_the_floor_is_the_mean_of_each_target():
    y, table = visits()
    both = np.hstack([y, 50 + y])
    weights = np.array([0.3, 0.7])
    fold = divide(len(y), 5)
    floor = look_ups(both, table, fold, weights)[0].floor
    means = np.broadcast_to(both.mean(0), both.shape)
    assert floor == pytest.approx(weighted_r2(both, means, weights), abs=0.01)
    assert floor > 0.9  # two targets of different size: means alone score high
