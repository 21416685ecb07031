"""What decides how the clips of a folder look, and whether a folder can take more of them."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from vitreous.data.rendered import SPLITS, clip_name
from vitreous.errors import DataError, did_you_mean
from vitreous.render.engine import RenderError
from vitreous.render.looks import STYLES
from vitreous.render.scene import MATERIALS
from vitreous.render.stage import MOST_BODIES

SETTINGS_FILE = "render.json"


@dataclass(frozen=True)
class Settings:
    """Two folders of equal settings hold equal clips.

    style, material, split  see looks.STYLES, scene.MATERIALS (or mixed), rendered.SPLITS
    objects                 fewest and most of a scene
    frames                  1 for objects at rest, more for a video
    size                    side of the square pictures in pixels
    """

    style: str = "clevr"
    material: str = "mixed"
    objects: tuple[int, int] = (3, 10)
    frames: int = 1
    size: int = 128
    samples_per_pixel: int = 16
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        choices = {"style": STYLES, "material": (*MATERIALS, "mixed"), "split": SPLITS}
        for name, known in choices.items():
            if (value := getattr(self, name)) not in known:
                raise RenderError(f'No {name} "{value}".{did_you_mean(value, known)}')
        low, high = self.objects
        if not 1 <= low <= high <= MOST_BODIES:
            raise RenderError(f"Objects {low} to {high}: expected two of 1 to {MOST_BODIES}, the smaller first.")
        for name, least in {"frames": 1, "size": 8, "samples_per_pixel": 1, "seed": 0}.items():
            if (value := getattr(self, name)) < least:
                raise RenderError(f"--{name.replace('_', '-')} {value} is too small: expected at least {least}.")


def claim(out: Path, settings: Settings) -> None:
    """Note the settings beside the clips of this split; refuse a folder whose clips have others."""
    folder = out / settings.split
    path, wanted = folder / SETTINGS_FILE, asdict(settings)
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            partial.write_text(json.dumps(wanted, indent=1) + "\n")
            partial.replace(path)
            return
        have = json.loads(path.read_text())
    except OSError as error:
        raise DataError(f"Cannot write to {folder} ({error.strerror}).\nTake another folder with --out.") from None
    except ValueError:
        raise DataError(f"{path} is not JSON any more.\nDelete it if the clips beside it are to be kept.") from None
    wanted["objects"] = list(settings.objects)
    differ = [f"{key} {have.get(key)} (now {value})" for key, value in wanted.items() if have.get(key) != value]
    if differ:
        raise RenderError(
            f"{folder} holds clips rendered with other settings: {', '.join(differ)}.\n"
            "Mixed, they would be no data set. Take another folder with --out, or the settings that are there."
        )


def missing(out: Path, settings: Settings, indices: range) -> list[int]:
    """Which of these clips are still to be made: a clip's folder is there only when it is whole."""
    there = {path.name for path in (out / settings.split).glob("clip_*")}
    return [index for index in indices if clip_name(index) not in there]
