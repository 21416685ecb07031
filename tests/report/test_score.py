import json

import numpy as np
import pytest

from vitreous.errors import FeatureMismatch, RunError
from vitreous.report.contact import result_sheet
from vitreous.report.score import print_table, score
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
