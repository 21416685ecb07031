from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader

from vitreous.errors import StoreError, VitreousError


def equal(a, b):
    return a.keys == b.keys and torch.equal(a.features, b.features)


@pytest.fixture
def store(fill, scenes):
    return fill(scenes({"a": 5, "b": 1, "c": 1, "d": 4, "e": 9, "f": 1}))  # 21 frames


@pytest.mark.parametrize("pin", [True, False])
def test_an_epoch_shows_every_frame_once(store, pin):
    everything = store.features(range(21))
    loader = store.loader(7, pin=pin)
    assert len(loader) == 3
    seen = torch.cat([batch.features[:, 0] for batch in loader])
    assert seen.shape == everything.shape
    found = (seen.flatten(1)[:, None] == everything.flatten(1)[None]).all(2)
    assert found.sum(0).tolist() == [1] * 21


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("pin", [True, False])
def test_resumed_sees_what_it_would_have_seen(store, frames, pin):
    whole = list(islice(store.loader(2, frames=frames, pin=pin).batches(), 12))
    rest = list(islice(store.loader(2, frames=frames, pin=pin).batches(start=5), 7))
    assert all(equal(a, b) for a, b in zip(whole[5:], rest, strict=True))
    assert whole[0].features.shape == (2, frames, 4, 4, 6)


def test_seed_and_epoch_change_the_order(store):
    loader = store.loader(7)
    first, second = list(loader), list(loader)
    assert any(not equal(a, b) for a, b in zip(first, second, strict=True))
    endless = list(islice(loader.batches(), 6))
    assert all(equal(a, b) for a, b in zip(first + second, endless, strict=True))
    other = list(store.loader(7, seed=1))
    assert any(not equal(a, b) for a, b in zip(first, other, strict=True))


def test_windows_are_consecutive_frames_of_one_clip(store):
    for batch in islice(store.loader(2, frames=3, standardise="none").batches(), 20):
        for key, clip in zip(batch.keys, batch.features, strict=True):
            stored = store.features(store.rows(key), "none")
            starts = [i for i in range(len(stored) - 2) if torch.equal(stored[i : i + 3], clip)]
            assert len(starts) == 1


def test_in_order_without_shuffle(store):
    loader = store.loader(4, shuffle=False)
    assert len(loader) == 6
    assert torch.equal(torch.cat([b.features[:, 0] for b in loader]), store.features(range(21)))
    assert [len(b.keys) for b in loader] == [4, 4, 4, 4, 4, 1]


def test_a_small_store_makes_one_batch_of_all_it_has(store):
    assert [len(b.keys) for b in store.loader(100)] == [21]


def test_shards_divide_the_batches(store):
    whole = list(islice(store.loader(3).batches(), 10))
    parts = [list(islice(store.loader(3, shard=(rank, 2)).batches(), 5)) for rank in (0, 1)]
    assert all(equal(whole[2 * i + rank], parts[rank][i]) for i in range(5) for rank in (0, 1))


@pytest.mark.parametrize("pin", [pytest.param(True, marks=pytest.mark.slow), False])
def test_workers_of_a_dataloader_share_an_epoch(store, pin):
    loader = store.loader(3, pin=pin)
    expected = list(loader)
    loader.set_epoch(0)
    spawned = DataLoader(loader, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert all(equal(a, b) for a, b in zip(expected, spawned, strict=True))


def test_standardises_as_asked(store):
    batch = next(iter(store.loader(21, standardise="token")))
    torch.testing.assert_close(batch.features.mean(-1), torch.zeros(21, 1, 4, 4), atol=1e-5, rtol=0)


def test_what_cannot_be_is_named(store):
    with pytest.raises(StoreError, match="no clip has 10 consecutive frames"):
        store.loader(2, frames=10)
    with pytest.raises(VitreousError, match="at least 1"):
        store.loader(0)
    with pytest.raises(VitreousError, match='Did you mean "token"'):
        store.loader(2, standardise="tokn")
