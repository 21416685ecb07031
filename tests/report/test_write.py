from contextlib import suppress

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.predict.segment import Segmented
from vitreous.report.pictures import overlay
from vitreous.report.write import MaskWriter
from vitreous.types import Segmentation


def segmented(name, clip=None, size=(33, 48), seed=0):
    draw = torch.Generator().manual_seed(seed)
    shares = torch.rand(1, 3, size[0] // 8, size[1] // 8, generator=draw).softmax(1)
    shares = torch.nn.functional.interpolate(shares, size=size, mode="bilinear")
    picture = np.full((*size, 3), 40 * (seed + 1), np.uint8)
    return Segmented(name, picture, Segmentation(shares.argmax(1), shares), clip)


def test_labels_overlays_and_shares(tmp_path):
    still = segmented("folder/cup")
    with MaskWriter(tmp_path, ["labels", "overlay", "npz"]) as write:
        written = write(still)
    path = written[1]
    assert path == tmp_path / "overlays/folder/cup.png"
    labels = still.found.labels[0].numpy()
    assert (np.asarray(Image.open(tmp_path / "labels/folder/cup.png")) == labels).all()
    assert (np.asarray(Image.open(path)) == overlay(still.picture, labels)).all()
    saved = np.load(tmp_path / "shares/folder/cup.npz")
    assert (saved["labels"] == labels).all()
    assert saved["shares"].shape == (3, 33, 48)
    assert saved["shares"].sum(0) == pytest.approx(1, abs=5e-3)


def test_each_video_is_a_video_and_a_still_is_none(tmp_path):
    av = pytest.importorskip("av")
    frames = [segmented(f"a/{i:04d}", "a", seed=i) for i in range(5)] + [segmented("b/0000", "b")]
    with MaskWriter(tmp_path, ["mp4"]) as write:
        write(segmented("still"))
        for frame in frames:
            write(frame)
    assert sorted(p.name for p in (tmp_path / "overlays").glob("*.mp4")) == ["a.mp4", "b.mp4"]
    with av.open(tmp_path / "overlays/a.mp4") as video:
        shown = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(shown) == 5
    assert shown[0].shape == (32, 48, 3)  # the codec wants even sides
    for picture, frame in zip(shown, frames, strict=False):
        wanted = overlay(frame.picture, frame.found.labels[0].numpy())[:32]
        assert abs(picture.mean((0, 1)) - wanted.mean((0, 1))).max() < 8


def test_a_video_ends_when_something_fails(tmp_path):
    av = pytest.importorskip("av")
    with suppress(KeyboardInterrupt), MaskWriter(tmp_path, ["mp4"]) as write:
        write(segmented("a/0000", "a"))
        raise KeyboardInterrupt
    with av.open(tmp_path / "overlays/a.mp4") as video:
        assert len(list(video.decode(video=0))) == 1
