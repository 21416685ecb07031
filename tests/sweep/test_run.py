"""A whole sweep, in processes: what it leaves, and that neither kills nor the number of processes change its table."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from vitreous.cli.main import main
from vitreous.errors import RunError
from vitreous.features.store import FeatureStore
from vitreous.sweep.run import Sweep
from vitreous.train.fit import Keep, fit
from vitreous.train.history import LOG
from vitreous.train.module import Training

pytest.importorskip("optuna")
AXES = {"slots": [3, 4, 65], "seed": [42, 43]}  # 65 slots for 64 patches: these fail


def table(out):
    """sweep.csv, but for the time that trials took."""
    return pd.read_csv(out / "sweep.csv").drop(columns="seconds")


@pytest.fixture(scope="module")
def whole(pair, plan_of, tmp_path_factory):
    """Folder and trials of a sweep from start to end in one process."""
    out = tmp_path_factory.mktemp("whole")
    return out, Sweep(*pair, out, plan_of(**AXES)).run(progress=False)


def test_every_trial_is_trained_scored_and_kept_and_failures_with_their_reason(whole):
    out, trials = whole
    assert [trial.state for trial in trials] == ["done"] * 4 + ["failed"] * 2
    assert [trial.settings for trial in trials] == [{"slots": k, "seed": s} for k in (3, 4, 65) for s in (42, 43)]
    names = {"slots_3-seed_42", "slots_3-seed_43", "slots_4-seed_42", "slots_4-seed_43"}
    assert {path.name for path in (out / "runs").iterdir()} == names
    assert all((out / "runs" / name / "scores.json").is_file() for name in names)
    found = pd.read_csv(out / "sweep.csv")
    assert list(found["state"]) == [trial.state for trial in trials]
    assert set(found["reason"].dropna()) == {"65 slots cannot share the 64 patches of a 8x8 grid."}
    for column in ("fg_ari", "fg_ari_low", "fg_ari_high", "miou", "active_slots", "mean_fill"):
        assert found[column][:4].notna().all()
    assert (found["seconds"][:4] > 0).all()
    assert found["ari"][:4].nunique() == 4


def test_a_finished_sweep_is_read_not_run_and_failures_wait_to_be_asked_for(whole, pair, plan_of, tmp_path):
    shutil.copytree(whole[0], tmp_path / "again")
    again = Sweep(*pair, tmp_path / "again", plan_of(**AXES))
    began = time.time()
    assert [trial.scores for trial in again.run(progress=False)] == [trial.scores for trial in whole[1]]
    assert not [p for p in (tmp_path / "again" / "logs").iterdir() if p.stat().st_mtime > began]  # no process
    retried = again.run(retry_failed=True, progress=False)
    assert [(trial.attempt, trial.state) for trial in retried] == [(0, "done")] * 4 + [(1, "failed")] * 2
    pd.testing.assert_frame_equal(table(tmp_path / "again"), table(whole[0]))


def test_another_sweep_in_the_folder_is_refused_with_the_difference(whole, pair, plan_of):
    with pytest.raises(RunError, match=r"(?s)holds another sweep.*grid.seed: \[42, 43\] there, \[42\] here"):
        Sweep(*pair, whole[0], plan_of(slots=[3, 4, 65], seed=[42]))
    with pytest.raises(RunError, match="(?s)holds another sweep.*fixed.steps: 6 there, 7 here"):
        Sweep(*pair, whole[0], plan_of({"steps": 7}, **AXES))
    with pytest.raises(
        RunError, match='(?s)holds another sweep.*data.train: "blobs0 12 1: coloured.* there, "blobs1 6 1: '
    ):
        Sweep(pair[1], pair[0], whole[0], plan_of(**AXES))


def begun(pair, out, plan, monkeypatch):
    """Leave a run as a training that was killed after four steps would."""
    step = Keep.on_train_batch_end

    def killed(self, trainer, *args):
        step(self, trainer, *args)
        if trainer.global_step == 4:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr("vitreous.train.fit.KEEP_SECONDS", 0)
        patch.setattr(Keep, "on_train_batch_end", killed)
        config = {name: plan.fixed[name] for name in ("slot_dim", "decoder", "decoder_width", "decoder_layers")}
        training = Training(**{name: plan.fixed[name] for name in ("batch_size", "lr", "steps")}, seed=42)
        with pytest.raises(SystemExit):
            fit(
                FeatureStore(pair[0]),
                out / "runs" / "slots_3-seed_42",
                "dinosaur",
                config | {"slots": 3},
                training,
                precision="32-true",
                device="cpu",
                progress=False,
            )


def words(plan, pair, out, *more):
    """The command line of a grid."""
    axes = [f"{name}={','.join(map(str, values))}" for name, values in plan.axes.items()]
    fixed = [word for name, value in plan.fixed.items() for word in (f"--{name.replace('_', '-')}", value)]
    return [str(word) for word in ("sweep", pair[0], "--test", pair[1], "--out", out, "--grid", *axes, *fixed, *more)]


def killed_when(arguments, due):
    """Start a sweep as a process group of its own, and kill all of it at once when `due()`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "vitreous.cli.main", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, env=environment
    ) as process:
        while not due():
            assert process.poll() is None, process.stderr.read().decode()[-3000:]
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)


