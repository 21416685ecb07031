"""vitreous diagnose"""

from pathlib import Path

from vitreous.cli.parser import second_is


def diagnose(run: Path, store: Path | None = None, pictures: int = 200, json: bool = False) -> None:
    """Say in words what is wrong with a run: each failure with its evidence and the setting to try next.

    The store follows the run: vitreous diagnose RUN STORE. Without it, the one that the run was scored on. More is seen
    where the store has ids, but none are needed. Writes diagnosis.json into the run's folder.

    Args:
        run: Folder written by `vitreous train`.
        store: Feature store to look at.
        pictures: About so many, spread over the store.
        json: Print JSON instead of words.
    """
    from vitreous.features.store import FeatureStore
    from vitreous.report.diagnose import diagnose as diagnose_run
    from vitreous.report.diagnose import print_diagnosis, save_diagnosis
    from vitreous.runs import Run

    loaded = Run.load(run)
    found = diagnose_run(loaded, FeatureStore(store or store_of(run)), pictures)
    path = save_diagnosis(found, run)
    print(path.read_text().rstrip() if json else f"{print_diagnosis(found)}\n\n{path}")


def store_of(run: Path) -> Path:
    """The store that a run was scored on."""
    from json import loads

    from vitreous.errors import RunError

    scores = run / "scores.json"
    if not scores.is_file():
        raise RunError(
            f"{run} was never scored, so there is no store to look at.\nName one:  vitreous diagnose {run} STORE"
        )
    return Path(loads(scores.read_text())["data"]["store"])


command = second_is("store", diagnose)
