"""`import vitreous as vt`: what a person types first works, offline, on pictures, arrays, films, lists and folders."""

import shutil
from io import BytesIO
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import vitreous as vt
from vitreous import front
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.errors import DataError, RunError
from vitreous.predict import loading
from vitreous.report.found import Found, FoundMany

PICTURE = MINI / "test/clip_00003/rgb/0000.png"
FRAMES = MINI_CLIPS / "test/clip_00001/rgb"


def sizes(run):
    config = vt.Run.load(run).recipe.config
    return config["slots"], config["slot_dim"]


@pytest.fixture(scope="module")
def found():
    return vt.segment(str(PICTURE))


def test_a_picture(found):
    assert isinstance(found, Found)
    assert found.name == "0000"
    assert found.labels.shape == (128, 128)
    slots, width = sizes("still")
    assert found.shares.shape == found.masks.shape == (slots, 128, 128)
    assert found.slots.shape == (slots, width)
    assert 4 <= len(found.present) <= 11
    assert found.masks.sum(0).min() == found.masks.sum(0).max() == 1
    assert [slot for slot in range(slots) if found.masks[slot].any()] == found.present
    assert (found.shares.argmax(0) == found.labels).all()
    assert repr(found) == f"Found('0000': {len(found.present)} segments in 128 x 128 px)"


def test_array_pillow_and_path_are_the_same_picture(found):
    with Image.open(PICTURE) as picture:
        assert (vt.segment(picture).labels == found.labels).all()
        assert (vt.segment(np.asarray(picture.convert("RGB"))).labels == found.labels).all()


def test_runs_are_loaded_once(found):
    before = loading._run.cache_info()
    vt.segment(PICTURE)
    vt.segment(PICTURE, run="still")
    after = loading._run.cache_info()
    assert after.misses == before.misses
    assert after.hits == before.hits + 2
    assert loading._backbone.cache_info().currsize >= 1


def test_a_run_that_was_written_anew_is_read_anew(tmp_path):
    folder = shutil.copytree(vt.Run.load("still").folder, tmp_path / "mine")
    first = loading.warm_run(folder, "cpu")
    assert loading.warm_run(folder, "cpu") is first
    first.save()
    assert loading.warm_run(folder, "cpu") is not first


def test_it_shows_itself(found, monkeypatch):
    shown = []
    monkeypatch.setattr(Image.Image, "show", lambda picture: shown.append(picture.size))
    found.show()
    assert shown == [found.sheet().size] == [(2 * 326 + 6, 22 + 326 + 6)]
    assert found._repr_png_().startswith(b"\x89PNG")
    assert found.overlay.size == (128, 128)


def test_it_saves(found, tmp_path):
    assert found.save(tmp_path) == [tmp_path / "labels/0000.png", tmp_path / "overlays/0000.png"]
    assert (np.asarray(Image.open(tmp_path / "labels/0000.png")) == found.labels).all()


def test_many_pictures(tmp_path, found):
    with Image.open(PICTURE) as picture:
        many = vt.segment(
            [PICTURE, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), MINI / "test/clip_00004/rgb/0000.png"]
        )
    assert isinstance(many, FoundMany)
    assert len(many) == 3
    assert [one.name for one in many] == ["0000", "picture_1", "0000_1"]
    assert many[1].name == "picture_1"
    assert (many[0].labels == found.labels).mean() > 0.99  # in a batch, in another order of sums
    assert many[-1].name == "0000_1"
    with pytest.raises(IndexError, match="no picture 3"):
        many[3]
    assert many.save(tmp_path, ["overlay"]) == tmp_path
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 3


def test_a_film_keeps_its_numbers_and_shows_itself(tmp_path):
    film = np.stack([np.asarray(Image.open(path)) for path in sorted(FRAMES.glob("*.png"))[:9]])
    many = vt.segment(film)
    assert len(many) == 9
    frames = list(many)
    assert [frame.name for frame in frames] == [f"picture_0/{i:04d}" for i in range(9)]
    assert frames[0].slots.shape == sizes("clip") != sizes("still")
    same = [(a.labels == b.labels).mean() for a, b in pairwise(frames)]
    assert min(same) > 0.8
    assert Image.open(BytesIO(many._repr_png_())).size == (3 * 166 + 6, 22 + 2 * 166 + 6)
    many.save(tmp_path, ["gif"])
    assert (tmp_path / "overlays/picture_0.gif").is_file()


