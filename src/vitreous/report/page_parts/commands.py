"""The commands that made what a page shows, in full, so that anybody can make it again."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitreous.report.scored import Scored


def train_commands(scored: Scored) -> list[str]:
    """Every setting spelled out. A recipe knows its data by name and fingerprint, so the store's path is left open, and
    where a run came from another grid, that of the run it was.
    """
    recipe, folder = scored.recipe, str(scored.folder)
    there = recipe.source.get("grid")
    said = {"out": f"RUN_{there}" if there else folder, "method": recipe.method, "standardise": recipe.standardise}
    store = f"STORE_OF_{recipe.source.get('name', '')}{f'_{there}' if there else ''}"
    grid = "x".join(map(str, recipe.grid))
    moved = [command("regrid", f"RUN_{there}", grid, options={"out": folder})] if there else []
    return [command("train", store, options=said | recipe.config | recipe.training), *moved]


def score_command(scored: Scored) -> str:
    rows = scored.rows
    options = {
        "refine": any(row.endswith(", refined") for row in rows),
        "baselines": "ceiling of the grid" in rows,
        "prune": scored.pruned,
        "apart": scored.conventions.get("apart"),
    }
    return command("score", str(scored.folder), str(scored.data["store"]), options=options)


def command(name: str, *words: str, options: Mapping[str, Any]) -> str:
    """vitreous NAME WORDS --options; what is None or empty is left out, as its default is."""
    line = ["vitreous", name, *words]
    for option, value in options.items():
        if value is not None and value != "":
            line += [f"--{option.replace('_', '-')}", str(value).lower() if isinstance(value, bool) else str(value)]
    return shlex.join(line)


def scored_at(scored: Scored) -> float:
    """When, in seconds since 1970: the date of scores.json."""
    return Path(scored.folder, "scores.json").stat().st_mtime
