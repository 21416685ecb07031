"""The run folder: what it holds, and that a training can be stopped at any moment and goes on as if it had not."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from vitreous.errors import FeatureMismatch, RunError
from vitreous.regress import fit as fitting
from vitreous.regress import learn
from vitreous.regress.answers import answer
from vitreous.regress.constraints import Sums
from vitreous.regress.fit import Head, fit
from vitreous.regress.heads import HeadConfig
from vitreous.regress.learn import Training
from vitreous.regress.run import CHECKPOINT, LOG, WEIGHTS, RegressionRun

SHORT = Training(epochs=4, batch_size=8, lr=0.02)
SMALL = Head("patch", HeadConfig(width=16))
SUMS = ["total = green + dead + clover"]


def fitted(here, out, training=SHORT, **how):
    how = {"weights": [0.1, 0.1, 0.3, 0.5]} | how
    return fit(here.store, here.table, here.division(groups=True), out, SMALL, training, **how)


def test_a_run_folder_explains_itself(pasture, tmp_path):
    here = pasture(40, ("identity", "hflip"))
    run = fitted(here, tmp_path / "run", replace(SHORT, epochs=15), sums=SUMS, reconcile="project")
    assert {path.name for path in run.folder.iterdir()} == {
        "recipe.yaml", "model.safetensors", "log.csv", "scores.json", "out_of_fold.csv", "by_view.csv",
    }  # fmt: skip
    found = json.loads((run.folder / "scores.json").read_text())
    table = pd.read_csv(run.folder / "out_of_fold.csv")
    assert len(table) == 160
    wide = table.pivot(index="image_path", columns="target", values="predicted")
    assert np.allclose(wide["total"], wide[["green", "dead", "clover"]].sum(axis=1), atol=1e-3)
    score = found["weighted_r2"]
    assert score["low"] < score["value"] < score["high"]
    assert score["value"] > 0.8 > found["mean_of_each_target"]
    assert found["groups"] == 10
    assert [one["pictures"] for one in found["folds"]] == np.bincount(here.division(groups=True).folds[0]).tolist()
    assert set(found["views"]) == {"identity", "hflip"}
    log = pd.read_csv(run.folder / LOG)
    assert log["epoch"].tolist() == list(range(1, 16))
    recipe = yaml.safe_load((run.folder / "recipe.yaml").read_text())
    assert recipe["sums"] == SUMS
    assert recipe["members"][2] == "seed 0 fold 2"


def test_a_run_read_again_answers_the_same(pasture, tmp_path):
    here = pasture()
    run = fitted(here, tmp_path / "run", sums=SUMS, reconcile="weighted")
    again = RegressionRun.load(tmp_path / "run")
    assert again.recipe == run.recipe
    one, other = answer(run, here.store), answer(again, here.store)
    assert np.array_equal(one.y, other.y)
    assert Sums.of(SUMS, run.recipe.targets).off(one.y) < 1e-4
    assert (one.y >= 0).all()
    assert Sums.of(SUMS, run.recipe.targets).off(answer(again, here.store, reconcile="none").y) > 0.1
    frame = one.frame()
    assert list(frame)[:4] == ["image_path", "green", "green spread over folds", "green spread over views"]
    assert frame["green spread over folds"].min() > 0
    assert fitted(here, tmp_path / "run", sums=SUMS, reconcile="weighted").recipe == run.recipe  # done: read, not made


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "recipe.yaml"}


@pytest.mark.parametrize("change", [{}, {"optimiser": "sgd", "patience": 2}, {"adaptive": True, "rho": 0.5}])
def test_a_training_that_is_stopped_goes_on_bit_for_bit(pasture, tmp_path, monkeypatch, change):
    here, training = pasture(), replace(SHORT, **change)
    fitted(here, tmp_path / "whole", training)
    monkeypatch.setattr(learn, "KEEP_SECONDS", 0.0)
    kept, stop_at = [], [2]

    def stopping(learning, out):
        plain(learning, out)
        kept.append(learning.state.step)
        if learning.state.step == stop_at[0]:
            raise KeyboardInterrupt

    plain = fitting.keep
    monkeypatch.setattr(fitting, "keep", stopping)
    for stop_at[0] in (2, 7, 12):
        with pytest.raises(KeyboardInterrupt):
            fitted(here, tmp_path / "stopped", training)
        assert (tmp_path / "stopped" / CHECKPOINT).is_file()
        with pytest.raises(RunError, match="the same command goes on"):
            RegressionRun.load(tmp_path / "stopped")
    stop_at[0] = -1
    fitted(here, tmp_path / "stopped", training)
    assert len(kept) == len(set(kept))  # no step was done twice
    assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "whole")


KILLED = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from vitreous.features.store import FeatureStore
from vitreous.regress import learn
from vitreous.regress.division import divided
from vitreous.regress.fit import Head, fit
from vitreous.regress.heads import HeadConfig
from vitreous.regress.table import read_table
learn.KEEP_SECONDS = 0.05
table = read_table(sys.argv[1], targets=["green", "dead", "clover", "total"])
store = FeatureStore(sys.argv[2])
print("begun", flush=True)
fit(store, table, divided(table, folds=3), Path(sys.argv[3]), Head("patch", HeadConfig(width=16)),
    learn.Training(epochs=60, batch_size=8, lr=0.02))
"""