def finished(out):
    """Trials that are done so far."""
    return table(out)["state"].eq("done").sum() if (out / "sweep.csv").is_file() else 0


def test_killed_and_gone_on_with_two_processes_it_ends_with_the_same_table(
    whole, pair, plan_of, tmp_path, monkeypatch, capsys
):
    plan = plan_of(**AXES)
    begun(pair, tmp_path, plan, monkeypatch)
    killed_when(words(plan, pair, tmp_path), lambda: finished(tmp_path) >= 1)
    done_before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/model.safetensors")}
    assert 1 <= len(done_before) < 4
    assert main(words(plan, pair, tmp_path, "--jobs", "2")) == 1
    pd.testing.assert_frame_equal(table(tmp_path), table(whole[0]))
    assert {path: path.stat().st_mtime_ns for path in done_before} == done_before  # kept, not trained again
    steps = pd.read_csv(tmp_path / "runs" / "slots_3-seed_42" / LOG)["step"]
    assert list(steps) == [0, 1, 2, 4, 5]  # on from its checkpoint: the fourth step was done, but not logged
    said, complained = capsys.readouterr()
    assert complained.splitlines()[-1] == "vitreous sweep: 2 of 6 trials failed, 4 are done. Again:  --retry-failed"
    assert "slots 3 (2)" in said
    assert "failed  slots 65, seed 43: 65 slots cannot share" in said
    assert f"vitreous compare {tmp_path}/runs/*" in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_debug_sweep_of_eighteen_killed_twice_and_interrupted_ends_with_the_same_table(pair, plan_of, tmp_path):
    plan = plan_of(slots=[3, 5, 7], merge=[0.0, 0.1, 0.3], seed=[42, 43])
    parts, one = tmp_path / "parts", tmp_path / "one"
    assert main(words(plan, pair, one, "--mode", "debug")) == 0
    assert len(table(one / "debug")) == 18
    for done in (3, 9):
        arguments = words(plan, pair, parts, "--mode", "debug", "--jobs", "2")
        killed_when(arguments, lambda done=done: finished(parts / "debug") >= done)
    assert 9 <= finished(parts / "debug") < 18
    command = [sys.executable, "-m", "vitreous.cli.main", *words(plan, pair, parts, "--mode", "debug", "--jobs", "2")]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        while finished(parts / "debug") < 12:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches all of them
        assert process.wait(60) == 130
        assert b"The same command goes on from here" in process.stderr.read()
    left = table(parts / "debug")
    assert set(left["state"]) == {"done", "waiting"}, left["reason"].dropna().tolist()
    assert main(words(plan, pair, parts, "--mode", "debug")) == 0
    pd.testing.assert_frame_equal(table(parts / "debug"), table(one / "debug"))
