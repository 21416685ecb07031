from itertools import islice

import pytest
import torch
from torch.testing import assert_close

from vitreous.features.needs import Beside
from vitreous.features.preprocess import crop_box
from vitreous.train.online import SMALLEST, Online, random_view
from vitreous.train.parts import DividedLoader


@pytest.fixture
def online(blobs, tmp_path):
    source, backbone = blobs

    def make(clips=5, frames=1):
        return Online(source(clips, frames), backbone(), tmp_path / "sample.lance", grid=8)

    return make


def batches(online, count, start=0, frames=1):
    return list(islice(DividedLoader(online, 2, frames, seed=3).batches(start), count))


def test_the_uncut_pictures_are_what_a_store_holds(online):
    data = online()
    assert_close(data.batch(data.windows(1)[:, 0]), data.sample.batch(range(5)), atol=0, rtol=0)
    assert data.standardiser().mean is not None
    assert data.sample.meta.source["fingerprint"] == data.source.fingerprint()


def test_every_look_is_another_crop_and_seed_and_step_decide_it(online):
    whole = batches(online(), 8)
    rest = batches(online(), 3, start=5)
    for one, other in zip(whole[5:], rest, strict=True):
        assert one.keys == other.keys
        assert_close(one.features, other.features, atol=0, rtol=0)
    looks = [x for batch in whole for key, x in zip(batch.keys, batch.features, strict=True) if key == "clip_00"]
    assert len(looks) > 1
    assert all((looks[0] - look).abs().max() > 0.1 for look in looks[1:])


def test_frames_of_a_clip_are_cut_alike(online, blobs):
    source, _ = blobs
    data = online(3, frames=4)
    still = source.frame
    data.source.frame = lambda key, index: still(data.source, key, 0)  # nothing moves: only a cut could change frames
    for batch in batches(data, 3, frames=2):
        assert_close(batch.features[:, 0], batch.features[:, 1], atol=0, rtol=0)


def test_crops_keep_half_of_the_picture_and_lie_within():
    views = [random_view(draw) for draw in range(1, 300)]
    boxes = torch.tensor([crop_box(view) for view, _ in views])
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.prod(1).min() >= SMALLEST - 1e-6
    assert sides.prod(1).max() > 0.95
    assert 0.4 < sum(flip for _, flip in views) / len(views) < 0.6
    assert random_view(7) == random_view(7)


def test_long_videos_and_many_clips_are_sampled(online, blobs, tmp_path, monkeypatch):
    monkeypatch.setattr("vitreous.train.online.SAMPLE_CLIPS", 3)
    data = online(8, frames=6)
    assert len(data) == 48
    assert data.sample.keys == ["clip_00", "clip_03", "clip_06"]
    assert data.sample.lengths == [4, 4, 4]
    assert len(data.windows(5)) == 8


def test_pictures_and_ids_are_cut_as_the_features_were(online):
    data = online(3, frames=4)
    beside = Beside(data, frozenset({"pictures", "first_ids"}), (32, 32))
    for batch in islice(DividedLoader(data, 2, 2, "none", seed=3, beside=beside).batches(), 4):
        pixels = (batch.pictures * 255).round().byte().permute(0, 1, 3, 4, 2)
        assert_close(data.backbone(pixels), batch.features, atol=0.02, rtol=0)
        grey = (pixels[:, 0].float() - 120).abs().amax(-1) < 2  # the floor, away from edges that resizing softens
        assert (batch.first_ids[grey] == 0).float().mean() > 0.95
        assert (batch.first_ids > 0).any()
