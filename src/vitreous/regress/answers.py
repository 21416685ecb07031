"""A run's answers for new pictures: a number per target, and how much folds and views differ on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from vitreous.errors import FeatureMismatch
from vitreous.features.store import FeatureStore
from vitreous.regress.ensemble import mean_over, spreads
from vitreous.regress.pictures import Pictures
from vitreous.regress.run import RegressionRun


@dataclass(frozen=True)
class Answers:
    """Per picture and target, in units of the target.

    y           views first, then folds and seeds; made to add up as the run says
    over_folds  standard deviation of what the members say, each averaged over views; over_views: the other way round
    """

    pictures: list[str]
    targets: tuple[str, ...]
    y: Float[np.ndarray, "n t"]
    over_folds: Float[np.ndarray, "n t"]
    over_views: Float[np.ndarray, "n t"]

    def frame(self) -> pd.DataFrame:
        """A row per picture."""
        found: dict[str, object] = {"image_path": self.pictures}
        for at, name in enumerate(self.targets):
            found[name] = self.y[:, at]
            found[f"{name} spread over folds"] = self.over_folds[:, at]
            found[f"{name} spread over views"] = self.over_views[:, at]
        return pd.DataFrame(found)


def answer(
    run: RegressionRun, store: FeatureStore, keys: Sequence[str] | None = None, reconcile: str | None = None
) -> Answers:
    """Every picture of a store, or those named, in all its views. `reconcile` other than the run was trained with."""
    check_store(run, store)
    pictures = Pictures.of_store(store, keys)
    numbers = run.ensemble.predict(pictures)
    return Answers(pictures.keys, run.ensemble.targets, run.settled(mean_over(numbers), reconcile), *spreads(numbers))


def check_store(run: RegressionRun, store: FeatureStore) -> None:
    """Refuse features that the heads were not trained on, naming what differs."""
    want, have = run.recipe, store.meta
    made = [(name, want.backbone.get(name), have.backbone.get(name)) for name in ("digest", "layer", "facet")]
    differ = [f"{name}: {one}, not {other}" for name, one, other in made if one != other]
    if tuple(want.grid) != store.grid:
        differ.append(f"grid: {want.grid[0]}x{want.grid[1]}, not {store.grid[0]}x{store.grid[1]}")
    if want.fit != have.fit:
        differ.append(f"fit: {want.fit}, not {have.fit}")
    if differ:
        raise FeatureMismatch(
            f"{run.folder} was trained on other features than {store.path} holds:\n  " + "\n  ".join(differ) + "\n"
            "Let the command make its own:  vitreous regress predict RUN --table TABLE.csv --images DIR"
        )
