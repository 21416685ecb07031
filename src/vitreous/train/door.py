"""What `vitreous.train(...)` does: settings of the method and of the training side by side, as on the command line."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from vitreous.errors import RunError, did_you_mean
from vitreous.features.store import FeatureStore
from vitreous.methods import method_class
from vitreous.runs import Run
from vitreous.train.fit import fit
from vitreous.train.module import Training

OF_FIT = ("standardise", "precision", "device", "validate", "devices", "num_nodes", "compile", "log", "progress")


def train(store: FeatureStore | Path | str, out: Path | str = "run", method: str = "dinosaur", **settings: Any) -> Run:
    """Train a slot model on a feature store; called again, an interrupted training goes on.

        vt.train("holiday.lance", "run", slots=7, steps=500, seed=1)

    Args:
        store: Feature store, or its path.
        out: Run folder; made if missing.
        method: Which paper: dinosaur, savi_dinosaur ...
        settings: Of the method (its Config), of the training (steps, batch_size, lr, seed ...), and of `fit`
            (standardise, validate, device ...); see `vitreous train --method NAME --help`.
    """
    own = {field.name for field in fields(method_class(method).Config)}
    how = {field.name for field in fields(Training)}
    for name in settings:
        if name not in own and name not in how and name not in OF_FIT:
            raise RunError(f'{method} has no setting "{name}".{did_you_mean(name, own | how | {*OF_FIT})}')
    config = {name: value for name, value in settings.items() if name in own}
    training = Training(**{name: value for name, value in settings.items() if name in how and name not in own})
    rest = {name: value for name, value in settings.items() if name in OF_FIT and name not in own | how}
    store = store if isinstance(store, FeatureStore) else FeatureStore(store)
    return fit(store, Path(out), method, config, training, **rest)
