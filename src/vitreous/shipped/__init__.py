"""Runs that the package carries, so that a fresh machine can segment at once, offline: recipe and weights alone.

still  for pictures          clip  for videos

Wherever a run is wanted, its name will do; a folder of that name on disk comes first. Both see through `glass_tiny`,
which knows rendered tabletop scenes. Made by `python recipes/shipped.py still RUN`, which also says how good they are.
"""

from pathlib import Path

from vitreous.errors import did_you_mean
from vitreous.hub import is_cached, is_hub, pulled

STILL, CLIP = "still", "clip"
HERE = Path(__file__).parent


def names() -> list[str]:
    """Of all that are here."""
    return sorted(recipe.parent.name for recipe in HERE.glob("*/recipe.yaml"))


def find_run(folder: Path | str) -> Path:
    """The folder of a run: the one that is meant, or that of a shipped run where there is no folder of this name.

    hf://owner/name is fetched from the hub, unless it is here.
    """
    if is_hub(folder):
        return pulled(str(folder))
    folder = Path(folder).expanduser()
    shipped = HERE / folder.name
    return shipped if not folder.exists() and is_name(folder) and folder.name in names() else folder


def is_name(folder: Path) -> bool:
    """A word, not a path: nobody looks for a shipped run under runs/still."""
    return folder.parts == (folder.name,)


def is_shipped(folder: Path) -> bool:
    """Whether nothing is to be written to a run: it lies in the package, or in the cache of the hub."""
    return folder.resolve().parent == HERE.resolve() or is_cached(folder)


def hint(folder: Path) -> str:
    """For the error about a run that is not there: which names there are."""
    return f"\nRuns that come with the package: {', '.join(names())}.{near(folder.name)}" if is_name(folder) else ""


def near(name: str) -> str:
    guess = did_you_mean(name, names())
    return guess if "Did you mean" in guess else ""
