"""The run folder: what was trained, on what, and how well. The only code that saves or loads a model.

recipe.yaml         what was asked for: method, settings, features, seed
model.safetensors   weights of the method, and the statistics its features were standardised with
last.safetensors    the same after the last step, where model.safetensors holds the best on held-out clips
log.csv             loss per logged step; held_out.csv on held-out clips
checkpoint.safetensors   where training goes on when it was interrupted
scores.json         written by `vitreous score`
training_history.png result.png
teacher/            the run that taught this one, where its method has a teacher (SPOT)
"""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vitreous.errors import RunError, did_you_mean
from vitreous.methods import method_class
from vitreous.methods.base import Method
from vitreous.notebook import as_picture, as_table
from vitreous.shipped import find_run, hint

WEIGHTS = "model.safetensors"
TEACHER = "teacher"
STANDARDISE = "standardise."  # prefix of the statistics among the tensors


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, in plain values.

    fit       how pictures were brought to the grid: crop or squash
    backbone  as described by the store: name, digest, patch, width, layer, facet ...
    source    fingerprint and name of the data that was trained on: scoring on it is refused; grid, where it was trained
              on another one
    """

    method: str
    config: dict[str, Any]
    grid: tuple[int, int]
    fit: str
    feature_dim: int
    backbone: dict[str, Any]
    standardise: str
    source: dict[str, str]
    training: dict[str, Any] = field(default_factory=dict)
    vitreous: str = ""


@dataclass(frozen=True, repr=False)
class Run:
    """A trained method and what it needs to be used. `Run.load(folder)` is all it takes."""

    folder: Path
    recipe: Recipe
    method: Method
    statistics: dict[str, Tensor]

    @staticmethod
    def load(folder: Path | str, weights: str = WEIGHTS) -> "Run":
        """Read a run, by its folder or the name of a shipped one; strict: every weight must be there and fit.

        weights  may name last.safetensors instead
        """
        folder = find_run(folder)
        if not (folder / weights).is_file():
            unfinished = (folder / "recipe.yaml").is_file()  # the first that is written
            advice = (
                "Its training was interrupted: the same `vitreous train` goes on."
                if unfinished
                else ("Train one:  vitreous train STORE --out RUN" + hint(folder))
            )
            raise RunError(f"No finished run in {folder}: {weights} is missing.\n{advice}")
        recipe = read_recipe(folder)
        try:
            tensors = load_file(folder / weights)
        except (SafetensorError, OSError) as error:
            raise RunError(f"{folder / weights} cannot be read: {error}. Copy or train it again.") from None
        statistics = {n.removeprefix(STANDARDISE): t for n, t in tensors.items() if n.startswith(STANDARDISE)}
        method = build(recipe)
        try:
            method.load_state_dict({n: t for n, t in tensors.items() if not n.startswith(STANDARDISE)}, strict=True)
        except RuntimeError as error:
            raise RunError(f"The weights in {folder} do not fit its recipe: {error}") from None
        return Run(folder, recipe, method.eval(), statistics)

    def __repr__(self) -> str:
        grid = " x ".join(map(str, self.recipe.grid))
        return f"Run({str(self.folder)!r}: {self.recipe.method} on {self.recipe.backbone['name']}, grid {grid})"

    def _repr_html_(self) -> str:
        """In a notebook: what it is, how it was trained, and what it finds."""
        recipe = self.recipe
        rows = [
            ("run", self.folder),
            ("method", recipe.method),
            ("settings", ", ".join(f"{name} {value}" for name, value in recipe.config.items())),
            ("features", f"{recipe.backbone['name']}, grid {recipe.grid[0]} x {recipe.grid[1]}, {recipe.standardise}"),
            ("trained on", recipe.source.get("name") or "nothing"),
            ("training", ", ".join(f"{name} {value}" for name, value in recipe.training.items())),
        ]
        return as_table(rows) + as_picture(self.folder / "result.png")

    def on_grid(self, grid: tuple[int, int], folder: Path | str) -> "Run":
        """The same weights on another grid, as a run of its own; `save` writes it to the folder.

        Most methods have no weight that belongs to a place, so a run that learned quickly on few patches finds finer
        masks on many.

        Raises:
            RunError: weights or statistics belong to places of the old grid; a grid that is none.
        """
        if min(grid) < 1 or grid[0] * grid[1] < self.method.config.slots:
            raise RunError(f"{grid[0]} x {grid[1]} patches are too few for {self.method.config.slots} slots.")
        source = {"grid": "x".join(map(str, self.recipe.grid))} | self.recipe.source
        recipe = replace(self.recipe, grid=grid, source=source)
        method, weights = build(recipe), self.method.state_dict()
        bound = [n for n, t in method.state_dict().items() if t.shape != weights[n].shape]
        bound += ["its statistics"] * (self.recipe.standardise == "position")
        if bound:
            h, w = self.recipe.grid
            raise RunError(
                f"{self.folder} belongs to its {h} x {w} patches: {', '.join(bound)}.\n"
                "Train on features of the other grid, or with what belongs to no place: --standardise dataset, and a "
                "decoder that has no positions (of dinosaur and dias: mixture, autoregressive)."
            )
        method.load_state_dict(weights)
        return Run(Path(folder), recipe, method.eval(), self.statistics)

    def save(self, weights: str = WEIGHTS) -> None:
        """Write recipe and weights; the weights last and in one move, so that a run is there or is not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_recipe(self.folder, self.recipe)
        tensors = {n: t.detach().cpu().contiguous() for n, t in self.method.state_dict().items()}
        tensors |= {STANDARDISE + n: t.contiguous() for n, t in self.statistics.items()}
        new = self.folder / f"{weights}.new"
        save_file(tensors, new, {"vitreous": self.recipe.vitreous})
        new.replace(self.folder / weights)


