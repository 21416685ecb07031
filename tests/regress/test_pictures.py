import numpy as np
import pytest
import torch

from vitreous.errors import DataError, StoreError
from vitreous.regress.pictures import WHOLE, Pictures, keys_in, tile_of, twins

TILES = ("crop:0,0,0.5,1", "crop:0.5,0,1,1", "crop:0,0,0.5,1+hflip", "crop:0.5,0,1,1+hflip")


def test_a_view_and_its_crop():
    assert tile_of("hflip+blur:5") == ("hflip+blur:5", WHOLE)
    assert tile_of("crop:0,0,0.5,1") == ("identity", (0, 0, 0.5, 1))
    assert tile_of("crop:0,0,0.5,1+rot90+blur:5") == ("rot90+blur:5", (0, 0, 0.5, 1))


def test_tiles_of_a_view_are_looked_at_together(pasture):
    here = pasture(12, TILES)
    pictures = Pictures.of_store(here.store)
    assert pictures.views == ("identity", "hflip")
    assert pictures.tiles == ((0, 0, 0.5, 1), (0.5, 0, 1, 1))
    x = pictures.patches(np.array([3, 5]), np.array([1, 0]), here.store.standardiser())
    assert x.shape == (2, 2 * 64, 8)
    rows = [int(here.store.rows(pictures.keys[3], view)[0]) for view in TILES[2:]]
    assert torch.equal(x[0], here.store.features(rows).flatten(0, 2))


def test_some_pictures_and_some_views_in_an_order(pasture):
    here = pasture(12, TILES)
    keys = here.store.keys
    some = Pictures.of_store(here.store, [keys[4], keys[1]], ["hflip"])
    assert some.rows.shape == (2, 1, 2)
    assert here.store.key(some.rows[0, 0, 0]) == keys[4]
    assert some[np.array([1])].keys == [keys[1]]
    assert len(some[np.array([True, False])]) == 1
    assert some.shape == (2,)


def test_what_is_not_there_is_named(pasture, blobs_store):
    here = pasture(12, TILES)
    with pytest.raises(DataError, match='holds no picture "images/0099.png"'):
        Pictures.of_store(here.store, ["images/0099.png"])
    with pytest.raises(StoreError, match='no view "vflip". Did you mean "hflip"'):
        Pictures.of_store(here.store, None, ["vflip"])
    with pytest.raises(DataError, match="a video of 3 frames: a number belongs to a picture"):
        Pictures.of_store(blobs_store(2, 3))


def test_names_with_endings_are_found_in_a_store_without(blobs_store):
    store = blobs_store()
    assert keys_in(store, ["clip_00.png", "clip_03.jpg"]) == ["clip_00", "clip_03"]
    assert keys_in(store, ["clip_00"]) == ["clip_00"]
    assert keys_in(store, ["nowhere.png"]) == ["nowhere.png"]


def test_the_same_picture_twice_is_found(tmp_path, blobs):
    from PIL import Image

    from vitreous.data.listed import ListedPictures
    from vitreous.features.extract import extract

    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    source = ListedPictures(tmp_path, ["a.png", "b.png", "c.png"])
    store = extract(source, tmp_path / "s.lance", blobs[1](), grid=8, fit="squash", progress=False)
    assert twins(Pictures.of_store(store)) == [(0, 2)]
