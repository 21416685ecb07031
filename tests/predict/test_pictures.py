"""Methods that look at pictures, from a store to scores and from new pictures to masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitreous.backbones import load_backbone
from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.errors import RunError
from vitreous.features.standardise import Standardiser
from vitreous.methods import method_class
from vitreous.predict.segment import Segmenter, find_slots, reader, segment_store
from vitreous.report.contact import result_sheet
from vitreous.report.score import score
from vitreous.runs import Recipe, Run, build
from vitreous.train.fit import fit
from vitreous.train.module import Training
from vitreous.types import Frame

WORDS = dict(codes=8, coder_width=8, decoder_width=8, decoder_layers=1)
PIXELS = dict(encoder_width=4, decoder_width=4)
SMALL = {
    "slot_attention": PIXELS,
    "savi": PIXELS | dict(start="boxes"),
    "slate": WORDS,
    "steve": WORDS | dict(look="pictures", start="gaussian", encoder_width=4),
    "slotdiffusion": dict(codes=8, coder_width=8, width=8, levels=2),
}
COMMON = dict(slots=4, slot_dim=8, resolution=32)


@pytest.mark.parametrize("method", SMALL)
def test_a_store_gives_what_is_needed_to_train_to_score_and_to_look(method, blobs_store, tmp_path):
    if method == "slotdiffusion":
        pytest.importorskip("diffusers")
    frames, training = (
        (3, Training(steps=2, batch_size=2, frames=2)) if method in ("savi", "steve") else (1, Training(steps=2))
    )
    how = dict(precision="32-true", device="cpu", progress=False, validate=0.25)
    run = fit(blobs_store(frames=frames), tmp_path / "run", method, SMALL[method] | COMMON, training, **how)
    run, others = Run.load(run.folder), blobs_store(clips=4, frames=frames, seed=7)
    table = score(run, others, baselines=False)
    assert 0 <= next(iter(table.values()))["mbo"].mean <= 1
    for rows, out in segment_store(run, others):
        assert out.masks.shape[:3] == (*rows.shape, 4)
        assert out.masks.shape[-1] == (32 if method in ("slot_attention", "savi", "steve") else 8)
    assert result_sheet(run, others, tmp_path / "sheet.png", [0, 2]).is_file()


def untrained(folder, method, **settings):
    """A run on the package's own backbone."""
    backbone = load_backbone("glass_tiny")
    torch.manual_seed(0)
    recipe = Recipe(
        method,
        SMALL[method] | COMMON | settings,
        (8, 8),
        "crop",
        backbone.dim,
        backbone.describe(),
        "token",
        {"name": "", "fingerprint": ""},
    )
    run = Run(folder, recipe, build(recipe), Standardiser("token").state())
    run.save()
    return run


@pytest.mark.parametrize("method", ["slot_attention", "savi"])
def test_new_pictures_are_segmented(method, tmp_path):
    source = open_source(MINI, split="test")
    frames = [next(iter(source.frames(key))) for key in source.keys[:2]]
    untrained(tmp_path, method)
    segmenter = Segmenter(tmp_path, device="cpu")
    stills = segmenter.stills(frames)
    assert [s.found.labels.shape[1:] for s in stills] == [f.image.shape[:2] for f in frames]
    clip = list(segmenter.video([frames[0], replace(frames[0], index=1)]))
    assert [s.name for s in clip] == [f"{frames[0].key}/0000", f"{frames[0].key}/0001"]
    bare = [Frame(f.key, f.index, f.image) for f in frames]
    if method == "slot_attention":
        again = segmenter.stills(bare)
        assert all(torch.equal(a.found.labels, b.found.labels) for a, b in zip(stills, again, strict=True))
    else:
        with pytest.raises(RunError, match="savi needs the objects' ids in the first frame beside features") as error:
            segmenter.stills(bare)
        assert "vitreous train --method savi --help" in str(error.value)


def test_features_alone_are_not_enough(blobs_store, tmp_path):
    store = blobs_store()
    recipe = Recipe(
        "slot_attention",
        SMALL["slot_attention"] | COMMON,
        store.grid,
        "crop",
        store.dim,
        store.meta.backbone,
        "dataset",
        {},
    )
    run = Run(tmp_path, recipe, build(recipe), store.standardiser().state())
    with pytest.raises(RunError, match="slot_attention needs pictures beside features"):
        find_slots(run, store.features([0])[None])
    seen = reader(run, store)(np.array([[0], [1]]))
    assert find_slots(run, seen).masks.shape == (2, 1, 4, 32, 32)
    assert method_class("slot_attention").needs == {"pictures"}
