import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor

import lance
import numpy as np
import pytest
import torch

from vitreous.errors import DataError, StoreError
from vitreous.features.store import FeatureStore, free_memory


def test_rows_come_in_the_order_asked_for(fill, mixed):
    store = fill(mixed)
    everything = store.batch(range(12))
    for rows in ([5], [3, 1, 2], [7, 7, 0], np.array([11, 0]), torch.tensor([4, 9]), []):
        assert torch.equal(store.batch(rows), everything[torch.as_tensor(np.asarray(rows, dtype=np.int64))])
    assert store.batch([1]).dtype == torch.float16
    with pytest.raises(IndexError):
        store.batch([12])
    with pytest.raises(IndexError):
        store.batch([-1])


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="needs preadv")
def test_direct_reading_gives_what_lance_reads(fill, mixed, averages):
    store = fill(mixed, averages(dim=64), commit_rows=4)  # several files; Lance packs small rows, and takes them itself
    assert store.direct is not None
    rows = [11, 3, 3, 0, 7]
    assert torch.equal(store.batch(rows), store.take(rows, ["features"])["features"])
    lance.dataset(str(store.path)).delete("row = 5")  # then rows are no longer where they were counted
    fewer = FeatureStore(store.path)
    assert fewer.direct is None
    assert torch.equal(fewer.batch([4, 5]), store.batch([4, 6]))


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="needs preadv")
def test_a_data_file_that_is_cut_off_is_named(fill, mixed, averages):
    store = fill(mixed, averages(dim=64))
    expected = store.batch([0])
    (file,) = (store.path / "data").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    with pytest.raises(StoreError, match=f"{file.name} is cut off"):
        store.batch([0])
    file.unlink()
    with pytest.raises(StoreError, match=f"{file.name} cannot be read: No such file"):
        store.batch([0])
    file.write_bytes(whole)
    assert torch.equal(store.batch([0]), expected)


def test_pinned_is_the_same(fill, mixed):
    store, pinned = fill(mixed), fill(mixed)
    assert pinned.pin()
    assert pinned.pinned is not None
    assert torch.equal(pinned.batch([3, 1, 7]), store.batch([3, 1, 7]))
    assert not fill(mixed).pin(share=0.0)
    assert free_memory() > 0


def test_features_are_standardised_by_the_store(fill, mixed):
    store = fill(mixed)
    x = store.features(range(12))
    torch.testing.assert_close(x.mean((0, 1, 2)), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((0, 1, 2), correction=0), torch.ones(6))
    assert torch.equal(store.features([1], "none"), store.batch([1]).float())


def test_windows_stay_within_clip_and_view(fill, mixed):
    store = fill(mixed, views=("identity", "hflip"))
    windows = store.windows(2)
    assert windows.shape == (2 * (2 + 2), 2)
    for rows in windows:
        assert len({(store.key(r), store.view[r]) for r in rows}) == 1
        assert np.diff(store.frame_index[rows]).tolist() == [1]
    assert sorted(store.windows(1)[:, 0].tolist()) == list(range(24))
    assert store.windows(5).shape == (2, 5)
    assert store.windows(6).shape == (0, 6)
    starts = {tuple(store.windows(4, np.random.default_rng(seed))[0]) for seed in range(20)}
    assert starts == {(0, 2, 4, 6), (2, 4, 6, 8)}


def test_windows_do_not_bridge_a_missing_frame(fill, scenes):
    store = fill(scenes({"a": 7}, bad=("a/3",)), on_error="skip")
    assert [store.frame_index[w].tolist() for w in store.windows(3)] == [[0, 1, 2], [4, 5, 6]]
    assert store.windows(4).shape == (0, 4)


def test_misspelt_names_get_help(fill, mixed, tmp_path):
    store = fill(mixed)
    with pytest.raises(DataError, match="holds no clip"):
        store.rows("z")
    with pytest.raises(StoreError, match="holds no view"):
        store.rows("a", "hflip")
    with pytest.raises(StoreError, match=r"No feature store at .*\nMake one:  vitreous extract"):
        FeatureStore(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="is not a feature store"):
        FeatureStore(tmp_path / "folder")


def test_lance_data_of_others_is_refused(tmp_path):
    import pyarrow as pa

    lance.write_dataset(pa.table({"a": [1]}), str(tmp_path / "other.lance"))
    with pytest.raises(StoreError, match="no vitreous metadata"):
        FeatureStore(tmp_path / "other.lance")


def test_an_empty_store_says_so(fill, scenes):
    store = fill(scenes({"a": 1}, bad=("a/0",)), on_error="skip")
    assert len(store) == 0
    assert store.keys == []
    with pytest.raises(StoreError, match="is empty"):
        _ = store.stats


def test_an_open_store_stays_as_it_was(fill, scenes):
    small = fill(scenes({"a": 5}))
    grown = fill(scenes({"a": 5, "b": 9}))
    assert (len(small), len(grown)) == (5, 14)
    assert torch.equal(small.batch(range(5)), grown.batch(range(5)))
    assert small.stats.count == 5


@pytest.mark.parametrize("method", [pytest.param("spawn", marks=pytest.mark.slow), "fork"])
@pytest.mark.filterwarnings("ignore:lance is not fork-safe")
def test_works_in_other_processes(fill, mixed, method):
    store = fill(mixed)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        there = pool.submit(store.batch, [1, 3]).result(timeout=60)
    assert torch.equal(there, store.batch([1, 3]))


def test_can_be_pickled(fill, mixed):
    store = fill(mixed)
    again = pickle.loads(pickle.dumps(store))
    assert torch.equal(again.batch([1]), store.batch([1]))