def build(recipe: Recipe) -> Method:
    """The untrained method of a recipe; its random start follows torch's global seed."""
    kind = method_class(recipe.method)
    return kind(settings(recipe.method, recipe.config), recipe.feature_dim, recipe.grid)


def settings(method: str, values: dict[str, Any]) -> Any:
    """The method's settings from plain values; an unknown name is refused with a hint."""
    kind = method_class(method).Config
    known = {f.name for f in fields(kind)}
    for name in values:
        if name not in known:
            raise RunError(f'{method} has no setting "{name}".{did_you_mean(name, known)}')
    made = kind(**values)
    for name in ("slots", "slot_dim", "iterations"):
        if getattr(made, name, 1) < 1:
            raise RunError(f"{name} must be at least 1, not {getattr(made, name)}.")
    return made


def write_recipe(folder: Path, recipe: Recipe) -> None:
    values = asdict(recipe) | {"grid": list(recipe.grid)}
    new = folder / "recipe.yaml.new"  # in one move: a kill leaves the old one or the new one
    new.write_text(yaml.safe_dump(values, sort_keys=False))
    new.replace(folder / "recipe.yaml")


def read_recipe(folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise RunError(f"{folder} is not a run: it has no recipe.yaml.{hint(folder)}")
    try:
        read = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise RunError(f"{path} cannot be read: {' '.join(str(error).split())}.") from None
    values: dict[str, Any] = read if isinstance(read, dict) else {}
    missing = {f.name for f in fields(Recipe)} - set(values)
    if missing:
        raise RunError(f"{path} is not a recipe of this version: it lacks {', '.join(sorted(missing))}.")
    values["grid"] = tuple(values["grid"])
    return Recipe(**values)


def differences(one: Recipe, other: Recipe) -> list[str]:
    """What two recipes disagree on, in words."""
    a, b = asdict(one), asdict(other)
    return [f"{name}: {a[name]!r} against {b[name]!r}" for name in a if name != "vitreous" and a[name] != b[name]]


def generator_seed(seed: int, step: int) -> int:
    """One seed per step, so that a resumed run draws what an uninterrupted one would have drawn."""
    return int(torch.iinfo(torch.int32).max) & (seed * 1_000_003 + step * 7_919 + 17)
