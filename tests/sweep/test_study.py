import time
from importlib.util import find_spec

import pytest

from vitreous.errors import MissingExtra, RunError
from vitreous.sweep.plan import Plan, Range
from vitreous.sweep.study import DEAD_SECONDS, Trials

pytest.importorskip("optuna")
GRID = Plan({"slots": [3, 5], "decoder": ["mlp", None]}, {})
SCORES = {"fg_ari": (0.5, 0.4, 0.6), "mbo": (0.3, 0.2, 0.4)}


@pytest.fixture
def study(tmp_path):
    """study(plan, folder): opened as by one more process."""

    def open_it(plan=GRID, folder="here", count=6):
        return Trials(plan, "test", f"sqlite:///{tmp_path / 'sweep.db'}", tmp_path / folder, count)

    return open_it


def states(trials):
    return [trial.state for trial in trials.all()]


def test_every_trial_is_taken_once_and_in_order(study):
    one, other = study(), study()
    one.fill()
    other.fill()
    taken = [who.take() for who in (one, other, one, other)]
    assert [trial.place for trial in taken] == [0, 1, 2, 3]
    assert [trial.settings for trial in taken] == GRID.combinations()
    assert one.take() is None
    assert other.take() is None


def test_what_is_done_stays_and_what_was_running_waits_again(study):
    killed = study()
    killed.fill()
    killed.done(killed.take(), SCORES, 2.5)
    killed.failed(killed.take(), "slots do not fit", 0.5)
    in_flight = killed.take()
    again = study()
    again.fill()
    again.requeue()
    assert states(again) == ["done", "failed", "waiting", "waiting"]
    done, failed = again.all()[:2]
    assert (done.scores, done.seconds) == (SCORES, 2.5)
    assert (failed.reason, failed.seconds) == ("slots do not fit", 0.5)
    trial = again.take()
    assert (trial.place, trial.settings) == (in_flight.place, in_flight.settings)


def test_a_grid_that_was_killed_while_it_was_queued_is_completed(study):
    killed = study()
    killed.add(0, GRID.combinations()[0])
    killed.add(2, GRID.combinations()[2])
    again = study()
    again.fill()
    assert [(t.place, t.settings) for t in again.all()] == list(enumerate(GRID.combinations()))


def test_trials_of_other_machines_are_left_alone_until_they_are_silent(study, monkeypatch):
    here, there = study(), study(folder="there")
    here.fill()
    there.take()
    here.requeue()
    assert states(here)[0] == "running"
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + DEAD_SECONDS + 1)
    here.requeue()
    assert states(here)[0] == "waiting"


def test_trials_that_two_machines_queued_at_once_run_once(study):
    one = study()
    one.fill()
    for place, settings in enumerate(GRID.combinations()):
        one.add(place, settings)
    assert len(one.all()) == 4
    assert len([one.take() for _ in range(4)]) == 4
    assert one.take() is None


def test_failed_trials_are_tried_again_only_when_asked(study):
    first = study()
    first.fill()
    for _ in range(4):
        first.failed(first.take(), "no luck")
    again = study()
    again.fill()
    again.requeue()
    assert again.take() is None
    assert [trial.place for trial in again.retry()] == [0, 1, 2, 3]
    trial = again.take()
    assert (trial.attempt, trial.reason) == (1, "")
    again.done(trial, SCORES, 1.0)
    assert states(again) == ["done", "waiting", "waiting", "waiting"]
    assert len(again.study.get_trials()) == 8  # what failed is kept


def test_an_objective_that_is_not_defined_is_a_failure(study):
    trials = study()
    trials.fill()
    trials.done(trials.take(), SCORES | {"fg_ari": (float("nan"),) * 3}, 1.0)
    assert "fg_ari is not defined" in trials.all()[0].reason


SEARCH = Plan({"slots": Range(3, 13), "lr": Range(1e-5, 1e-3, True), "decoder": ["mlp", None]}, {}, search="random")


@pytest.mark.parametrize(("sampler", "count", "kills"), [("random", 4, (2,)), ("tpe", 13, (2, 11))])
def test_an_interrupted_search_draws_what_it_would_have_drawn(tmp_path, sampler, count, kills):
    plan = Plan(SEARCH.axes, {"seed": 3}, search=sampler)

    def search(name, kills):
        found = []
        while len(found) < count:
            trials = Trials(plan, name, f"sqlite:///{tmp_path / 'sweep.db'}", tmp_path, count)
            trials.requeue()
            while trial := trials.take():
                if len(found) + 1 in kills:
                    kills = kills[1:]
                    break  # killed, with this one running
                found.append(trial.settings)
                trials.done(trial, {"fg_ari": (float(trial.settings["slots"]),) * 3}, 1.0)
        return found

    whole = search("whole", ())
    assert search("killed", kills) == whole
    assert all(3 <= t["slots"] <= 13 and 1e-5 <= t["lr"] <= 1e-3 for t in whole)
    assert len({t["lr"] for t in whole}) == count
    if sampler == "tpe":  # which learns from the eleventh on
        assert sum(t["slots"] for t in whole[10:]) / 3 > sum(t["slots"] for t in whole[:10]) / 10


def test_a_search_is_as_long_as_asked_and_a_trial_killed_at_birth_does_not_count(study):
    trials = study(SEARCH, count=2)
    trials.study.ask(dict(trials.choices))  # drawn, and killed before it had a place
    assert [trials.take().place for _ in range(2)] == [0, 1]
    assert trials.take() is None
    assert study(SEARCH, count=3).take().place == 2  # a search can be made longer


@pytest.mark.skipif(find_spec("oracledb") is not None, reason="the driver is here")
def test_a_driver_that_is_not_installed_is_named(tmp_path):
    with pytest.raises(MissingExtra, match="oracle://me@host/db needs oracledb:  pip install oracledb"):
        Trials(GRID, "test", "oracle://me:secret@host/db", tmp_path)


def test_a_storage_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    with pytest.raises(RunError, match="(?s)nosuch://me@host/db cannot be opened.*SQLAlchemy"):
        Trials(GRID, "test", "nosuch://me:secret@host/db", tmp_path)
    with pytest.raises(RunError, match="cannot be opened") as found:
        Trials(GRID, "test", f"sqlite:///{tmp_path}/none/sweep.db", tmp_path)
    assert "secret" not in str(found.value)