def test_min_area_prune_and_refine(found):
    assert len(vt.segment(PICTURE, min_area=0.02).present) < len(found.present)
    assert len(vt.segment(PICTURE, prune=1.9).present) < len(found.present)
    assert (vt.segment(PICTURE, refine=True).labels != found.labels).mean() < 0.1


def test_regions_apart(tmp_path):
    merged = vt.segment(PICTURE, prune=0.8)
    found = vt.segment(PICTURE, prune=0.8, apart=0.004)
    assert len(found.present) > len(merged.present)
    assert len(found.slots) == len(found.shares) == len(found.masks) > max(merged.present)
    assert (found.shares.argmax(0) == found.labels).all()
    assert {path.name for path in found.save(tmp_path, ["objects"])} == {f"{i:02d}.png" for i in found.present}
    with pytest.raises(vt.VitreousError, match="apart is for stills"):
        list(vt.segment(np.zeros((3, 32, 32, 3), np.uint8), apart=0.004))


def test_all_of_a_picture_or_its_middle():
    wide = np.concatenate([np.asarray(Image.open(PICTURE).convert("RGB"))] * 2, axis=1)
    whole, middle = vt.segment(wide), vt.segment(wide, fit="crop")
    assert (whole.labels.shape, whole.segmented.whole) == ((128, 256), True)
    assert (middle.labels.shape, middle.segmented.whole) == ((128, 128), False)
    assert (middle.picture == wide[:, 64:192]).all()


def test_large_pictures_are_reduced():
    large = np.asarray(Image.open(PICTURE).convert("RGB").resize((300, 300)))
    assert vt.segment(large, keep_side=200).labels.shape == (200, 200)


def test_what_cannot_be_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(PICTURE.read_bytes()[:900])
    with pytest.raises(DataError, match=r"broken\.png: the picture is broken or cut off"):
        vt.segment(tmp_path / "broken.png")
    with pytest.raises(DataError, match="Nothing can be read"):
        vt.segment(tmp_path / "broken.png", on_error="skip")
    with pytest.raises(DataError, match=r"photo\.jpg does not exist"):
        vt.segment(tmp_path / "photo.jpg")
    with pytest.raises(RunError, match='Did you mean "still"'):
        vt.segment(PICTURE, run="stil")
    with pytest.raises(DataError, match="cannot be opened"):
        vt.segment("webcam:77")


def test_a_stream_is_segmented_as_it_comes(monkeypatch):
    film = [np.asarray(Image.open(path)) for path in sorted(FRAMES.glob("*.png"))[:4]]
    taken = []

    def frames(address):
        for i, image in enumerate(film):
            taken.append(i)
            yield SimpleNamespace(key="live", index=i, image=image, ids=None, encoded=None)

    monkeypatch.setattr(front, "stream_frames", lambda address: map(as_frame, frames(address)))
    many = vt.segment("rtsp://door")
    assert taken == [0]  # opened at once, no further
    assert many._repr_png_() is None
    seen = iter(many)
    assert next(seen).name == "live/0000"
    assert len(taken) <= 2
    assert [one.name for one in seen] == ["live/0001", "live/0002", "live/0003"]
    with pytest.raises(vt.VitreousError, match="live: nobody knows"):
        len(many)


def as_frame(like):
    from vitreous.types import Frame

    return Frame(like.key, like.index, like.image)


def test_the_folder_called_train_trains(blobs_store, tmp_path):
    import vitreous.train.fit  # noqa: F401 - after which vitreous.train is a folder for certain

    store = blobs_store()
    run = vt.train(
        store.path, tmp_path / "run", slots=4, slot_dim=16, steps=3, batch_size=4, device="cpu", progress=False
    )
    assert run.recipe.config["slots"] == 4
    assert run.recipe.training["steps"] == 3
    with pytest.raises(RunError, match='no setting "slotz". Did you mean "slots"'):
        vt.train(store, tmp_path / "run", slotz=4)
    table = vt.score(run, str(blobs_store(seed=1).path), baselines=False)
    assert "fg_ari" in str(table)
    assert "<th>FG-ARI</th>" in table._repr_html_()
    assert str(tmp_path / "run") in run._repr_html_()
    assert "blobs" in store._repr_html_()
    assert store._repr_html_().count("data:image/png;base64,") == 8


def test_a_backbone_shows_what_it_is():
    shown = vt.load_backbone("glass_tiny", device="cpu")
    assert isinstance(shown, vt.Backbone)
    assert "<th>patch size</th><td>8</td>" in shown._repr_html_()
