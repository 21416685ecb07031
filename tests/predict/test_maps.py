"""Maps lie on the picture, whatever views and tiles they come from, and their mean is the number."""

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.errors import VitreousError
from vitreous.predict.maps import assembled, shown, turned_back, value_maps, write_maps
from vitreous.predict.tta import SIX, SIX_AS_PUBLISHED, view_list
from vitreous.regress.answers import Answers
from vitreous.regress.ensemble import Ensemble, mean_over
from vitreous.regress.heads import HeadConfig
from vitreous.regress.pictures import Pictures
from vitreous.regress.scaling import Scaling


class Striped:
    """A source of grey pictures, each with one bright patch of its own."""

    name, skipped = "striped", []
    keys = ("a.png", "b.png")

    def length(self, key):
        return 1

    def frames(self, key, start=0):
        from vitreous.types import Frame

        image = np.full((64, 64, 3), 20, np.uint8)
        top, left = {"a.png": (8, 40), "b.png": (48, 16)}[key]
        image[top : top + 8, left : left + 8] = 220
        yield Frame(key, 0, image)

    def instances(self, key):
        return None

    def fingerprint(self):
        return "striped"


@pytest.fixture
def store(tmp_path, blobs):
    """striped pictures in some views: store("six", (1, 1))."""
    from vitreous.features.extract import extract

    def make(views="turns", tiles=(1, 1), fit="squash"):
        seen = view_list(views, tiles)
        return extract(Striped(), tmp_path / "s.lance", blobs[1](), grid=8, fit=fit, views=seen, progress=False)

    return make


def voting(pictures, kind="patch", scaling="mean", **config):
    """Two members that like bright patches, each in its own measure."""
    unit = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
    ensemble = Ensemble.make(
        kind, HeadConfig(width=8, **config), pictures.dim, ["one", "two"], ["spots", "light"], Scaling(scaling, unit),
        pictures.store.standardiser(),
    )  # fmt: skip
    ensemble.heads.start_at(torch.full((4, 1), 0.7))
    return ensemble


def answers(ensemble, pictures, change=lambda y: y):
    y = change(mean_over(ensemble.predict(pictures)))
    return Answers(pictures.keys, ensemble.targets, y, 0 * y, 0 * y)


@pytest.mark.parametrize("kind", ["patch", "linear", "attention"])
@pytest.mark.parametrize("scaling", ["mean", "log1p"])
@pytest.mark.parametrize("tiles", [(1, 1), (2, 2)])
def test_the_mean_of_a_map_is_the_number(store, kind, scaling, tiles):
    pictures = Pictures.of_store(store("turns", tiles))
    ensemble = voting(pictures, kind, scaling)
    found = answers(ensemble, pictures)
    maps = value_maps(ensemble, pictures, found)
    for one, numbers in zip(maps, found.y, strict=True):
        assert one.values.shape == (2, 8 * tiles[0], 8 * tiles[1])
        assert np.allclose(one.values.mean((1, 2)), numbers, rtol=1e-6)
        assert (one.values > -1e-6).all()


def test_numbers_that_were_made_to_add_up_are_the_means_as_well(store):
    pictures = Pictures.of_store(store("identity"))
    ensemble = voting(pictures)
    found = answers(ensemble, pictures, lambda y: y * [1.3, 0.0])
    for one, numbers in zip(value_maps(ensemble, pictures, found), found.y, strict=True):
        assert np.allclose(one.values.mean((1, 2)), numbers, atol=1e-9)


@pytest.mark.parametrize("tiles", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("views", ["identity", "hflip", "rot90", "rot270", "hvflip", "turns"])
def test_maps_lie_on_the_picture(store, views, tiles):
    """Each picture has one bright patch; where the vote for it is highest or lowest, the map must say so there."""
    pictures = Pictures.of_store(store(views, tiles))
    ensemble = voting(pictures, "linear")
    maps = value_maps(ensemble, pictures, answers(ensemble, pictures))
    for one, (top, left) in zip(maps, ((1, 5), (6, 2)), strict=True):
        away = np.abs(one.values[0] - np.median(one.values[0]))
        fine = away.reshape(8, tiles[0], 8, tiles[1]).mean((1, 3))  # more tiles, finer maps
        assert np.unravel_index(fine.argmax(), fine.shape) == (top, left)


@pytest.mark.parametrize("view", ["identity", "hflip", "vflip", "hvflip", "rot90", "rot270", "rot90+hflip+blur:5"])
def test_turning_back_undoes_a_view(view):
    from vitreous.features.views import viewed

    values = np.arange(32.0).reshape(2, 4, 4)
    seen = np.stack([viewed(one, view) for one in values])
    assert np.array_equal(turned_back(seen, view), values)


def test_tiles_are_put_together_in_rows():
    tiles = [np.full((1, 2, 2), float(i)) for i in range(6)]
    boxes = [(c / 3, r / 2, (c + 1) / 3, (r + 1) / 2) for r in range(2) for c in range(3)]
    assert assembled(tiles, boxes)[0, ::2, ::2].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_has_no_map_is_named(store):
    pictures = Pictures.of_store(store("identity turn:90"))
    ensemble = voting(pictures)
    with pytest.raises(VitreousError, match='the view "turn:90" cannot be put back in place: turned by an angle'):
        value_maps(ensemble, pictures, answers(ensemble, pictures))
    plain = Pictures.of_store(pictures.store, None, ["identity"])
    pooled = voting(plain, "pooled")
    with pytest.raises(VitreousError, match="--head patch"):
        value_maps(pooled, plain, answers(pooled, plain))


def test_a_map_is_clear_where_nothing_is_and_bright_where_most_is():
    picture = np.full((8, 8, 3), 100, np.uint8)
    values = np.array([[0.0, 1.0], [0.25, 5.0]])
    over = shown(picture, values, 1.0)
    assert (over[:4, :4] == 100).all()
    assert np.array_equal(over[0, 7], over[7, 7])  # beyond the brightest
    assert not np.array_equal(over[7, 0], over[0, 7])


def test_files(store, tmp_path):
    here = store("identity", (2, 2))
    pictures = Pictures.of_store(here)
    ensemble = voting(pictures)
    found = answers(ensemble, pictures)
    written = write_maps(value_maps(ensemble, pictures, found), here, tmp_path / "maps")
    assert [path.name for path in written] == ["a.png", "b.png"]
    with Image.open(written[0]) as sheet:
        assert sheet.size == (3 * (256 + 8) + 8, 256 + 24 + 8)
    kept = np.load(tmp_path / "maps" / "a.npz")
    assert kept["targets"].tolist() == ["spots", "light"]
    assert np.allclose(kept["values"].mean((1, 2)), found.y[0], rtol=1e-5)


def test_lists_of_views():
    assert len(SIX) == len(SIX_AS_PUBLISHED) == 6
    assert SIX[4] == "rot90+blur:5"
    assert SIX_AS_PUBLISHED[5] == "turn:270+blur:5,random"
    assert view_list("six") == SIX
    assert view_list("identity hflip+blur:5") == ("identity", "hflip+blur:5")
    assert len(view_list("six", (2, 3))) == 36
    assert view_list("identity", (3, 1))[1] == "crop:0,0.333333,1,0.666667"
    for wrong in ("sixx", "six hflip"):
        with pytest.raises(VitreousError, match="No view"):
            view_list(wrong)
    with pytest.raises(VitreousError, match="at least 1 x 1"):
        view_list("six", (0, 1))
