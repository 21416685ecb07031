"""Clips are segmented piece by piece, and the pieces fit."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vitreous.backbones import load_backbone
from vitreous.data import open_source
from vitreous.data.mini import MINI_CLIPS
from vitreous.features.standardise import Standardiser
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.predict.segment import Segmenter, segment_store
from vitreous.report.score import score
from vitreous.runs import Recipe, Run, build, settings
from vitreous.train.fit import fit
from vitreous.train.module import Training

SMALL = {
    "savi_dinosaur": dict(slots=5, slot_dim=16, decoder_width=8, merge=0.1),  # colours are a space of three
    "dinosaur": dict(slots=5, slot_dim=16, decoder_width=8, decoder_layers=1),
}


def untrained(folder, method, config, about, dim, grid, standardise):
    torch.manual_seed(0)
    recipe = Recipe(
        method,
        asdict(settings(method, config)),
        grid,
        "crop",
        dim,
        about,
        standardise.mode,
        {"name": "", "fingerprint": ""},
    )
    run = Run(folder, recipe, build(recipe), standardise.state())
    run.save()
    return run


def of_store(folder, method, store):
    about = store.meta.backbone
    return untrained(folder, method, SMALL[method], about, store.dim, store.grid, store.standardiser())


def by_row(run, store, batch_size):
    found = {}
    for rows, out in segment_store(run, store, batch_size):
        assert rows.size <= max(batch_size, 1)
        found |= dict(zip(rows.reshape(-1).tolist(), out.masks.flatten(0, 1), strict=True))
    return torch.stack([found[row] for row in range(len(store))])


@pytest.mark.parametrize("method", SMALL)
def test_a_store_in_small_pieces_is_the_store_at_once(method, blobs_store, tmp_path):
    store = blobs_store(clips=3, frames=5, seed=4)
    run = of_store(tmp_path, method, store)
    whole = by_row(run, store, 100)
    assert_close(whole.sum(1), torch.ones(15, 8, 8))
    for batch_size in (1, 2, 5, 12):
        assert_close(by_row(run, store, batch_size), whole, atol=1e-5, rtol=1e-5)


def test_a_short_training_on_clips_keeps_numbers_of_slots_and_clips_are_scored(blobs_store, tmp_path):
    training = Training(steps=20, batch_size=4, frames=3)
    train, store = blobs_store(clips=8, frames=3), blobs_store(clips=3, frames=3, seed=5)
    run = fit(train, tmp_path / "run", "savi_dinosaur", SMALL["savi_dinosaur"], training, device="cpu", progress=False)
    labels = by_row(run, store, 2).argmax(1)
    for key in store.keys:
        ids = torch.from_numpy(np.stack([store.frame(row).ids[2::4, 2::4] for row in store.rows(key)])).long()
        found = labels[store.rows(key)]
        assert adjusted_rand_index(found.flatten()[None], ids.flatten()[None], ignore=0) > 0.9
    table = score(run, store, baselines=False)
    assert len(next(iter(table.values()))["fg_ari"].values) == 9


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    """The whole way from frames to labels: embedded backbone, embedded clips, and not a step of training."""
    folder, backbone = tmp_path_factory.mktemp("runs") / "warm", load_backbone("glass_tiny")
    about, standardise = backbone.describe(), Standardiser("token")
    untrained(folder, "savi_dinosaur", {}, about, backbone.dim, (16, 16), standardise)
    return Segmenter(folder, device="cpu")


def test_an_embedded_clip_is_followed_through_24_frames(segmenter):
    clips = open_source(MINI_CLIPS, split="test")
    key = clips.keys[0]
    frames = list(clips.frames(key))
    found = list(segmenter.video(iter(frames), chunk=7))
    assert [f.name for f in found] == [f"{key}/{i:04d}" for i in range(24)]
    labels = torch.cat([f.found.labels for f in found])
    true = torch.from_numpy(np.stack([frame.ids for frame in frames]).astype(np.int64))
    followed = adjusted_rand_index(labels.flatten()[None], true.flatten()[None], ignore=0).item()
    alone = torch.stack([s.found.labels[0] for s in segmenter.stills(frames)])
    apart = adjusted_rand_index(alone.flatten()[None], true.flatten()[None], ignore=0).item()
    assert followed > 0.6
    assert followed > apart + 0.2  # slots of pictures on their own come in any order
    whole = torch.cat([f.found.labels for f in segmenter.video(frames, chunk=24)])
    assert (whole == labels).float().mean() > 0.999


def test_a_source_of_clips_is_segmented_clip_by_clip(segmenter):
    clips = open_source(MINI_CLIPS, split="test")
    found = {s.name: s for s in segmenter.source(clips, batch_size=16)}
    assert list(found) == [f"{key}/{i:04d}" for key in clips.keys for i in range(24)]
    last = list(segmenter.video(clips.frames(clips.keys[1])))[-1]
    assert (found[last.name].found.labels == last.found.labels).float().mean() > 0.999


@pytest.mark.parametrize("method", SMALL)
def test_wanted_rows_are_those_of_the_whole_store(method, blobs_store, tmp_path):
    store = blobs_store(clips=6, frames=3, seed=4)
    run = of_store(tmp_path, method, store)
    whole = by_row(run, store, 6)  # two clips go together
    some = [(rows, out) for rows, out in segment_store(run, store, 6, wanted={7, 8})]
    assert [rows.reshape(-1).tolist() for rows, _ in some] == [[6, 7, 8, 9, 10, 11]]
    assert_close(some[0][1].masks.flatten(0, 1), whole[6:12], rtol=0, atol=0)
