"""One scored run, as its folder tells: everything that comparing needs, without scoring again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vitreous.errors import RunError
from vitreous.runs import Recipe, read_recipe

FILES = {"pictures": "scores.csv", "objects": "objects.csv", "clips": "clips.csv", "slots": "slots.csv"}
TEXT = ("key", "view", "row", "size", "material", "shape", "colour", "materials", "scene", "frame_of_clip")


@dataclass(frozen=True)
class Scored:
    """A run and what was measured of it.

    name         short, unique among the runs compared: what differs; the folder's name for a run alone
    row          of the frames' `row`: the run's own masks; other rows learn nothing
    data         what was scored: store, source (name, path, fingerprint), grid, fit, pictures, digest of their list
    conventions  how: resolution, what is ignored, upsampling, version of the metrics
    pruned       distance below which slots were made one, or auto; None: none were
    pictures     a line per picture and row: key, frame, view, row, metrics, objects, materials, scene, frame_of_clip
    objects      a line per object and row: key, frame, view, row, id, best_iou, object_ari, share, size, touching,
                 and material, shape, colour, visible as far as the store's object table knows them
    clips        a line per clip and row: key, view, row, metrics; empty where there are stills only
    slots        a line per picture, of the run's own masks: key, frame, view, diagnostics
    """

    folder: Path
    name: str
    row: str
    recipe: Recipe
    data: dict[str, Any]
    conventions: dict[str, Any]
    pruned: float | str | None
    pictures: pd.DataFrame
    objects: pd.DataFrame
    clips: pd.DataFrame
    slots: pd.DataFrame

    @property
    def rows(self) -> list[str]:
        """All rows of its table, the run's own first."""
        return list(self.pictures["row"].unique())

    @property
    def seed(self) -> int:
        return int(self.recipe.training.get("seed", 0))


def read_scored(folder: Path | str, *, refined: bool = False) -> Scored:
    """Read a scored run; refused where it is not scored, or was scored before scores said what they are of.

    refined  compare the masks whose borders follow the edges of the picture, where they were scored
    """
    folder = Path(folder)
    recipe = read_recipe(folder)
    path = folder / "scores.json"
    if not path.is_file():
        raise RunError(f"{folder} is not scored yet: scores.json is missing.\nScore it:  vitreous score {folder} STORE")
    saved = json.loads(path.read_text())
    missing = [name for name in FILES.values() if not (folder / name).is_file()]
    if "conventions" not in saved or missing:
        store = saved.get("data", {}).get("store", "STORE")
        lacking = "conventions" if "conventions" not in saved else ", ".join(missing)
        raise RunError(
            f"{folder} was scored by an older version: it lacks {lacking}, so nobody can tell whether its scores may "
            f"be compared.\nScore it again:  vitreous score {folder} {store}"
        )
    frames = {name: read_csv(folder / file) for name, file in FILES.items()}
    row = next(iter(saved["rows"])) + (", refined" if refined else "")
    if row not in saved["rows"]:
        raise RunError(
            f'{folder} has no row "{row}": its masks were not refined when it was scored.\n'
            f"Score it again:  vitreous score {folder} {saved['data']['store']} --refine"
        )
    return Scored(folder, folder.name, row, recipe, saved["data"], saved["conventions"], saved.get("pruned"), **frames)


def read_csv(path: Path) -> pd.DataFrame:
    """A table that score.py wrote; text that looks like a number stays text, and only an empty cell is none."""
    header = pd.read_csv(path, nrows=0).columns
    return pd.read_csv(
        path, dtype={name: str for name in TEXT if name in header}, keep_default_na=False, na_values=[""]
    )


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Scored runs, each once: paths themselves, or, of a folder of runs or a sweep, all that are below."""
    found: list[Path] = []
    for path in paths:
        if (path / "recipe.yaml").is_file():
            found.append(path.resolve())
            continue
        below = [run for run in runs_below(path) if (run / "scores.json").is_file()]
        if not below:
            raise RunError(
                f"{path} is neither a run nor a folder with scored runs.\n"
                "Train one:  vitreous train STORE --out RUN   and score it:  vitreous score RUN STORE"
            )
        found += [run.resolve() for run in below]
    return list(dict.fromkeys(found))


def unscored(paths: Sequence[Path]) -> list[Path]:
    """Runs below folders that are left out, since nobody scored them yet."""
    below = [run for path in paths if not (path / "recipe.yaml").is_file() for run in runs_below(path)]
    return [run for run in below if not (run / "scores.json").is_file()]


def runs_below(path: Path) -> list[Path]:
    """In a folder of runs, or in that of a sweep."""
    return sorted(recipe.parent for pattern in ("*", "runs/*") for recipe in path.glob(f"{pattern}/recipe.yaml"))
