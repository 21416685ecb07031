"""Objects are found elsewhere by vector search, and the search gives what plain arithmetic gives."""

import numpy as np
import pytest

from vitreous.errors import FeatureMismatch, VitreousError
from vitreous.features.format import SIDE_FOLDER
from vitreous.report.slot_space import collect
from vitreous.view import fragments
from vitreous.view.nearest import MOST, nearest, slots_table


def test_the_search_agrees_with_the_cosines_of_all_slots(viewer, seen, scenes_store, tmp_path):
    run = viewer.segmenter(seen.run).run
    slot = int(seen.won()[0].argmax())
    space = collect(run, scenes_store, MOST)
    vector = seen.output.slots[0, 0, slot]
    space.table["cosine"] = space.unit @ (vector / vector.norm()).numpy()
    best = space.table.groupby("key")["cosine"].max().sort_values(ascending=False)
    found = nearest(slots_table(run, scenes_store, tmp_path), vector)
    assert [one.key for one in found] == best.index.tolist()[: len(found)]
    assert np.allclose([one.cosine for one in found], best[: len(found)], atol=1e-5)


def test_a_picture_is_not_found_in_itself(viewer, still):
    key = next(iter(viewer.offer.examples))
    seen = viewer.look(still, viewer.example(key))
    found = viewer.elsewhere(seen, 0, int(seen.won()[0].argmax()))
    assert key not in [one.key for one in found]
    assert len(found) == 7
    html = fragments.neighbours(found, viewer.offer.store, "cube")
    assert html.count("<figure>") == 7


def test_the_table_is_made_once_and_lies_in_the_store(viewer, seen, scenes_store, tmp_path):
    run = viewer.segmenter(seen.run).run
    path = slots_table(run, scenes_store, tmp_path)
    written = path.stat().st_mtime_ns
    assert path.parent == scenes_store.path / SIDE_FOLDER
    assert slots_table(run, scenes_store, tmp_path) == path
    assert path.stat().st_mtime_ns == written
    assert not any(tmp_path.iterdir())
    assert scenes_store.open().count_rows() == 8  # the store is what it was


def test_a_store_of_other_features_is_refused(viewer, seen, blobs_store, tmp_path):
    with pytest.raises(FeatureMismatch, match="Extract matching ones"):
        slots_table(viewer.segmenter(seen.run).run, blobs_store(), tmp_path)


def test_a_slot_that_is_not_there(viewer, seen):
    with pytest.raises(VitreousError, match="no slot 99"):
        viewer.elsewhere(seen, 0, 99)
