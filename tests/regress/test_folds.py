import numpy as np
import pandas as pd
import pytest

from vitreous.errors import DataError
from vitreous.regress.folds import as_given, check_variance, divide, joined, strata_of


def test_every_picture_is_held_out_once_in_parts_of_about_equal_size():
    fold = divide(103, 5, seed=3)
    assert sorted(np.bincount(fold)) == [20, 20, 21, 21, 21]
    assert np.array_equal(fold, divide(103, 5, seed=3))
    assert not np.array_equal(fold, divide(103, 5, seed=4))


@pytest.mark.parametrize("strata", [None, ["a" if i % 3 else "b" for i in range(120)]])
def test_a_group_is_never_divided(strata):
    groups = [f"visit {i % 17}" for i in range(120)]
    fold = divide(120, 5, groups=groups, strata=strata)
    assert len({(g, f) for g, f in zip(groups, fold, strict=True)}) == 17
    assert np.bincount(fold, minlength=5).min() > 0


def test_strata_are_spread_evenly():
    strata = ["rare"] * 10 + ["usual"] * 90
    fold = divide(100, 5, strata=strata)
    assert np.bincount(fold[:10], minlength=5).tolist() == [2] * 5


def test_one_huge_group_leaves_no_fold_empty():
    groups = ["huge"] * 80 + ["b"] * 3 + ["c"] * 3 + ["d"] + ["e"]
    for seed in range(5):
        fold = divide(88, 5, groups=groups, seed=seed)
        assert np.bincount(fold, minlength=5).min() > 0
        assert len({(g, f) for g, f in zip(groups, fold, strict=True)}) == 5


def test_leave_one_group_out_is_as_many_folds_as_groups():
    groups = ["Tas"] * 4 + ["Vic"] * 3 + ["WA"] * 2
    fold = divide(9, 3, groups=groups)
    assert [len(set(fold[a:b])) for a, b in ((0, 4), (4, 7), (7, 9))] == [1, 1, 1]
    assert len(set(fold)) == 3


@pytest.mark.parametrize(
    ("count", "folds", "groups", "said"),
    [
        (3, 5, None, "There are 3 pictures for 5 folds"),
        (9, 1, None, "at least 2"),
        (9, 3, ["one"] * 9, 'All 9 pictures are in one group ("one")'),
        (9, 3, ["a"] * 5 + ["b"] * 4, "There are 2 groups (a, b) for 3 folds"),
    ],
)
def test_folds_that_cannot_be_are_named(count, folds, groups, said):
    with pytest.raises(DataError) as caught:
        divide(count, folds, groups=groups)
    assert said in str(caught.value)


def test_folds_by_a_column():
    assert as_given(["x", "y", "x", "z"], "fold").tolist() == [0, 1, 0, 2]
    with pytest.raises(DataError, match="names one fold only"):
        as_given(["1", "1"], "fold")


def test_columns_make_one_name_and_many_numbers_make_bins():
    table = pd.DataFrame({"State": ["WA", "Vic"], "Date": ["2015/9/4", "2015/10/1"]})
    assert joined(table) == ["WA / 2015/9/4", "Vic / 2015/10/1"]
    numbers = pd.DataFrame({"clover": [0.0] * 20 + list(range(1, 81))})
    names = strata_of(numbers)
    assert pd.Series(names).value_counts().to_dict() == {"0": 20} | {f"bin {i}": 16 for i in range(5)}
    assert names[20:36] == ["bin 0"] * 16
    assert strata_of(pd.DataFrame({"few": [1, 2, 1]})) == ["1", "2", "1"]


def test_a_fold_without_variance_is_named():
    y = np.array([[0.0, 1], [0, 2], [5, 3], [7, 4]])
    with pytest.raises(DataError) as caught:
        check_variance(y, np.array([0, 0, 1, 1]), ["dead", "green"])
    assert "In fold 1 every picture to learn dead from has dead = 0" in str(caught.value)
    notes = check_variance(np.array([[0.0], [0], [5], [7], [0], [1]]), np.array([0, 0, 1, 1, 1, 2]), ["dead"])
    assert notes == ["in fold 0 all 2 held-out pictures have dead = 0: no R² of its own"]
