"""What the snippets of a page are run on: a folder with the files that pages speak of, from embedded scenes.

Pages say `holiday/`, `scenes.lance`, `run`; what a page mentions and does not make itself is laid out for it, small.
Long commands are made short, the same way for all pages, and nothing else about them changes:

    train, sweep     2 steps of batches of 2; of each axis of a grid the first two values; 2 trials of a search
    render           one scene of 32 pixels
    regress fit      one pass over the pictures
    DINOv2           glass_tiny in its place: other weights are not part of the package
    demo, view       parsed only: tests/cli and tests/view drive them
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from vitreous.cli.main import main
from vitreous.data.mini import MINI, MINI_CLIPS

STILLS = ("train", "scenes", "coco", "clevr")  # stores of pictures to train on
CLIPS = ("clips", "movi", "movi_c", "clevrer", "ytvis")  # stores of videos
ELSEWHERE = ("demo", "view")


class Desk:
    """Makes things once, in `home`, and lays copies where they are wanted."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.makers: dict[str, Callable[[Path], None]] = {
            "holiday": lambda to: photos(to, "train", 6),
            "photos": lambda to: photos(to, "train", 3),
            "film.mp4": film,
            "desk.png": lambda to: photo(MINI / "test" / "clip_00000", to),
            "scenes": lambda to: [clips(MINI / part, to / part, 6) for part in ("train", "test")],
            "clips": lambda to: clips(MINI_CLIPS / "train", to / "train", 2),
            "holiday.lance": lambda to: store_of(self.get("holiday"), to),
            "others.lance": lambda to: extract(MINI, to, "test"),
            "test.lance": lambda to: extract(MINI, to, "test"),
            "run": lambda to: self.trained(to, 7, 0),
            "run2": lambda to: self.trained(to, 9, 0),
            "runs": lambda to: [self.trained(to / f"slots_{k}_{seed}", k, seed) for k in (7, 9) for seed in (0, 1)],
            "sweep": lambda to: [self.trained(to / "runs" / str(k), k, 0) for k in (7, 9)],
        }
        self.makers |= {f"{name}.lance": lambda to: extract(MINI, to, "train") for name in STILLS}
        self.makers |= {f"{name}.lance": lambda to: extract(MINI_CLIPS, to, "train") for name in CLIPS}

    def get(self, name: str) -> Path:
        path = self.home / name
        if not path.exists():
            self.makers[name](path)
        return path

    def trained(self, to: Path, slots: int, seed: int) -> None:
        """A run that learned next to nothing, and was scored."""
        store, test = self.get("train.lance"), self.get("test.lance")
        words = ["--slots", str(slots), "--seed", str(seed), "--steps", "2", "--batch-size", "2", "--out", str(to)]
        assert main(["train", str(store), *words]) == 0
        assert main(["score", str(to), str(test), "--baselines", "false"]) == 0

    def lay(self, folder: Path, text: str) -> None:
        """Copies of what a page mentions, unless the page makes it: what is first named behind --out or >."""
        for name in self.makers:
            first = re.search(rf"(--out |> )?(?<![\w./]){re.escape(name)}(?![\w.])", text)
            if first is None or first[1] is not None:
                continue
            made = self.get(name)
            (shutil.copytree if made.is_dir() else shutil.copy)(made, folder / name)


def short(words: list[str]) -> list[str] | None:
    """A command that takes seconds; None: it is not run here."""
    words = ["glass_tiny" if word.startswith("dinov2_") else word for word in words]
    name = words[0]
    if name in ELSEWHERE:
        return None
    if name == "sweep":
        words = [re.sub(r"^(\w+=[^,\[]+,[^,\]]+),.*$", r"\1", word) for word in words]
        words += ["--trials", "2"] if "--search" in words else []
    if name in ("train", "sweep") and not {"--help", "--print-config", "list"} & set(words):
        words += ["--steps", "2", "--batch-size", "2"]
    if name == "render":
        words += ["--scenes", "1", "--size", "32", "--samples-per-pixel", "2", "--workers", "1"]
    if words[:2] == ["regress", "fit"]:
        words += ["--epochs", "1"]
    return words


def photo(clip: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    Image.open(sorted((clip / "rgb").iterdir())[0]).convert("RGB").save(to)


def film(to: Path) -> None:
    """The first frames of an embedded clip."""
    from vitreous.report.films import Mp4

    made = Mp4(to)
    for path in sorted((MINI_CLIPS / "test/clip_00000/rgb").iterdir())[:6]:
        made.add(np.asarray(Image.open(path).convert("RGB")))
    made.close()


def photos(to: Path, part: str, count: int) -> None:
    for clip in sorted((MINI / part).iterdir())[:count]:
        photo(clip, to / f"{clip.name[-5:]}.jpg")


def clips(part: Path, to: Path, count: int) -> None:
    for clip in sorted(part.iterdir())[:count]:
        shutil.copytree(clip, to / clip.name)


def extract(root: Path, to: Path, part: str) -> None:
    """A store of the first few clips."""
    data = to.parent / f"{to.stem}_{part}_data"
    clips(root / part, data, 8 if root == MINI else 2)
    store_of(data, to)


def store_of(data: Path, to: Path) -> None:
    assert main(["extract", str(data), "--out", str(to)]) == 0
