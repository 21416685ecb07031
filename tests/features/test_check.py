import lance
import numpy as np
import pyarrow as pa
import pytest

from vitreous.features.format import LANCE_FILE_VERSION
from vitreous.features.store import FeatureStore


def tamper(store, row, **changes):
    """Write one row anew with other values."""
    dataset = lance.dataset(str(store.path))
    table = dataset.to_table(filter=f"row = {row}")
    for name, value in changes.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), value)
    dataset.delete(f"row = {row}")
    lance.write_dataset(table, str(store.path), mode="append", data_storage_version=LANCE_FILE_VERSION)
    return FeatureStore(store.path)


def other_features(store, row, change):
    values = store.batch([row]).numpy().copy()
    change(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.size)


def test_an_intact_store_passes(fill, mixed, averages):
    store = fill(mixed, views=("identity", "hflip"))
    found = store.check(4, averages())
    assert found.problems == []
    assert "4 stored pictures computed again: 4 equal bit for bit" in found.notes[0]


def test_missing_rows_are_found(fill, mixed, averages):
    store = fill(mixed)
    lance.dataset(str(store.path)).delete("row in (3, 4)")
    found = FeatureStore(store.path).check(0)
    assert len(found.problems) == 1
    assert "2 of 12 rows are missing: 3, 4" in found.problems[0]
    assert "vitreous extract" in found.problems[0]


def test_skipped_rows_are_a_note(fill, scenes, averages):
    store = fill(scenes({"a": 5, "b": 1}, bad=("b/0",)), on_error="skip")
    found = store.check(4, averages())
    assert found.problems == []
    assert "1 of 6 rows are missing: 5" in found.notes[0]


def test_doubled_rows_are_refused(fill, mixed):
    store = fill(mixed)
    dataset = lance.dataset(str(store.path))
    lance.write_dataset(dataset.to_table(filter="row = 3"), str(store.path), mode="append")
    with pytest.raises(Exception, match="row 3 is there twice"):
        FeatureStore(store.path)


def test_changed_bytes_are_found(fill, mixed, averages):
    def flip_a_bit(values):
        values.view(np.uint16).reshape(-1)[5] ^= 1

    store = fill(mixed)
    store = tamper(store, 7, features=other_features(store, 7, flip_a_bit))
    assert store.check(0).problems == ["1 rows are not what was written (checksum): 7"]


def test_features_that_are_not_finite_are_found(fill, mixed):
    store = fill(mixed)
    store = tamper(store, 2, features=other_features(store, 2, lambda x: x.reshape(-1).__setitem__(0, np.nan)))
    assert "1 rows hold features that are not finite: 2" in store.check(0).problems


def test_features_of_another_picture_are_found(fill, mixed, averages):
    class Another(averages):
        def __call__(self, images):
            return super().__call__(images.flip(3))

    store = fill(mixed, Another())
    found = store.check(4, averages())
    assert "come out differently now" in found.problems[0]


def test_other_weights_under_the_same_name_are_found(fill, mixed, averages):
    found = fill(mixed).check(4, averages(scale=2.0))
    assert "are not those that made this store" in found.problems[0]
