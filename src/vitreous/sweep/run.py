"""A sweep from start to end, or from where it was stopped.

sweep.yaml  what was asked for           sweep.db  the Optuna study
stores/     features, where pictures were given
runs/       a run folder per trial       failed/   the same of trials that failed
logs/       what processes said, and a traceback per failed trial
sweep.csv   a line per trial
debug/      the same of a debug sweep
"""

import shutil
import socket
import time
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from vitreous.errors import RunError
from vitreous.extras import need
from vitreous.sweep.live import View
from vitreous.sweep.plan import (
    OF_STORES,
    Plan,
    Settings,
    check_names,
    claim,
    describe,
    digest,
    numbered,
    run_name,
    run_names,
)
from vitreous.sweep.stores import Stores
from vitreous.sweep.study import ALIVE_SECONDS, Trial, Trials
from vitreous.sweep.table import FILE, write_csv
from vitreous.sweep.trial import Job
from vitreous.sweep.workers import Worker, Workers

LOOK_SECONDS = 0.5  # between looks at what goes on


class Sweep:
    """Trials of a plan on a pair of stores, or of sources of pictures. `run` does what is left to do.

    Refuses what no trial could do before anything is written: misspelt names, data that cannot be scored on, a folder
    that holds another sweep.
    """

    def __init__(
        self,
        train: Path,
        test: Path,
        out: Path,
        plan: Plan,
        *,
        trials: int = 40,
        jobs: int = 1,
        storage: str | None = None,
    ) -> None:
        if jobs < 1:
            raise RunError(f"jobs must be at least 1, not {jobs}.")
        need("optuna", "sweep", "vitreous sweep")  # before anything is written
        check_names(plan)
        self.plan, self.jobs = plan, jobs
        self.out = out / "debug" if plan.debug else out
        self.stores = Stores(train, test, self.out, plan.debug)
        about = describe(plan, self.stores.check(plan))
        claim(self.out, about)
        url = storage or f"sqlite:///{(self.out / 'sweep.db').resolve()}"
        self.count = trials if plan.search else len(plan.combinations())
        self.names = {} if plan.search else run_names(plan)
        self.study = Trials(plan, f"vitreous-{digest(about)}", url, self.out, trials)

    def run(self, *, retry_failed: bool = False, progress: bool = True) -> list[Trial]:
        """Do what is left; returns all trials in order. Interrupted, it leaves everything fit to go on."""
        lock = FileLock(self.out / f"{socket.gethostname()}.lock")
        try:
            with lock.acquire(timeout=0):
                return self.work(retry_failed, progress)
        except Timeout:
            raise RunError(f"Another sweep is at work in {self.out}: give that one more --jobs.") from None

    def work(self, retry_failed: bool, progress: bool) -> list[Trial]:
        self.study.fill()
        self.study.requeue()
        there = self.study.all()
        self.count = max(self.count, len(there))  # of a search that is asked to be shorter than it is
        for trial in there:
            if trial.state == "failed":
                self.move(trial, "runs", "failed")  # where it was killed before it could
        for trial in self.study.retry() if retry_failed else ():
            self.move(trial, "failed", "runs")  # to go on from what there is
        self.stores.prepare(self.wanted(), progress)
        workers, busy = Workers(self.jobs, self.plan.threads, self.out / "logs"), dict[Worker, Trial]()
        view = View(self.plan, self.folder, self.jobs, Console(stderr=True, quiet=not progress))
        try:
            with view:
                self.loop(workers, busy, view)
            workers.end(now=False)
        finally:
            workers.end(now=True)
            self.study.requeue()
            trials = self.table()
        return trials

    def loop(self, workers: Workers, busy: dict[Worker, Trial], view: View) -> None:
        alive = time.monotonic()
        while True:
            while workers.free() and (trial := self.study.take()):
                why_not = self.stores.why_not(self.plan.full(trial.settings))
                if why_not:
                    self.settle(trial, {"reason": why_not, "seconds": 0.0}, view)
                else:
                    busy[workers.give(self.job(trial))] = trial
            if not busy:
                return
            answered = workers.answer(LOOK_SECONDS)
            if answered:
                worker, said = answered
                trial = busy.pop(worker, None)
                if trial:
                    self.settle(trial, said or {"reason": worker.why(), "seconds": 0.0}, view)
            if time.monotonic() - alive > ALIVE_SECONDS:
                alive = time.monotonic()
                for trial in busy.values():
                    self.study.sign(trial.id)
            view.show(list(busy.values()), self.counts(), self.count)

    def settle(self, trial: Trial, said: dict[str, Any], view: View) -> None:
        """Keep what became of a trial."""
        if "scores" in said:
            self.study.done(trial, said["scores"], said["seconds"])
        else:
            self.study.failed(trial, said["reason"], said["seconds"])
        now = next(one for one in self.table() if one.place == trial.place)
        if now.state == "failed":
            self.move(now, "runs", "failed")
        view.finished(now, self.counts(), self.count)

    def job(self, trial: Trial) -> Job:
        settings, folder = self.plan.full(trial.settings), self.folder(trial)
        log = self.out / "logs" / f"{folder.name}.log"
        return Job(settings, str(folder), self.stores.pair(settings), str(log), self.plan.debug, self.jobs)

    def folder(self, trial: Trial) -> Path:
        return (self.out / "runs" / self.name(trial)).resolve()

    def name(self, trial: Trial) -> str:
        if self.plan.search is None:
            return self.names[trial.place]
        return numbered(trial.place, run_name(self.plan.varied, trial.settings))

    def move(self, trial: Trial, start: str, end: str) -> None:
        """Failed runs stand apart: every folder in runs/ is one that can be compared."""
        source, target = (self.out / place / self.name(trial) for place in (start, end))
        if source.is_dir():
            target.parent.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            source.rename(target)

    def wanted(self) -> list[Settings]:
        """Settings whose stores are needed: of waiting trials, in a search of all that may come."""
        if self.plan.search is None:
            return [self.plan.full(trial.settings) for trial in self.study.all() if trial.state == "waiting"]
        choices = {name: self.plan.words(name, usual) for name, usual in OF_STORES.items()}
        return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]

    def table(self) -> list[Trial]:
        """All trials in order, and sweep.csv brought up to date."""
        trials = self.study.all()
        write_csv(self.out / FILE, self.plan, trials, {trial.place: self.name(trial) for trial in trials})
        return trials

    def counts(self) -> Counter[str]:
        return Counter(trial.state for trial in self.study.all())
