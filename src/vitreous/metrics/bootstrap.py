"""From one value per image to a mean with its interval."""

from collections.abc import Sequence

import numpy as np

from vitreous.types import Score


def summarise(values: Sequence[float] | np.ndarray, *, draws: int = 2000, seed: int = 0) -> Score:
    """Mean over the images where the metric is defined, with its 95 % percentile bootstrap interval.

    All NaN where no image counts; the interval of a single value is that value.
    """
    all_values = np.asarray(values, dtype=np.float64)
    defined = all_values[~np.isnan(all_values)]
    if not len(defined):
        return Score(all_values.tolist(), float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means = [defined[rng.integers(0, len(defined), len(defined))].mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Score(all_values.tolist(), float(defined.mean()), float(low), float(high))
