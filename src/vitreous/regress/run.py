"""The folder of a regression run: what was trained, on what, and how well. The only code that saves or loads its heads.

recipe.yaml         everything that decides the weights
model.safetensors   heads, units of the targets, statistics that features were standardised with, error covariance
log.csv             loss and rate per epoch, and now and then the score on held-out pictures
out_of_fold.csv     what was predicted for each picture by heads that had not seen it; by_view.csv: the same by view
scores.json         of these predictions, with intervals
checkpoint.safetensors   where training goes on when it was interrupted
features.lance      of the pictures, unless another store was named
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vitreous.errors import RunError
from vitreous.features.standardise import Standardiser
from vitreous.regress import heads_class
from vitreous.regress.constraints import Sums, reconciled
from vitreous.regress.ensemble import Ensemble
from vitreous.regress.scaling import Scaling

RECIPE, WEIGHTS, CHECKPOINT, LOG = "recipe.yaml", "model.safetensors", "checkpoint.safetensors", "log.csv"
OUT_OF_FOLD, BY_VIEW, SCORES = "out_of_fold.csv", "by_view.csv", "scores.json"
KIND = "dense regression"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights and what is made of their answers, in plain values.

    weights    of the targets in the score, summing to 1
    folds      how pictures were divided: number, groups, strata, seeds; and a digest of the result
    sums       what must add up, and how it is made to
    views      stored per picture, crops included, in this order
    fit        how pictures were brought to the grid: crop or squash
    table      name and fingerprint of the numbers; what its columns are called
    source     name and fingerprint of the pictures
    """

    targets: list[str]
    weights: list[float]
    head: str
    config: dict[str, Any]
    joint: bool
    members: list[str]
    training: dict[str, Any]
    folds: dict[str, Any]
    sums: list[str]
    reconcile: str
    views: list[str]
    grid: list[int]
    fit: str
    keep_side: int
    feature_dim: int
    backbone: dict[str, Any]
    standardise: str
    table: dict[str, Any]
    source: dict[str, str]
    kind: str = KIND
    vitreous: str = field(default="", compare=False)


@dataclass(frozen=True)
class RegressionRun:
    """Trained heads and what they need to be used. `RegressionRun.load(folder)` is all it takes.

    covariance  of the errors on held-out pictures, between targets
    """

    folder: Path
    recipe: Recipe
    ensemble: Ensemble
    covariance: Float[Tensor, "t t"]

    @staticmethod
    def load(folder: Path | str) -> "RegressionRun":
        """Read a run; strict: every weight must be there and fit."""
        folder = Path(folder)
        recipe = read_recipe(folder)
        if not (folder / WEIGHTS).is_file():
            unfinished = (folder / CHECKPOINT).is_file()
            hint = "Its training was interrupted: the same command goes on." if unfinished else "Train it again."
            raise RunError(f"No finished run in {folder}: {WEIGHTS} is missing. {hint}")
        tensors = load_file(folder / WEIGHTS)
        statistics = under(tensors, "standardise.")
        try:
            scaling = Scaling(recipe.training["scaling"], tensors["scaling.unit"])
            config = heads_class(recipe.head).Config.of(recipe.config)
            ensemble = Ensemble.make(
                recipe.head, config, recipe.feature_dim, recipe.members, recipe.targets, scaling,
                Standardiser.from_state(statistics), joint=recipe.joint,
            )  # fmt: skip
            ensemble.heads.load_state_dict(under(tensors, "heads."), strict=True)
            return RegressionRun(folder, recipe, ensemble, tensors["covariance"])
        except (RuntimeError, KeyError, TypeError) as error:
            raise RunError(f"The weights in {folder} do not fit its recipe: {error}") from None

    def save(self) -> None:
        """Recipe and weights; the weights last and in one move, so that a run is there or is not."""
        write_recipe(self.folder, self.recipe)
        state = {f"heads.{name}": value for name, value in self.ensemble.heads.state_dict().items()}
        state |= {f"standardise.{name}": value for name, value in self.ensemble.standardise.state().items()}
        state |= {"scaling.unit": self.ensemble.scaling.unit, "covariance": self.covariance}
        put(self.folder / WEIGHTS, state, {"vitreous": self.recipe.vitreous})

    @property
    def negative(self) -> bool:
        """Whether targets may be below 0."""
        return self.recipe.config.get("positive") == "none"

    def settled(self, y: Float[np.ndarray, "n t"], how: str | None = None) -> Float[np.ndarray, "n t"]:
        """Numbers that add up as the recipe says (or as asked), none below 0 unless such were learned."""
        sums = Sums.of(self.recipe.sums, self.recipe.targets) if self.recipe.sums else None
        found = reconciled(y, sums, how or self.recipe.reconcile, self.covariance.double().numpy())
        return found if self.negative else np.maximum(found, 0)


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def put(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str]) -> None:
    """A safetensors file, in whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, new, about)
    new.replace(path)


def write_text(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


def write_recipe(folder: Path, recipe: Recipe) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECIPE, yaml.safe_dump(json.loads(json.dumps(asdict(recipe))), sort_keys=False))


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a regression run; RunError for anything else."""
    path = folder / RECIPE
    if not path.is_file():
        raise RunError(
            f"{folder} is not a run: it has no {RECIPE}.\nTrain one:  vitreous regress fit --table TABLE.csv"
        )
    values = yaml.safe_load(path.read_text()) or {}
    if values.get("kind") != KIND:
        raise RunError(
            f"{folder} is not a run of dense regression: its recipe is of {values.get('method', 'no method')}."
        )
    names = {f.name for f in fields(Recipe)}
    if missing := names - set(values):
        raise RunError(f"{path} is not a recipe of this version: it lacks {', '.join(sorted(missing))}.")
    return Recipe(**{name: value for name, value in values.items() if name in names})


def claim(folder: Path, recipe: Recipe) -> None:
    """A folder belongs to one recipe. Another one there is refused with the difference named."""
    if (folder / RECIPE).is_file():
        there, here = (json.loads(json.dumps(asdict(r))) for r in (read_recipe(folder), recipe))
        differ = [f"{n}: {there[n]!r} against {here[n]!r}" for n in there if n != "vitreous" and there[n] != here[n]]
        if differ:
            raise RunError(
                f"{folder} holds a run of another recipe:\n  " + "\n  ".join(differ) + "\nChoose another --out."
            )
    write_recipe(folder, recipe)


def write_log(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """log.csv, whole each time: a resumed training has the same one."""
    columns = ["epoch", "loss", "lr", "held_out_r2"]
    write_text(folder / LOG, pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.8g"))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, and the plain values that were kept beside them."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["state"])
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 - not a dict


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    put(path, tensors, {"state": json.dumps(about)})


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers: "3.exp_avg" belongs to its fourth parameter."""
    found = {}
    for at, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                found[f"{at}.{name}"] = torch.as_tensor(value)
    return found


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        at, _, what = name.partition(".")
        state.setdefault(int(at), {})[what] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
