import json

import numpy as np
import pandas as pd
import pytest

from vitreous.errors import FeatureMismatch, RunError, StoreError
from vitreous.features.store import FeatureStore
from vitreous.report.contact import result_sheet
from vitreous.report.score import print_details, print_table, score
from vitreous.report.scored import read_scored
from vitreous.train.fit import fit
from vitreous.train.module import Training


@pytest.fixture(scope="module")
def run(blobs_store, tmp_path_factory):
    config = dict(slots=4, slot_dim=16, decoder_width=16, decoder_layers=2)
    training = Training(steps=30, batch_size=4)
    folder = tmp_path_factory.mktemp("runs") / "blobs"
    return fit(blobs_store(), folder, "dinosaur", config, training, precision="32-true", device="cpu", progress=False)


def test_a_run_is_scored_beside_rows_that_learn_nothing(run, blobs_store):
    table = score(run, blobs_store(clips=6, seed=1))
    ours, kmeans, superpixels, ceiling = table.values()
    assert ours["fg_ari"].mean > 0.9  # plain colours: easy
    assert kmeans["fg_ari"].mean > 0.9
    assert superpixels["ari"].mean > 0.5  # a 5x5 median rounds the corners of such small pictures
    assert ceiling["mbo"].mean >= ours["mbo"].mean - 0.02
    assert all(0 <= s.low <= s.mean <= s.high <= 1 for row in table.values() for s in row.values())
    saved = json.loads((run.folder / "scores.json").read_text())
    assert saved["data"]["pictures"] == 6
    assert len(saved["rows"]["dinosaur (4 slots)"]["mbo"]["values"]) == 6
    assert "dinosaur (4 slots)" in print_table(table)


def test_a_line_per_picture_and_every_break_down(run, blobs_store):
    table = score(run, blobs_store(clips=6, seed=1), baselines=False)
    (name,) = table
    lines = pd.read_csv(run.folder / "scores.csv")
    assert list(lines)[:4] == ["key", "frame", "view", "row"]
    assert lines["fg_ari"].tolist() == pytest.approx(list(table[name]["fg_ari"].values), abs=1e-6)
    assert set(lines["materials"]) == {"rubber"}
    assert set(lines["objects"]) == {3}
    saved = json.loads((run.folder / "scores.json").read_text())
    for column, value in (("scene", "rubber"), ("objects", "3")):
        part = saved["by"][column][value][name]["boundary_f"]
        assert part["count"] == 6
        assert part["mean"] == pytest.approx(table[name]["boundary_f"].mean)
    assert saved["best_iou"]["material"]["rubber"][name]["best_iou"]["count"] == 18
    assert sum(rows[name]["best_iou"]["count"] for rows in saved["best_iou"]["size"].values()) == 18
    assert saved["clips"] == saved["by"]["frame_of_clip"] == {}
    assert 1 < saved["diagnostics"]["active_slots"]["mean"] <= 4
    assert 0 < saved["diagnostics"]["mean_fill"]["mean"] < 2
    shown = print_details(run.folder)
    assert "rubber (6)" in shown
    assert "rubber (18)" in shown
    assert "mean_fill" in shown
    assert max(map(len, shown.splitlines() + print_table(table).splitlines())) <= 100


def test_clips_are_scored_as_one_image_beside_their_frames(run, blobs_store):
    table = score(run, blobs_store(clips=4, frames=3, seed=3))
    saved = json.loads((run.folder / "scores.json").read_text())
    assert list(saved["clips"]) == list(table)
    assert all(len(row["mbo"].values) == 12 for row in table.values())
    assert all(len(row["video_mbo"]["values"]) == 4 for row in saved["clips"].values())
    ceiling = saved["clips"]["ceiling of the grid"]
    assert ceiling["video_fg_ari"]["mean"] > 0.9  # ids for slots: only corners are cut
    assert ceiling["keeps_object"]["mean"] == 1
    ends = saved["by"]["frame_of_clip"]
    assert [ends[end]["ceiling of the grid"]["mbo"]["count"] for end in ("first", "last")] == [4, 4]
    assert "video_fg_ari" in print_details(run.folder)


