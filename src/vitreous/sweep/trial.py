"""One trial: train a run, or go on where its training stopped, and score it."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vitreous.report.score import score
from vitreous.runs import Run
from vitreous.sweep.plan import Settings, parts
from vitreous.sweep.stores import DEBUG_CLIPS, SharedStore
from vitreous.train.fit import fit
from vitreous.train.module import Training

Scores = dict[str, tuple[float, float, float]]  # metric -> mean, low, high


@dataclass(frozen=True)
class Job:
    """A trial as a process needs it.

    out    run folder
    stores train and test: paths
    log    where a traceback goes
    debug  a few clips of each store
    jobs   how many processes share memory
    """

    settings: Settings
    out: str
    stores: dict[str, str]
    log: str
    debug: bool
    jobs: int

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def work(job: Job) -> Scores:
    train, test = (opened(job.stores[name], job.jobs, name if job.debug else None) for name in ("train", "test"))
    asked = parts(job.settings)
    options: dict[str, Any] = asked.fit | {"validate": held_out(asked.fit.get("validate"), job.jobs)}
    fit(train, Path(job.out), asked.method, asked.config, Training(**asked.training), progress=False, **options)
    score(Run.load(job.out), test, baselines=False)
    return read_scores(Path(job.out))


@cache
def opened(path: str, jobs: int, debug: str | None) -> SharedStore:
    """A store, kept open for the next trial."""
    return SharedStore(path, jobs, DEBUG_CLIPS[debug] if debug else None)


def held_out(validate: Any, jobs: int) -> SharedStore | float | None:
    """A share of the clips, or a store."""
    if validate is None:
        return None
    try:
        return float(validate)
    except ValueError:
        return opened(str(Path(validate).expanduser().resolve()), jobs, None)


def read_scores(run: Path) -> Scores:
    """All means with their intervals that scores.json holds of the run itself: of pictures, clips and slots."""
    saved = json.loads((run / "scores.json").read_text())
    own = next(iter(saved["rows"]))
    found = saved["rows"][own] | saved["clips"].get(own, {}) | saved["diagnostics"]
    return {name: (score["mean"], score["low"], score["high"]) for name, score in found.items()}
