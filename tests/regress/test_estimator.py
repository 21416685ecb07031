import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

from vitreous.errors import DataError
from vitreous.regress.estimator import DenseRegressor
from vitreous.regress.pictures import Pictures

QUICK = {"width": 16, "folds": 2, "epochs": 15, "batch_size": 8, "lr": 0.03, "rho": 0.0}


def test_fit_predict_and_score_on_a_store(pasture):
    here = pasture()
    y = here.table.y[:, 3]
    model = DenseRegressor(**QUICK).fit(here.store, y, groups=here.table.columns["date"])
    assert model.predict(here.store).shape == (40,)
    assert model.score(here.store, y) > 0.9
    assert model.out_of_fold_.shape == (40,)
    assert 0.8 < model.out_of_fold_score_ < model.score(here.store, y)
    again = clone(model).fit(here.store, y, groups=here.table.columns["date"])
    assert np.array_equal(again.predict(here.store), model.predict(here.store))
    assert clone(model).get_params() == model.get_params()


def test_several_targets_keep_their_shape(pasture):
    here = pasture()
    y = pd.DataFrame(here.table.y, columns=list(here.table.targets))
    model = DenseRegressor(**QUICK).fit(here.store, y)
    assert model.predict(here.store).shape == (40, 4)
    assert model.ensemble_.targets == here.table.targets


def test_in_cross_val_score(pasture):
    here = pasture()
    y, groups = here.table.y[:, 3], here.table.columns["date"]
    pictures = Pictures.of_store(here.store)
    divided = list(GroupKFold(2).split(y, y, groups))
    scores = cross_val_score(DenseRegressor(**QUICK), pictures, y, cv=divided)
    assert scores.shape == (2,)
    assert scores.min() > 0.7


def test_features_in_memory_are_as_good_as_a_store(pasture):
    here = pasture()
    y = here.table.y[:, 0]
    held = here.store.batch(range(len(here.store))).numpy()
    one = DenseRegressor(**QUICK).fit(here.store, y)
    other = DenseRegressor(**QUICK).fit(held, y)
    assert np.allclose(one.predict(here.store), other.predict(held), atol=1e-4)


def test_what_is_wrong_is_named(pasture):
    here = pasture()
    y = here.table.y[:, 0].copy()
    model = DenseRegressor(**QUICK)
    with pytest.raises(NotFittedError):
        model.predict(here.store)
    with pytest.raises(DataError, match="40 pictures but 39 rows"):
        model.fit(here.store, y[:39])
    with pytest.raises(DataError, match=r"X has shape \(3, 4\)"):
        model.fit(np.zeros((3, 4)), np.zeros(3))
    y[7] = -1
    with pytest.raises(DataError, match=r"y\[7, 0\] is -1: below 0 only"):
        model.fit(here.store, y)
    y[7] = np.nan
    with pytest.raises(DataError, match=r"y\[7, 0\] is nan"):
        model.fit(here.store, y)
