"""From one value per image to a mean with its interval."""

from collections.abc import Hashable, Sequence

import numpy as np

from vitreous.types import Score

AT_ONCE = 1 << 20  # numbers drawn at a time


def summarise(
    values: Sequence[float] | np.ndarray,
    *,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Score:
    """Mean over the images where the metric is defined, with its 95 % percentile bootstrap interval.

    groups  what belongs together and is drawn together: the clip of each frame, the picture of each object. Frames of
            a clip are alike, and drawn one by one they would feign certainty

    All NaN where no image counts; the interval of a single value, or group, is its mean.
    """
    all_values = np.asarray(values, dtype=np.float64)
    defined = ~np.isnan(all_values)
    if not defined.any():
        return Score(all_values.tolist(), float("nan"), float("nan"), float("nan"))
    names = np.arange(len(all_values)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    group = np.unique(names[defined], return_inverse=True)[1]
    total, count = np.bincount(group, all_values[defined]), np.bincount(group)
    rng, means = np.random.default_rng(seed), []
    for start in range(0, draws, some := max(1, AT_ONCE // len(count))):
        drawn = rng.integers(0, len(count), (min(some, draws - start), len(count)))
        means.append(total[drawn].sum(1) / count[drawn].sum(1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Score(all_values.tolist(), float(all_values[defined].mean()), float(low), float(high))
