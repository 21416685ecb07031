from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError, StoreError
from vitreous.features.loader import Loader
from vitreous.features.needs import Beside, provide
from vitreous.features.preprocess import resized
from vitreous.types import Frame

BOTH = frozenset({"pictures", "first_ids"})


@pytest.fixture
def store(fill, scenes):
    return fill(scenes({"a": 5, "b": 1, "d": 4}), views=("identity", "hflip"))


class WithoutIds:
    """A store of a source that knows no ids."""

    def __init__(self, store):
        self.store, self.path, self.meta = store, store.path, store.meta

    def frame(self, row):
        f = self.store.frame(row)
        return Frame(f.key, f.index, f.image)


class Counting(WithoutIds):
    def __init__(self, store):
        super().__init__(store)
        self.read = []

    def frame(self, row):
        self.read.append(row)
        return self.store.frame(row)


def test_pictures_and_first_ids_lie_under_the_patches_of_their_view(store):
    rows = store.windows(2)
    found = Beside(store, BOTH, (8, 8))(rows)
    assert found["pictures"].shape == (len(rows), 2, 3, 8, 8)
    assert found["first_ids"].shape == (len(rows), 8, 8)
    for window, pictures, ids in zip(rows, found["pictures"], found["first_ids"], strict=True):
        frames = [store.frame(row) for row in window]
        for frame, picture in zip(frames, pictures, strict=True):
            expected = torch.tensor(resized(frame.image, (8, 8))).permute(2, 0, 1) / 255
            assert_close(picture, expected)
        side = frames[0].ids.shape[0] // 8
        assert_close(ids, torch.tensor(frames[0].ids[side // 2 :: side, side // 2 :: side], dtype=torch.int64))


def test_the_hflip_view_is_the_picture_flipped(store):
    one, other = (store.rows("b", view) for view in ("identity", "hflip"))
    see = Beside(store, BOTH, (8, 8))
    assert_close(see(other[None])["pictures"], see(one[None])["pictures"].flip(-1), atol=2 / 255, rtol=0)


def test_a_loader_gives_them_with_the_features_and_resumes(store):
    def loader(beside):
        return Loader(store, 2, frames=2, seed=3, beside=beside)

    with_both = list(islice(loader(Beside(store, BOTH, (8, 8), len(store))).batches(), 6))
    rest = list(islice(loader(Beside(store, BOTH, (8, 8))).batches(start=4), 2))
    plain = list(islice(loader(None).batches(), 6))
    for batch, bare in zip(with_both, plain, strict=True):
        assert_close(batch.features, bare.features, atol=0, rtol=0)
        assert bare.pictures is None
        assert batch.pictures.shape == (2, 2, 3, 8, 8)
    for batch, later in zip(with_both[4:], rest, strict=True):
        assert_close(batch.pictures, later.pictures, atol=0, rtol=0)
        assert_close(batch.first_ids, later.first_ids, atol=0, rtol=0)


def test_pictures_are_decoded_once_where_they_last_and_fit(store):
    counting = Counting(store)
    see, rows = Beside(counting, BOTH, (8, 8), lasting=4), np.array([[0, 1], [4, 5]])
    first, again = see(rows), see(rows)
    assert_close(first["pictures"], again["pictures"], atol=0, rtol=0)
    assert counting.read.count(0) == counting.read.count(1) == 1
    assert counting.read.count(4) > 1
    see.room = 2
    see(np.array([[2, 3]]))
    assert set(see.seen) == {0, 1}


def test_nothing_is_read_for_a_method_that_needs_nothing(store):
    counting = Counting(store)
    assert provide(counting, frozenset(), None, "dinosaur", frames=1) is None
    assert not counting.read


def test_ids_without_pictures_have_the_size_of_the_grid(store):
    see = provide(store, frozenset({"first_ids"}), None, "savi", frames=1)
    found = see(np.array([[0], [3]]))
    assert set(found) == {"first_ids"}
    assert found["first_ids"].shape == (2, *store.grid)


def test_what_a_store_lacks_is_named_with_the_command_that_makes_it(store):
    bare = WithoutIds(store)
    with pytest.raises(StoreError, match="does not know the objects' ids") as error:
        provide(bare, BOTH, (8, 8), "savi", frames=1)
    assert str(store.path) in str(error.value)
    assert "vitreous extract SOURCE_WITH_IDS" in str(error.value)

    small = WithoutIds(store)
    small.meta = replace(store.meta, keep_side=32)
    with pytest.raises(StoreError, match="keeps its pictures at 32 px or less, but slate looks at 64 x 96") as error:
        provide(small, frozenset({"pictures"}), (64, 96), "slate", frames=1)
    assert "--keep-side 96" in str(error.value)

    with pytest.raises(StoreError, match="holds the tokens of its backbone alone, but videosaur needs") as error:
        provide(store, frozenset({"keys"}), None, "videosaur", frames=4)
    assert "--facet token+key" in str(error.value)

    with pytest.raises(RunError, match="say --frames 4"):
        provide(store, frozenset({"frames"}), None, "videosaur", frames=1)


def test_ids_that_are_missing_in_the_middle_are_named(store):
    see = Beside(WithoutIds(store), BOTH, (8, 8))
    with pytest.raises(StoreError, match="does not know the objects' ids"):
        see(np.array([[0]]))
