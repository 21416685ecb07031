"""The same on real files, where they are at hand; see the README beside them."""

from pathlib import Path

import numpy as np
import pytest

from vitreous.data import open_source, read_clip

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not (REAL / "nuclei").is_dir(), reason="no nuclei here")
def test_nuclei_are_stills_with_ids():
    source = open_source(REAL / "nuclei")
    assert len(source.keys) == 233
    assert source.keys[:2] == ["images/001", "images/003"]
    assert source.describe() == "233 picture files"
    assert source.skipped == source.notes == []
    for key in source.keys[::29]:
        assert source.length(key) == 1
        (frame,) = source.frames(key)
        assert frame.image.shape == (256, 256, 3)
        assert frame.ids.shape == (256, 256)
        assert len(np.unique(frame.ids)) > 1
        assert frame.encoded == (REAL / "nuclei" / f"{key}.png").read_bytes()


@pytest.mark.skipif(not (REAL / "movi_gifs").is_dir(), reason="no MOVi clips here")
def test_movi_gifs_are_clips():
    source = open_source(REAL / "movi_gifs")
    assert source.keys == ["movi_a_1", "movi_a_3", "movi_b_1", "movi_c_1", "movi_e_1"]
    assert [source.length(key) for key in source.keys] == [24] * 5
    clip = read_clip(source, "movi_e_1")
    assert clip.frames.shape == (24, 256, 256, 3)
    assert np.abs(np.diff(clip.frames.astype(int), axis=0)).mean() > 1  # it moves
