"""A process that trains and scores one trial after the other: `python -m vitreous.sweep.worker THREADS`.

A line of JSON on stdin is a trial, a line on stdout what became of it. When stdin ends, its owner is gone, and so is
this process at once: nobody trains in a folder that a new sweep takes over.
"""

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

from vitreous.errors import VitreousError


@dataclass(frozen=True)
class Job:
    """A trial as a process needs it.

    out    run folder
    stores train and test: paths
    log    where a traceback goes
    debug  a few clips of each store
    jobs   how many processes share memory
    """

    settings: dict[str, Any]
    out: str
    stores: dict[str, str]
    log: str
    debug: bool
    jobs: int

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def main(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who ends us
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    jobs: SimpleQueue[str] = SimpleQueue()
    Thread(target=listen, args=(sys.stdin, jobs), daemon=True).start()

    import torch

    torch.set_num_threads(threads)
    while True:
        print(json.dumps(answer(Job(**json.loads(jobs.get())))), file=answers, flush=True)


def listen(lines: TextIO, jobs: "SimpleQueue[str]") -> None:
    for line in lines:
        jobs.put(line)
    os._exit(0)


def answer(job: Job) -> dict[str, Any]:
    """Scores or the reason for none, and the seconds it took."""
    began = time.monotonic()
    try:
        found: dict[str, Any] = {"scores": work(job)}
    except Exception as error:
        Path(job.log).write_text(traceback.format_exc())
        found = {"reason": reason(error)}
    return found | {"seconds": round(time.monotonic() - began, 2)}


def reason(error: Exception) -> str:
    """An error of ours as it reads; of another's, what and where."""
    if isinstance(error, VitreousError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


def work(job: Job) -> dict[str, tuple[float, float, float]]:
    """Train, or go on where it stopped, and score."""
    from vitreous.report.score import score
    from vitreous.runs import Run
    from vitreous.sweep.plan import parts
    from vitreous.train.fit import fit
    from vitreous.train.module import Training

    train, test = (opened(job.stores[name], job.jobs, name if job.debug else None) for name in ("train", "test"))
    asked = parts(job.settings)
    options = asked.fit | {"validate": held_out(asked.fit.get("validate"), job.jobs)}
    fit(train, Path(job.out), asked.method, asked.config, Training(**asked.training), progress=False, **options)
    score(Run.load(job.out), test, baselines=False)
    return read_scores(Path(job.out))


@cache
def opened(path: str, jobs: int, debug: str | None) -> Any:
    """A store, kept open for the next trial."""
    from vitreous.sweep.stores import DEBUG_CLIPS, SharedStore

    return SharedStore(path, jobs, DEBUG_CLIPS[debug] if debug else None)


def held_out(validate: Any, jobs: int) -> Any:
    """A share of the clips, or a store."""
    if validate is None:
        return None
    try:
        return float(validate)
    except ValueError:
        return opened(str(Path(validate).expanduser().resolve()), jobs, None)


def read_scores(run: Path) -> dict[str, tuple[float, float, float]]:
    """All means with their intervals that scores.json holds of the run itself: of pictures, clips and slots."""
    saved = json.loads((run / "scores.json").read_text())
    own = next(iter(saved["rows"]))
    found = saved["rows"][own] | saved["clips"].get(own, {}) | saved["diagnostics"]
    return {name: (score["mean"], score["low"], score["high"]) for name, score in found.items()}


if __name__ == "__main__":
    main(int(sys.argv[1]))
