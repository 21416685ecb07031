"""What a viewer has to offer: runs to choose from, a store, and pictures for those who bring none."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.errors import VitreousError
from vitreous.features.store import FeatureStore
from vitreous.regress.run import KIND
from vitreous.report.contact import spread
from vitreous.shipped import HERE, find_run, is_shipped, names
from vitreous.view import seen
from vitreous.view.seen import Pictures

MOST = 60  # examples in the list


@dataclass(frozen=True)
class Offer:
    """What can be chosen. A page names things; only what stands here is ever opened by a name.

    runs      name -> folder; the first is the one that is asked for
    store     where objects are found again; None: nowhere
    examples  name -> how to read it
    notes     what is not there, and why
    """

    runs: Mapping[str, Path]
    store: FeatureStore | None
    examples: Mapping[str, Callable[[], Pictures]]
    notes: tuple[str, ...] = ()


def offer(what: Path | None = None, store: Path | None = None) -> Offer:
    """`what`: a run, a folder of runs, a store, or nothing: what the package carries.

    Beside a run stand those in the same folder. Without `store`, objects are found again in the one that the run was
    scored on, if that is still there.
    """
    if what is not None and what.suffix == ".lance":
        what, store = None, store or what
    runs = beside(what) if what is not None else {}
    carried = {f"{name} (comes with vitreous)": HERE / name for name in reversed(names())}  # still before clip
    carried = {name: run for name, run in carried.items() if run not in runs.values()}
    opened, notes = None, []
    if store is not None:
        opened = FeatureStore(store)
    elif runs:
        opened, notes = scored_on(next(iter(runs.values())))
    return Offer(runs | carried, opened, of_store(opened) if opened else carried_examples(), tuple(notes))


def beside(what: Path) -> dict[str, Path]:
    """A run first, then those beside it; or all runs of a folder."""
    found = find_run(what)
    if (found / "recipe.yaml").is_file():
        folder, first = found.resolve().parent, [found.resolve()]
    else:
        folder, first = found, []
    if is_shipped(found):  # what lies beside it is another's
        return {what.name: found}
    others = sorted(path.parent for path in folder.glob("*/recipe.yaml")) if folder.is_dir() else []
    every = [*first, *(path for path in others if path.resolve() not in first)]
    if not every:
        raise VitreousError(
            f"{what} is no run, no folder of runs and no store (STORE.lance): there is nothing to look with.\n"
            "Use what comes with the package:  vitreous view"
        )
    return {path.name: path for path in every}


def scored_on(run: Path) -> tuple[FeatureStore | None, list[str]]:
    """The store of a run's scores, and why there is none."""
    scores = run / "scores.json"
    if not scores.is_file():
        return None, []
    path = json.loads(scores.read_text()).get("data", {}).get("store")
    try:
        return (FeatureStore(path), []) if path else (None, [])
    except VitreousError as error:
        return None, [f"The store that {run.name} was scored on cannot be opened: {str(error).splitlines()[0]}"]


def is_regression(run: Path) -> bool:
    return yaml.safe_load((run / "recipe.yaml").read_text()).get("kind") == KIND


def of_store(store: FeatureStore) -> dict[str, Callable[[], Pictures]]:
    """Pictures spread over a store."""
    keys = [store.keys[at] for at in spread(len(store.keys), MOST)]
    return {key: lambda key=key: seen.of_store(store, key) for key in keys}


def carried_examples() -> dict[str, Callable[[], Pictures]]:
    """Scenes that the package carries: stills, then clips."""
    stills, clips = open_source(MINI, split="test"), open_source(MINI_CLIPS, split="test")
    every = [(f"scene {at + 1}", stills, key) for at, key in enumerate(stills.keys[:9])]
    every += [(f"clip {at + 1}", clips, key) for at, key in enumerate(clips.keys)]
    return {name: lambda of=(source, key, name): seen.of_source(*of) for name, source, key in every}