@pytest.mark.slow
def test_a_killed_process_goes_on_bit_for_bit(pasture, tmp_path):
    here = pasture()
    command = [sys.executable, "-c", KILLED, str(here.csv), str(here.store.path)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    out, killed = tmp_path / "killed", 0
    while not (out / WEIGHTS).is_file():
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        before = (out / CHECKPOINT).stat().st_mtime_ns if (out / CHECKPOINT).is_file() else 0
        while killed < 3 and process.poll() is None:
            time.sleep(0.02)
            if (out / CHECKPOINT).is_file() and (out / CHECKPOINT).stat().st_mtime_ns > before:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                break
        process.wait()
        process.stdout.close()
    assert killed > 0
    assert bytes_of(out) == bytes_of(tmp_path / "whole")


def test_another_recipe_in_the_folder_is_refused_with_the_difference(pasture, tmp_path):
    here = pasture()
    fitted(here, tmp_path / "run", replace(SHORT, epochs=1))
    with pytest.raises(RunError) as caught:
        fitted(here, tmp_path / "run", replace(SHORT, epochs=2))
    assert "'epochs': 1" in str(caught.value)
    assert "Choose another --out" in str(caught.value)


def test_weights_that_do_not_fit_are_refused(pasture, tmp_path):
    run = fitted(pasture(), tmp_path / "run", replace(SHORT, epochs=1))
    path = run.folder / "recipe.yaml"
    plain = path.read_text()
    path.write_text(plain.replace("width: 16", "width: 17"))
    with pytest.raises(RunError, match="do not fit its recipe"):
        RegressionRun.load(run.folder)
    path.write_text(plain.replace("kind: dense regression", "method: dinosaur"))
    with pytest.raises(RunError, match="not a run of dense regression: its recipe is of dinosaur"):
        RegressionRun.load(run.folder)
    path.unlink()
    with pytest.raises(RunError, match="is not a run"):
        RegressionRun.load(run.folder)


def test_features_of_another_kind_are_refused(pasture, tmp_path, blobs_store):
    here = pasture()
    run = fitted(here, tmp_path / "run", replace(SHORT, epochs=1))
    with pytest.raises(FeatureMismatch, match="fit: squash, not crop"):
        answer(run, blobs_store())
    with pytest.raises(FeatureMismatch, match="holds patches, which is not what a cls head looks at"):
        fit(here.store, here.table, here.division(), tmp_path / "other", Head("cls"), SHORT)


def test_a_sum_that_cannot_be_is_refused_before_the_training(pasture, tmp_path):
    with pytest.raises(RunError, match='speaks of "weeds"'):
        fitted(pasture(), tmp_path / "run", sums=["total = green + weeds"])
    assert not (tmp_path / "run").exists()


def test_seeds_are_members_of_their_own(pasture, tmp_path):
    here = pasture()
    run = fit(
        here.store, here.table, here.division(folds=2, seeds=2), tmp_path / "run", SMALL, replace(SHORT, epochs=2)
    )
    assert run.ensemble.members == ("seed 0 fold 0", "seed 0 fold 1", "seed 1 fold 0", "seed 1 fold 1")
    first = run.ensemble.heads.state_dict()["weights.0"]
    assert not torch.equal(first[0], first[8])
    table = pd.read_csv(run.folder / "out_of_fold.csv", dtype={"fold": str})
    assert table["fold"].str.fullmatch("[01] [01]").all()
