"""What runs were asked for, and what sets them apart."""

from collections.abc import Sequence
from typing import Any

from vitreous.runs import Recipe

FIRST = (
    "method",
    "backbone",
    "grid",
    "slots",
    "mask_temperature",
    "temperature",
    "standardise",
    "batch_size",
)  # of a label
SPEAK = ("method", "backbone", "grid", "trained on")  # their values say what they are
LABEL = 4  # settings in a label that somebody can read


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """All settings of a recipe by name, but the seed; those of the training after those of the method."""
    backbone = recipe.backbone
    about = {
        "method": recipe.method,
        "backbone": backbone["name"],
        "layer": backbone.get("layer"),
        "facet": backbone.get("facet"),
        "weights": str(backbone.get("digest"))[:8],
        "grid": "x".join(map(str, recipe.grid)),
        "trained grid": recipe.source.get("grid", "x".join(map(str, recipe.grid))),
        "fit": recipe.fit,
        "standardise": recipe.standardise,
        "trained on": recipe.source["name"],
        "training data": recipe.source["fingerprint"][:8],
        "vitreous": recipe.vitreous,
    }
    training = {name: value for name, value in recipe.training.items() if name != "seed"}
    twice = set(training) & (set(recipe.config) | set(about))
    training = {f"training {name}" if name in twice else name: value for name, value in training.items()}
    return about | recipe.config | training


def differing(found: Sequence[dict[str, Any]]) -> list[str]:
    """Settings that have more than one value, those of labels first; what some methods do not have does not count."""
    names = sorted({name for one in found for name in one}, key=lambda name: rank(name, found))
    return [name for name in names if len({repr(one[name]) for one in found if name in one}) > 1]


def rank(name: str, found: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Those of labels, then in the order that recipes have."""
    here = next(one for one in found if name in one)
    return (FIRST.index(name) if name in FIRST else len(FIRST), list(here).index(name))


def telling(found: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """Of settings that differ, the first ones that tell all apart: others only follow from them."""
    kept: list[str] = []
    parts = len({tuple(repr(one.get(name)) for name in names) for one in found})
    for name in names:
        together = len({tuple(repr(one.get(n)) for n in kept) for one in found})
        if together == parts:
            break
        if len({tuple(repr(one.get(n)) for n in [*kept, name]) for one in found}) > together:
            kept.append(name)
    return kept


def label(settings: dict[str, Any], names: Sequence[str]) -> str:
    """In a few words: savi_dinosaur, slots 7, mask temperature 0.5."""
    said = [words(name, settings[name]) for name in names if name in settings]
    more = f" and {len(said) - LABEL} more" if len(said) > LABEL else ""
    return ", ".join(said[:LABEL]) + more


def words(name: str, value: Any) -> str:
    """A setting that is None was left to the method."""
    shown = "as usual" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return shown if name in SPEAK else f"{name.replace('_', ' ')} {shown}"


def order(settings: dict[str, Any], names: Sequence[str]) -> list[tuple[int, float, str]]:
    """To sort by: numbers by size, before words; what is not set first."""
    found = []
    for value in (settings.get(name) for name in names):
        if value is None:
            found.append((0, 0.0, ""))
        elif isinstance(value, (int, float)):
            found.append((1, float(value), ""))
        else:
            found.append((2, 0.0, str(value)))
    return found
