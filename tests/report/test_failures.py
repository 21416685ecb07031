import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from vitreous.cli.main import main
from vitreous.errors import RunError
from vitreous.features.store import FeatureStore
from vitreous.metrics.faults import CAUSES
from vitreous.report.failure_sheet import error_picture, failure_sheet, prediction_picture, truth_picture
from vitreous.report.failures import Failure, cause_table, most_different, predicted, print_failures, worst
from vitreous.report.score import score
from vitreous.report.scored import read_scored
from vitreous.train.fit import fit
from vitreous.train.module import Training

TRUE = np.zeros((16, 16), np.int32)
TRUE[2:8, 2:8], TRUE[2:8, 8:14], TRUE[10:14, 2:14] = 1, 2, 3


@pytest.fixture(scope="module")
def runs(blobs_store, tmp_path_factory):
    """Two scored runs: one finds the blobs, the other has two slots only."""
    folder, made = tmp_path_factory.mktemp("runs"), []
    for name, slots in (("four", 4), ("two", 2)):
        config = dict(slots=slots, slot_dim=16, decoder_width=16, decoder_layers=2)
        training = Training(steps=5, batch_size=4)
        run = fit(
            blobs_store(),
            folder / name,
            "dinosaur",
            config,
            training,
            precision="32-true",
            device="cpu",
            progress=False,
        )
        score(run, blobs_store(clips=6, seed=1), baselines=False, refine=True)
        made.append(run.folder)
    return made


def look(labels, reach=0):
    """Of patches of 2 * reach pixels."""
    side = 16 // (2 * reach) if reach else 40
    return predicted("run", 0.5, torch.from_numpy(labels.astype(np.int64)), TRUE, (side, side))


def said(labels, reach=0):
    return [(cause.name, cause.says) for cause in look(labels, reach=reach).causes]


def test_nothing_wrong_has_no_cause():
    found = look(TRUE + 5)
    assert found.causes == ()
    assert found.owner == {5: 0, 6: 1, 7: 2, 8: 3}


def test_causes_in_words():
    assert said(np.where(TRUE == 2, 1, TRUE)) == [("merged", "2 with 1")]
    assert said(np.where(TRUE == 3, 0, TRUE)) == [("missed", "3 in the background's slot")]
    halves = TRUE.copy()
    halves[10:14, 8:14] = 9
    assert said(halves) == [("split", "3 in more than one slot")]
    spill = TRUE.copy()
    spill[8:10, 2:14] = 3
    assert said(spill) == [("background leak", "background in the slot of 3")]
    torn = TRUE.copy()
    torn[:, 15], torn[0, :15] = 9, 8
    assert said(torn) == [("background split", "background in 3 slots")]


def test_the_likely_cause_leads_and_borders_stand_behind_what_makes_up_a_fifth():
    both = np.where(TRUE == 2, 1, TRUE)
    both[8:10, 2:14] = 3  # 24 pixels at most one from a border, 36 of object 2
    found = look(both, reach=1).causes
    assert [cause.name for cause in found] == ["merged", "border bleed"]
    assert [cause.share for cause in found] == pytest.approx([36 / 60, 24 / 60])
    more = np.where((TRUE == 2) & (np.arange(16) > 11), 9, TRUE)  # 12 pixels, of which 2 are far from borders
    more[8:10, 2:14] = 3
    assert look(more, reach=2).causes[0].name == "border bleed"


def test_the_worst_scenes_come_worst_first(runs, blobs_store):
    run = read_scored(runs[1])
    found = worst(run, 4, "fg_ari")
    own = run.pictures[run.pictures["row"] == run.row]
    assert [f.predictions[0].value for f in found] == sorted(own["fg_ari"])[:4]
    store = blobs_store(clips=6, seed=1)
    frame = store.frame(store.rows(found[0].key)[0])
    assert (found[0].true == frame.ids).all()
    assert found[0].predictions[0].labels.max() <= 1  # two slots
    # one slot for three blobs, or none: either way some have none of their own
    assert found[0].predictions[0].causes[0].name in ("merged", "missed")


def test_two_runs_on_the_scenes_where_they_differ_most(runs):
    one, other = (read_scored(run) for run in runs)
    found = most_different(one, other, 3, "fg_ari")
    differ = [abs(f.predictions[0].value - f.predictions[1].value) for f in found]
    assert differ == sorted(differ, reverse=True)
    assert [p.run for p in found[0].predictions] == ["four", "two"]
    lines = print_failures(found).splitlines()
    assert len(lines) == 6
    assert "two  fg_ari" in lines[1]
    table = cause_table(found)
    assert set(table["run"]) <= {"four", "two"}
    assert set(table["cause"]) <= set(CAUSES)


