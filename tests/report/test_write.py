import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.errors import VitreousError
from vitreous.predict.segment import Segmented
from vitreous.report.films import GIF_FRAMES, Gif
from vitreous.report.pictures import overlay
from vitreous.report.write import KINDS, MaskWriter
from vitreous.types import Segmentation


def segmented(name, clip=None, size=(33, 48), seed=0):
    draw = torch.Generator().manual_seed(seed)
    shares = torch.rand(1, 3, size[0] // 8, size[1] // 8, generator=draw).softmax(1)
    shares = torch.nn.functional.interpolate(shares, size=size, mode="bilinear")
    picture = np.full((*size, 3), 40 * (seed + 1), np.uint8)
    return Segmented(name, picture, Segmentation(shares.argmax(1), shares), clip=clip)


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


def test_cut_outs_put_together_are_the_picture(tmp_path):
    still = segmented("cup", seed=1)
    with MaskWriter(tmp_path, ["objects"]) as write:
        written = write(still)
    labels = still.found.labels[0].numpy()
    assert [path.name for path in written] == [f"{slot:02d}.png" for slot in np.unique(labels)]
    for path in written:
        owned, cut = labels == int(path.stem), np.asarray(Image.open(path))
        assert cut.shape == (np.ptp(np.flatnonzero(owned.any(1))) + 1, np.ptp(np.flatnonzero(owned.any(0))) + 1, 4)
        assert (cut[..., 3] > 0).sum() == owned.sum()
        assert (cut[cut[..., 3] > 0][:, :3] == 80).all()


def test_undecided_pixels_are_255_and_in_no_object(tmp_path):
    labels = torch.full((1, 4, 5), -1)
    labels[0, 1:3, 2:4] = 2
    with MaskWriter(tmp_path, ["labels", "objects"]) as write:
        write(Segmented("one", np.zeros((4, 5, 3), np.uint8), Segmentation(labels)))
    picture = Image.open(tmp_path / "labels/one.png")
    assert np.unique(np.asarray(picture)).tolist() == [2, 255]
    assert picture.getpalette()[-3:] == [255, 255, 255]
    assert [path.name for path in (tmp_path / "objects/one").iterdir()] == ["02.png"]


def test_coco_reads_what_was_written(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    stills = [segmented("a/cup"), segmented("walk/0000", "walk", seed=2), segmented("walk/0001", "walk", seed=3)]
    with MaskWriter(tmp_path, ["coco"], "still") as write:
        assert write(stills[0], "a/cup.jpg") == []
        for frame in stills[1:]:
            write(frame)
    read = coco.COCO(str(tmp_path / "coco.json"))
    assert [image["file_name"] for image in read.loadImgs(read.getImgIds())] == [
        "a/cup.jpg",
        "walk/0000.png",
        "walk/0001.png",
    ]
    for image, still in zip(read.getImgIds(), stills, strict=True):
        labels = still.found.labels[0].numpy()
        annotations = read.loadAnns(read.getAnnIds(imgIds=image))
        assert [a["slot"] for a in annotations] == np.unique(labels).tolist()
        for one in annotations:
            mask = read.annToMask(one).astype(bool)
            assert (mask == (labels == one["slot"])).all()
            assert one["area"] == mask.sum()
            left, top, width, height = (int(side) for side in one["bbox"])
            assert mask[top : top + height, left : left + width].sum() == mask.sum()
            assert one["share"] == pytest.approx(
                float(still.found.shares[0, one["slot"]].numpy()[mask].mean()), abs=1e-4
            )
    assert json.loads((tmp_path / "coco.json").read_text())["info"]["description"] == "segments by still"


def test_coco_names_a_picture_on_which_its_masks_lie(tmp_path):
    pytest.importorskip("pycocotools.coco")
    part = replace(segmented("a/cup"), whole=False)
    with MaskWriter(tmp_path, ["coco"]) as write:
        assert write(part, "a/cup.jpg") == [tmp_path / "pictures/a/cup.png"]
    (image,) = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert image["file_name"] == "pictures/a/cup.png"
    with Image.open(tmp_path / image["file_name"]) as picture:
        assert picture.size == (image["width"], image["height"])


def test_a_long_gif_keeps_its_length_in_time_not_its_frames(tmp_path):
    film = Gif(tmp_path / "long.gif")
    for i in range(2 * GIF_FRAMES + 9):
        film.add(np.full((40, 600, 3), i % 250, np.uint8))
    film.close()
    with Image.open(tmp_path / "long.gif") as shown:
        assert shown.size == (480, 32)
        assert shown.n_frames <= GIF_FRAMES
        assert shown.info["duration"] == pytest.approx(4000 / 12, abs=10)


def test_a_video_as_gif(tmp_path):
    with MaskWriter(tmp_path, ["gif"]) as write:
        for i in range(5):
            write(segmented(f"a/{i:04d}", "a", seed=i))
        write(segmented("still"))
    assert [path.name for path in (tmp_path / "overlays").iterdir()] == ["a.gif"]
    with Image.open(tmp_path / "overlays/a.gif") as shown:
        assert (shown.n_frames, shown.size) == (5, (48, 33))


def test_names_do_not_lead_out_of_the_folder(tmp_path):
    with MaskWriter(tmp_path / "out", ["labels"]) as write, pytest.raises(VitreousError, match="outside"):
        write(segmented("../../secret"))
    assert not (tmp_path / "secret.png").exists()


def test_an_unknown_kind_gets_a_hint(tmp_path):
    with pytest.raises(VitreousError, match='No output "cocoa". Did you mean "coco"'):
        MaskWriter(tmp_path, ["cocoa"])
    assert len(KINDS) == len(set(KINDS))
