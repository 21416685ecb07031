import time

import pytest

from vitreous.sweep.plan import Plan
from vitreous.sweep.trial import Job, held_out, read_scores
from vitreous.sweep.worker import reason
from vitreous.sweep.workers import Workers, gpus


def job(pair, folder, **settings):
    stores = {"train": str(pair[0]), "test": str(pair[1])}
    return Job(settings, str(folder / "run"), stores, str(folder / "run.log"), False, 1)


def ended(workers):
    """The next answer, within minutes: a process loads torch and Lightning first."""
    for _ in range(600):
        found = workers.answer(0.5)
        if found:
            return found
    raise AssertionError("no answer")


def test_a_process_that_dies_is_told_of_and_replaced(pair, tmp_path):
    workers = Workers(2, 1, tmp_path / "logs")
    first = workers.give(job(pair, tmp_path, steps=1))
    other = workers.start()
    assert not workers.free()
    first.process.kill()
    worker, said = ended(workers)
    assert worker is first
    assert said is None
    assert "died by signal 9" in worker.why()
    assert workers.free()
    began = time.monotonic()
    workers.end(now=True)
    assert time.monotonic() - began < 5
    assert other.process.returncode == -9


def test_an_error_is_an_answer_and_a_process_ends_with_its_owner(pair, tmp_path):
    workers = Workers(1, 1, tmp_path / "logs")
    worker = workers.give(job(pair, tmp_path, slots=65))
    _, said = ended(workers)
    assert said["reason"] == "65 slots cannot share the 64 patches of a 8x8 grid."
    assert said["seconds"] >= 0
    assert "Traceback" in (tmp_path / "run.log").read_text()
    assert workers.free()
    assert workers.give(job(pair, tmp_path, nonsense=1)) is worker  # the same process goes on
    assert 'dinosaur has no setting "nonsense"' in ended(workers)[1]["reason"]
    worker.process.stdin.close()  # as when its owner is killed
    assert worker.process.wait(10) == 0


def test_reasons_say_what_and_where():
    with pytest.raises(KeyError) as found:
        Plan({}, {}).axes["slots"]
    assert reason(found.value).startswith("KeyError: 'slots' (test_workers.py, line ")


def test_gpus_are_taken_in_turn():
    assert gpus({"CUDA_VISIBLE_DEVICES": "2, 5"}) == ["2", "5"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "0"}) == gpus({"CUDA_VISIBLE_DEVICES": ""}) == []


def test_a_share_or_a_store_is_held_out(pair):
    assert held_out(None, 1) is None
    assert held_out("0.25", 1) == 0.25
    assert held_out(str(pair[1]), 2).jobs == 2


def test_scores_are_those_of_the_run_itself(tmp_path):
    (tmp_path / "scores.json").write_text(
        """{"rows": {"ours": {"mbo": {"mean": 0.5, "low": 0.25, "high": 0.75, "values": []}},
                     "k-means": {"mbo": {"mean": 0.9, "low": 0.9, "high": 0.9}}},
            "clips": {"ours": {"video_mbo": {"mean": NaN, "low": NaN, "high": NaN}}},
            "diagnostics": {"entropy": {"mean": 0.5, "low": 0.5, "high": 0.5}}}"""
    )
    found = read_scores(tmp_path)
    assert found["mbo"] == (0.5, 0.25, 0.75)
    assert list(found) == ["mbo", "video_mbo", "entropy"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_process_without_work(tmp_path, jobs):
    workers = Workers(jobs, 1, tmp_path)
    assert workers.free()
    assert workers.answer(0.01) is None
    workers.end(now=False)
    assert list(tmp_path.iterdir()) == []
