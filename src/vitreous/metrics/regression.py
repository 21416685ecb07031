"""How near predicted numbers are to true ones: R² of one target, and the globally weighted R² of several."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Shaped

from vitreous.types import Score

DRAWS = 1000  # of the bootstrap


def r2(true: Float[np.ndarray, " n"], pred: Float[np.ndarray, " n"]) -> float:
    """1 - squared errors over squared distances from the mean: 1 perfect, 0 as good as the mean, not bounded below.

    NaN where all true values are the same: there is nothing to explain.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    0.5
    """
    return weighted_r2(true[:, None], pred[:, None], np.ones(1))


def weighted_r2(
    true: Float[np.ndarray, "n t"], pred: Float[np.ndarray, "n t"], weights: Float[np.ndarray, " t"]
) -> float:
    """R² over all pictures and targets together, with one weighted mean of everything (the CSIRO competition's).

    Not the weighted mean of each target's own R²: a target that is large as a whole counts for more, and predicting
    each target's mean already scores above 0. NaN where nothing varies.

    >>> weighted_r2(np.array([[1.0, 5.0], [2.0, 8.0]]), np.array([[1.0, 5.0], [2.0, 7.0]]), np.array([0.5, 0.5]))
    0.9666666666666667
    """
    share = np.broadcast_to(weights / weights.sum(), true.shape)
    total = (share * (true - (share * true).sum() / len(true)) ** 2).sum()
    if total <= 1e-12 * max(1e-300, float((share * true**2).sum())):  # rounding of a constant
        return float("nan")
    return float(1 - (share * (true - pred) ** 2).sum() / total)


def mean_absolute_error(true: Float[np.ndarray, " n"], pred: Float[np.ndarray, " n"]) -> float:
    """In units of the target."""
    return float(np.abs(true - pred).mean())


def interval(
    metric: Callable[[Float[np.ndarray, "n t"], Float[np.ndarray, "n t"]], float],
    true: Float[np.ndarray, "n t"],
    pred: Float[np.ndarray, "n t"],
    groups: Shaped[np.ndarray, " n"] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Score:
    """A metric of all pictures together and its 95 % percentile bootstrap interval; `values` are those of the draws.

    groups  what belongs together and is drawn together: pictures of one visit are alike, and drawn one by one they
            would feign certainty
    """
    names = np.arange(len(true)) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.argsort(names, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(names))[:-1])
    random, found = np.random.default_rng(seed), []
    for _ in range(draws):
        rows = np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        found.append(metric(true[rows], pred[rows]))
    defined = [value for value in found if not np.isnan(value)]
    low, high = np.percentile(defined, [2.5, 97.5]) if defined else (np.nan, np.nan)
    return Score(found, metric(true, pred), float(low), float(high))