def test_what_comparing_needs_is_kept(run, blobs_store):
    store = blobs_store(clips=4, frames=3, seed=3)
    table = score(run, store)
    saved = json.loads((run.folder / "scores.json").read_text())
    assert saved["conventions"]["resolution"] == ["32x32"]
    assert saved["conventions"]["refine"] is None
    assert len(saved["data"]["list"]) == len(saved["data"]["truth"]) == 64
    found = read_scored(run.folder)
    assert found.row == next(iter(table)) == "dinosaur (4 slots)"
    assert found.rows == list(table)
    own = found.pictures[found.pictures["row"] == found.row]
    assert own["mbo"].tolist() == pytest.approx(list(table[found.row]["mbo"].values), abs=1e-6)
    assert found.objects.groupby(["key", "frame", "row"]).size().unique().tolist() == [3]
    assert set(found.objects["material"]) == {"rubber"}
    assert len(found.clips) == 4 * len(table)
    assert found.slots[["key", "frame"]].equals(own[["key", "frame"]].reset_index(drop=True))
    assert found.slots["active_slots"].between(1, 4).all()


def test_other_masks_of_the_same_pictures_compare(run, blobs_store):
    """What was scored does not depend on rows, refinement or the order of batches."""
    kept = []
    for options in ({"baselines": False}, {"refine": True}):
        score(run, blobs_store(clips=6, seed=1), **options)
        kept.append(read_scored(run.folder))
    assert kept[0].data == kept[1].data
    assert kept[0].conventions | {"refine": None} == kept[1].conventions | {"refine": None}
    assert kept[1].conventions["refine"].startswith("guided filter")
    assert read_scored(run.folder, refined=True).row == "dinosaur (4 slots), refined"


def test_regions_apart_are_scored_as_segments_of_their_own(run, blobs_store):
    """Objects of one kind in one picture, which share a slot: apart they are found."""
    store = blobs_store(clips=6, seed=1)
    together = score(run, store, same=1.2, baselines=False)["dinosaur (4 slots, pruned)"]
    table = score(run, store, same=1.2, apart=8, refine=True)
    divided = table["dinosaur (4 slots, pruned), apart"]
    assert divided["fg_ari"].mean > together["fg_ari"].mean + 0.2
    assert {"k-means, true number, apart", "ceiling of the grid, refined"} < set(table)
    assert json.loads((run.folder / "scores.json").read_text())["conventions"]["apart"] == 8
    with pytest.raises(RunError, match="apart is for stills, and .* holds videos"):
        score(run, blobs_store(clips=4, frames=3, seed=3), apart=0.01)


def test_nothing_to_score_is_named(run, blobs_store):
    store = FeatureStore(blobs_store(clips=6, seed=1).path)
    store.row = store.row[:0]  # as where an extraction has only begun
    with pytest.raises(StoreError, match="is empty: there is nothing to score"):
        score(run, store)


def test_refined_masks_are_rows_of_their_own(run, blobs_store):
    table = score(run, blobs_store(clips=6, seed=1), refine=True)
    assert list(table)[:3] == ["dinosaur (4 slots)", "dinosaur (4 slots), refined", "k-means, true number"]
    assert table["dinosaur (4 slots), refined"]["mbo"].mean > 0.9  # plain colours with sharp edges


def test_scoring_on_the_training_data_is_refused(run, blobs_store):
    with pytest.raises(RunError, match="(?s)the very data.*--on-training-data"):
        score(run, blobs_store())
    assert score(run, blobs_store(), baselines=False, on_training_data=True)


def test_features_of_another_backbone_are_refused(run, blobs_store, tmp_path):
    other = blobs_store(clips=3, seed=2)
    other.meta.backbone["digest"] = "other weights"
    with pytest.raises(FeatureMismatch, match="(?s)was trained on coloured_patches.*but .* holds .*vitreous extract"):
        score(run, other)


def test_the_result_sheet_shows_picture_features_truth_and_slots(run, blobs_store, tmp_path):
    from PIL import Image

    path = result_sheet(run, blobs_store(clips=6, seed=1), tmp_path / "sheet.png", rows=[0, 5])
    page = np.asarray(Image.open(path))
    assert page.shape == (22 + 2 * 198 + 6, 5 * 198 + 6, 3)
    assert (page[30:, 2 * 198 + 6 : 3 * 198] != page[30:, 3 * 198 + 6 : 4 * 198]).any()