def test_only_the_worst_frame_of_a_clip(runs, blobs_store, tmp_path):
    from shutil import copytree

    from vitreous.runs import Run

    folder = copytree(runs[1], tmp_path / "clips")
    score(Run.load(folder), blobs_store(clips=4, frames=3, seed=3), baselines=False)
    run = read_scored(folder)
    found = worst(run, 10)
    assert len({f.key for f in found}) == len(found) == 4
    own = run.pictures[run.pictures["row"] == run.row].groupby("key")["mbo"].min()
    assert {f.key: f.predictions[0].value for f in found} == own.to_dict()


def test_runs_that_were_not_scored_alike_are_refused(runs, blobs_store, tmp_path):
    from shutil import copytree

    from vitreous.runs import Run

    folder = copytree(runs[0], tmp_path / "elsewhere")
    score(Run.load(folder), blobs_store(clips=3, seed=2), baselines=False)
    with pytest.raises(RunError, match=r"(?s)not scored alike.*pictures"):
        most_different(read_scored(runs[1]), read_scored(folder))


def test_an_unknown_metric_is_named(runs):
    with pytest.raises(RunError, match='"fgari".*Did you mean "fg_ari"'):
        worst(read_scored(runs[0]), metric="fgari")
    with pytest.raises(RunError, match="no picture to show"):
        worst(read_scored(runs[0]), count=0)


def test_a_store_that_holds_other_pictures_is_refused(runs, blobs_store, monkeypatch):
    run = read_scored(runs[0])
    run.data["store"] = str(blobs_store(clips=3, seed=2).path)
    with pytest.raises(RunError, match=r"(?s)holds other pictures.*vitreous score"):
        worst(run)


def failure(labels):
    image = np.full((16, 16, 3), 100, np.uint8)
    return Failure("a/b", 0, "identity", "mbo", image, TRUE, (look(labels),))


def test_an_objects_slot_has_its_colour_and_the_background_is_left_as_it_is():
    found = failure(TRUE + 5)
    painted, truth = prediction_picture(found.image, found.predictions[0]), truth_picture(found)
    assert (painted[0, 0] == 100).all()
    ratio = truth.shape[0] // 16
    for y, x in ((4, 4), (4, 11), (12, 4)):
        expected = 0.45 * 100 + 0.55 * truth[y * ratio, x * ratio].astype(float)
        assert np.abs(painted[y, x] - expected).max() < 1


def test_errors_are_coloured_by_cause_and_what_is_right_is_grey():
    found = failure(np.where(TRUE == 2, 1, TRUE))
    errors = error_picture(found.image, found.predictions[0].errors)
    assert (errors[0, 0] == 50).all()
    assert len(np.unique(errors[2:8, 8:14].reshape(-1, 3), axis=0)) == 1
    assert (errors[4, 10] != errors[4, 4]).any()
    ignored = error_picture(found.image, np.full((16, 16), -1))
    assert (ignored == 255).all()


def test_the_sheet_has_a_column_for_each_look(runs):
    one, other = (read_scored(run) for run in runs)
    assert failure_sheet(worst(one, 2)).size == (5 * 198 + 6, 22 + 2 * 198 + 6)
    assert failure_sheet(most_different(one, other, 3)).size == (8 * 198 + 6, 22 + 3 * 198 + 6)


def test_the_command(runs, tmp_path, capsys):
    arguments = [str(runs[0]), str(runs[1]), "--out", str(tmp_path / "f"), "--count", "2", "--refined"]
    assert main(["failures", *arguments]) == 0
    assert "failures.png" in capsys.readouterr().out
    assert Image.open(tmp_path / "f" / "failures.png").size[0] == 8 * 198 + 6
    assert {"cause", "share", "says", "mbo"} <= set(pd.read_csv(tmp_path / "f" / "failures.csv"))


def test_a_scored_store_without_ids_cannot_be(runs, monkeypatch):
    from dataclasses import replace

    plain = FeatureStore.frame
    monkeypatch.setattr(FeatureStore, "frame", lambda self, row: replace(plain(self, row), ids=None))
    with pytest.raises(RunError, match="holds no ids"):
        worst(read_scored(runs[0]), 1)
