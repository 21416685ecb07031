"""The trials of a sweep in an Optuna study: who takes which, what became of it, and what is left when one is killed.

A trial's user attributes: `place` in the order of trials and `attempt` (0, one more with each retry); `owner`: where it
runs and when it was last seen alive; `result`: seconds, and scores (metric -> mean, low, high) or the reason it failed.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitreous.errors import MissingExtra, RunError
from vitreous.extras import need
from vitreous.sweep.plan import Plan, Range, Settings, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

ALIVE_SECONDS = 15.0  # between signs of life
DEAD_SECONDS = 180.0  # without one, after which a trial of another machine is taken over
SCORE = tuple[float, float, float]  # mean, low, high
STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "done", "FAIL": "failed"}


@dataclass(frozen=True)
class Trial:
    """One trial as it stands.

    settings  of the axes
    state     waiting, running, done or failed
    """

    id: int
    place: int
    settings: Settings
    state: str
    attempt: int = 0
    where: str = ""
    alive: float = 0.0
    scores: Mapping[str, SCORE] = field(default_factory=dict)
    seconds: float | None = None
    reason: str = ""


class Trials:
    """The study, opened or made: `name` says which one of the storage."""

    def __init__(self, plan: Plan, name: str, storage: str, folder: Path, count: int = 0) -> None:
        """`folder` holds the runs of this machine; `count` is of the trials of a search: a grid gives its own."""
        self.optuna = need("optuna", "sweep", "vitreous sweep")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        self.plan, self.here, self.count = plan, f"{socket.gethostname()}:{folder.resolve()}", count
        self.storage = self.open(storage)
        self.study = self.optuna.create_study(
            storage=self.storage, study_name=name, direction="maximize", load_if_exists=True
        )
        self.states: type[TrialState] = self.optuna.trial.TrialState
        self.choices = {name: self.distribution(values) for name, values in plan.axes.items()}

    def open(self, url: str) -> Any:
        # processes wait for each other's writes to SQLite, rather than fail
        arguments = {"connect_args": {"timeout": 100}} if url.startswith("sqlite") else {"pool_pre_ping": True}
        try:
            return self.optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        except Exception as error:  # of SQLAlchemy, of the driver, of a driver that is not there
            driver = error.__cause__
            if isinstance(driver, ModuleNotFoundError):
                raise MissingExtra(
                    f"The storage {hidden(url)} needs {driver.name}:  pip install {driver.name}"
                ) from None
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RunError(
                f"The storage {hidden(url)} cannot be opened: {reason}\n"
                "Expected a database as SQLAlchemy names it: postgresql://user@host/name, with its driver installed."
            ) from error

    def distribution(self, values: list[Value] | Range) -> "BaseDistribution":
        kinds = self.optuna.distributions
        if not isinstance(values, Range):
            return kinds.CategoricalDistribution(values)
        whole = isinstance(values.low, int) and isinstance(values.high, int)
        kind = kinds.IntDistribution if whole else kinds.FloatDistribution
        return kind(values.low, values.high, log=values.log)

    def all(self) -> list[Trial]:
        """The last attempt at each place, in order."""
        last: dict[int, Trial] = {}
        for found in self.study.get_trials(deepcopy=False):
            trial = read(found)
            if trial is not None and (trial.place not in last or trial.attempt > last[trial.place].attempt):
                last[trial.place] = trial  # of two equals, made by two machines at once, the first counts
        return [last[place] for place in sorted(last)]

    def fill(self) -> None:
        """Queue every combination of a grid that is not there yet."""
        if self.plan.search is None:
            there = {trial.place for trial in self.all()}
            for place, settings in enumerate(self.plan.combinations()):
                if place not in there:
                    self.add(place, settings)

    def add(self, place: int, settings: Settings, attempt: int = 0) -> None:
        create = self.optuna.trial.create_trial
        attributes = {"place": place, "attempt": attempt}
        self.study.add_trial(
            create(state=self.states.WAITING, params=settings, distributions=self.choices, user_attrs=attributes)
        )

    def requeue(self) -> None:
        """Running trials of dead processes wait again. Only for who holds the folder: nobody else runs here."""
        for trial in self.all():
            silent = time.time() - trial.alive > DEAD_SECONDS
            if trial.state == "running" and (trial.where == self.here or silent):
                self.storage.set_trial_state_values(trial.id, self.states.WAITING)

    def retry(self) -> list[Trial]:
        """Failed trials wait for another attempt; what failed stays in the study."""
        failed = [trial for trial in self.all() if trial.state == "failed"]
        for trial in failed:
            self.add(trial.place, trial.settings, trial.attempt + 1)
        return failed

    def take(self) -> Trial | None:
        """The next trial, now running here; None where there is none left."""
        trials = self.all()
        for trial in trials:
            if trial.state == "waiting" and self.storage.set_trial_state_values(trial.id, self.states.RUNNING):
                self.sign(trial.id)
                return trial
        if self.plan.search is None or len(trials) >= self.count:
            return None
        return self.draw(min(set(range(len(trials) + 1)) - {trial.place for trial in trials}))

    def draw(self, place: int) -> Trial:
        """The next trial of a search. Its draws depend on seed, place and what is known, not on interruptions."""
        seed = self.plan.fixed.get("seed")
        self.study.sampler = self.sampler((seed if isinstance(seed, int) else 0) * 100_003 + place)
        asked = self.study.ask(dict(self.choices))
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(
            self.storage.get_study_id_from_name(self.study.study_name), asked.number
        )
        # the place comes last: a trial that was killed before it has one does not count, and is drawn again
        self.sign(trial_id)
        self.storage.set_trial_user_attr(trial_id, "place", place)
        return Trial(trial_id, place, asked.params, "running")

    def sampler(self, seed: int) -> Any:
        samplers = self.optuna.samplers
        if self.plan.search == "random":
            return samplers.RandomSampler(seed=seed)
        return samplers.TPESampler(seed=seed)

    def sign(self, trial_id: int) -> None:
        """A sign of life."""
        self.storage.set_trial_user_attr(trial_id, "owner", {"where": self.here, "alive": time.time()})

    def done(self, trial: Trial, scores: Mapping[str, Sequence[float]], seconds: float) -> None:
        """Keep what was measured; a trial whose objective is not defined has failed."""
        mean = scores[self.plan.objective][0]
        if mean != mean:
            self.failed(trial, f"{self.plan.objective} is not defined on any test picture", seconds)
            return
        self.storage.set_trial_user_attr(trial.id, "result", {"scores": dict(scores), "seconds": seconds})
        self.storage.set_trial_state_values(trial.id, self.states.COMPLETE, [mean])

    def failed(self, trial: Trial, reason: str, seconds: float = 0.0) -> None:
        self.storage.set_trial_user_attr(trial.id, "result", {"reason": reason, "seconds": seconds})
        self.storage.set_trial_state_values(trial.id, self.states.FAIL)


def read(found: "FrozenTrial") -> Trial | None:
    """A trial of the study; None for one that was never begun."""
    about = found.user_attrs
    if "place" not in about:
        return None
    state, result = STATES.get(found.state.name, "failed"), dict(about.get("result", {}))
    known = about.get("owner", {}) | (result if state in ("done", "failed") else {})
    known["scores"] = {name: (mean, low, high) for name, (mean, low, high) in known.get("scores", {}).items()}
    return Trial(found._trial_id, about["place"], dict(found.params), state, about.get("attempt", 0), **known)


def hidden(url: str) -> str:
    """Without the password."""
    scheme, slashes, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{host}"
