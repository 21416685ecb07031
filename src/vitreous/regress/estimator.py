"""Dense regression as scikit-learn knows it: fit, predict, score, clone, cross_val_score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from vitreous.errors import DataError, RunError
from vitreous.features.store import FeatureStore
from vitreous.metrics.regression import weighted_r2
from vitreous.regress.crosspvt import CrossPVTConfig
from vitreous.regress.ensemble import Ensemble, mean_over
from vitreous.regress.fit import Head, ensemble_for, whole
from vitreous.regress.folds import check_variance, divide
from vitreous.regress.heads import HeadConfig
from vitreous.regress.learn import Learning, Training, held_out_by
from vitreous.regress.pictures import Pictures


class DenseRegressor(RegressorMixin, BaseEstimator):
    """An ensemble of heads on frozen patch features; predictions are the mean over folds and views.

        DenseRegressor().fit(store, y, groups=plates).predict(store_of_new_pictures)
        cross_val_score(DenseRegressor(), Pictures.of_store(store), y)

    X is a feature store (a row per picture), some of its pictures (`Pictures`), or features [n h w d] in memory.
    Settings are those of `vitreous regress fit`; those of head="crosspvt", its sizes included, go into `settings`, as
    ("token_dim=96", "faithful=true"), and its X needs tiles as views (`tile_views`). After fit:

    ensemble_         the heads
    out_of_fold_      what was predicted for each picture by heads that had not seen it
    out_of_fold_score_  their R² (of all targets together)
    """

    ensemble_: Ensemble

    def __init__(
        self,
        head: str = "patch",
        *,
        width: int = 128,
        depth: int = 1,
        dropout: float = 0.0,
        positive: str = "relu",
        joint: bool = False,
        folds: int = 5,
        seeds: int = 1,
        epochs: int = 40,
        batch_size: int = 16,
        lr: float = 2e-3,
        weight_decay: float = 1e-2,
        rho: float = 0.05,
        adaptive: bool = False,
        loss: str = "mse",
        scaling: str = "mean",
        patience: int = 0,
        standardise: str = "dataset",
        settings: Sequence[str] = (),
        sums: Sequence[str] = (),
        random_state: int = 0,
    ) -> None:
        self.head, self.width, self.depth, self.dropout, self.positive = head, width, depth, dropout, positive
        self.joint, self.folds, self.seeds, self.epochs, self.batch_size = joint, folds, seeds, epochs, batch_size
        self.lr, self.weight_decay, self.rho, self.adaptive = lr, weight_decay, rho, adaptive
        self.loss, self.scaling, self.patience, self.standardise = loss, scaling, patience, standardise
        self.settings, self.sums, self.random_state = settings, sums, random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> "DenseRegressor":
        """Train; `groups` tell which pictures belong together and are never on both sides of a fold."""
        pictures, targets = as_pictures(X), getattr(y, "columns", None)
        values = np.asarray(y, dtype=float)
        self.one_target_ = values.ndim == 1
        values = values.reshape(len(values), -1)
        self.check(pictures, values)
        names = [str(n) for n in (range(values.shape[1]) if targets is None else targets)]
        together = None if groups is None else [str(group) for group in groups]
        found = [
            divide(len(values), self.folds, groups=together, seed=self.random_state + i) for i in range(self.seeds)
        ]
        for fold in found:
            check_variance(values, fold, names)
        members, trains = held_out_by(found)
        head, training = whole(Head(self.head, self.config(), self.joint), self.training(), names, self.sums)
        self.ensemble_ = ensemble_for(
            pictures, values, names, members, trains, head, training.scaling, self.standardise
        )
        Learning(self.ensemble_, pictures, values, trains, training).run()
        held_out = mean_over(self.ensemble_.predict(pictures, ~trains))
        self.out_of_fold_ = held_out[:, 0] if self.one_target_ else held_out
        self.out_of_fold_score_ = weighted_r2(values, held_out, np.ones(values.shape[1]))
        self.n_features_in_ = pictures.dim
        return self

    def config(self) -> HeadConfig:
        if self.head == "crosspvt":
            return CrossPVTConfig.told(self.settings)
        if self.settings or self.sums:
            raise RunError(f'settings and sums are those of head="crosspvt"; a {self.head} head takes neither.')
        return HeadConfig(self.width, self.depth, self.dropout, positive=self.positive)  # pyright: ignore

    def training(self) -> Training:
        same = ("epochs", "batch_size", "lr", "weight_decay", "rho", "adaptive", "loss", "scaling", "patience")
        return Training(seed=self.random_state, **{name: getattr(self, name) for name in same})

    def check(self, pictures: Pictures, values: Float[np.ndarray, "n t"]) -> None:
        if len(pictures) != len(values):
            raise DataError(f"There are {len(pictures)} pictures but {len(values)} rows of numbers.")
        if not np.isfinite(values).all():
            row, column = (int(at[0]) for at in np.nonzero(~np.isfinite(values)))
            raise DataError(f"y[{row}, {column}] is {values[row, column]}: every picture needs a number.")
        if self.positive != "none" and (values < 0).any():
            row, column = (int(at[0]) for at in np.nonzero(values < 0))
            raise DataError(f'y[{row}, {column}] is {values[row, column]:g}: below 0 only with positive="none".')

    def predict(self, X: Any) -> Float[np.ndarray, "n *t"]:
        """In the shape of the y that was learned from."""
        check_is_fitted(self, "ensemble_")
        found = mean_over(self.ensemble_.predict(as_pictures(X)))
        return found[:, 0] if self.one_target_ else found


def as_pictures(X: Any) -> Pictures:
    if isinstance(X, Pictures):
        return X
    if isinstance(X, FeatureStore):
        return Pictures.of_store(X)
    features = np.asarray(X)
    if features.ndim != 4:
        raise DataError(
            f"X has shape {features.shape}: expected a feature store, some of its Pictures, or features [n h w d]."
        )
    return Pictures.of_array(features)
