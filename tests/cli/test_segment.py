"""vitreous segment, from what is typed to the files."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from vitreous.cli.main import main
from vitreous.cli.segment import places, segment_given
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.runs import Run

PICTURES = [MINI / f"test/clip_0000{i}/rgb/0000.png" for i in range(3)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("desk.png", "--source desk.png"),
        ("runs/a desk.png", "--run runs/a --source desk.png"),
        ("--refine desk.png", "--source desk.png --refine"),
        ("--refine true still desk.png", "--run still --source desk.png --refine true"),
        ("--out there still desk.png --min_area=3", "--run still --source desk.png --out there --min_area=3"),
        ("--save labels coco desk.png", "--source desk.png --save=[labels,coco]"),
        ("desk.png --save gif --refine", "--source desk.png --save=[gif] --refine"),
        ("desk.png --save=coco", "--source desk.png --save=coco"),
        ("--save nonsense desk.png", "--source desk.png --save nonsense"),
        ("--webcam 0", "--webcam 0"),
        ("--help", "--help"),
        ("a b c", "--run a --source b c"),
    ],
)
def test_places(typed, meant):
    assert places(typed.split()) == (segment_given, meant.split())


@pytest.fixture
def folder(tmp_path):
    for i, path in enumerate(PICTURES):
        (tmp_path / "photos/day").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / f"photos/day/cup {'abc'[i]}.png")
    return tmp_path / "photos"


def test_one_picture_without_a_run(tmp_path, capsys):
    assert (
        main(["segment", str(PICTURES[0]), "--out", str(tmp_path), "--save", "labels", "objects", "--min-area", "20"])
        == 0
    )
    labels = np.asarray(Image.open(tmp_path / "labels/0000.png"))
    cuts = {int(path.stem) for path in (tmp_path / "objects/0000").iterdir()}
    assert cuts == set(np.unique(labels).tolist())
    assert 4 <= len(cuts) <= 11
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        str(tmp_path / "labels/0000.png"),
        *(str(tmp_path / f"objects/0000/{c:02d}.png") for c in sorted(cuts)),
    ]


def test_a_folder_with_a_run_a_broken_file_and_coco(folder, tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    command = ["segment", "still", str(folder), "--out", str(tmp_path / "out"), "--save", "coco", "overlay"]
    assert main(command) == 1
    assert "broken.jpg: the picture is broken or cut off" in capsys.readouterr().err
    assert main([*command, "--on-error", "skip", "--prune", "auto"]) == 0
    shown = capsys.readouterr()
    assert "skipped" in shown.out
    assert "broken.jpg" in shown.out
    assert "3/3" in shown.err  # the bar
    read = coco.COCO(str(tmp_path / "out/coco.json"))
    assert [one["file_name"] for one in read.dataset["images"]] == [f"day/cup {c}.png" for c in "abc"]
    assert len(list((tmp_path / "out/overlays/day").glob("*.png"))) == 3


def test_a_clip_goes_to_the_run_for_clips(tmp_path, capsys):
    (tmp_path / "in/walk").mkdir(parents=True)
    for i in range(6):
        shutil.copy(MINI_CLIPS / f"test/clip_00001/rgb/{i:04d}.png", tmp_path / f"in/walk/{i:04d}.png")
    assert main(["segment", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--save", "npz", "gif"]) == 0
    with np.load(tmp_path / "out/shares/walk/0003.npz") as saved:
        assert saved["shares"].shape == (Run.load("clip").recipe.config["slots"], 96, 96)
    with Image.open(tmp_path / "out/overlays/walk.gif") as film:
        assert film.n_frames == 6


def test_a_film_of_stills_is_refused_unless_they_are_frames(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for i in range(3):
        shutil.copy(MINI_CLIPS / f"test/clip_00001/rgb/{i:04d}.png", tmp_path / f"in/{i:04d}.png")
    command = ["segment", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--save", "gif"]
    assert main(command) == 1
    assert "in holds no video, and gif are made of videos alone" in capsys.readouterr().err
    assert main([*command, "--frames-as-video", "always", "--stride", "2"]) == 0
    with Image.open(tmp_path / "out/overlays/in.gif") as film:
        assert film.n_frames == 2


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path, capsys):
    assert main(["segment", str(PICTURES[0]), "--max-pixels", "9999", "--out", str(tmp_path)]) == 1
    assert "128 x 128 pixels are 0.0 megapixels, and the limit is 0.0" in capsys.readouterr().err
    path = tmp_path / "bomb.png"
    Image.new("1", (11_000, 11_000)).save(path)
    assert main(["segment", str(path), "--out", str(tmp_path)]) == 1
    assert "121.0 megapixels, and the limit is 100.0" in capsys.readouterr().err


def test_a_camera_that_is_not_there(tmp_path, capsys):
    pytest.importorskip("av")
    assert main(["segment", "--webcam", "77", "--out", str(tmp_path)]) == 1
    assert "webcam:77 cannot be opened" in capsys.readouterr().err


def test_a_stream_until_enough_was_seen(tmp_path, capsys, monkeypatch):
    from vitreous import front
    from vitreous.types import Frame

    frames = [np.asarray(Image.open(MINI_CLIPS / f"test/clip_00001/rgb/{i:04d}.png")) for i in range(5)]
    monkeypatch.setattr(front, "stream_frames", lambda address: (Frame("live", i, f) for i, f in enumerate(frames)))
    command = ["segment", "rtsp://door/1", "--frames", "3", "--save", "coco", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "3 frames" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == 3


def test_nothing_to_segment(capsys):
    assert main(["segment"]) == 1
    assert "Say what to segment" in capsys.readouterr().err
    assert main(["segment", "desk.png", "--webcam", "0"]) == 1
