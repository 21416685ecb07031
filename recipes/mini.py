"""Make the scenes and clips inside the package: metal, rubber and mixed, stills and videos.

    python recipes/mini.py src/vitreous/data/mini

Some three minutes on two cores. Depth maps are left out: two thirds of the size, and nothing here needs them.
"""

import shutil
import tempfile
from pathlib import Path

from jsonargparse import auto_cli

from vitreous.cli.render import render

MATERIALS = ("metal", "rubber", "mixed")
SEEDS = {"train": 7, "test": 8}
STILLS = {"train": 50, "test": 17}  # of each material
CLIPS = {"train": 2, "test": 1}


def make(out: Path) -> None:
    """Render what is not there yet.

    Args:
        out: Stills go to OUT/train and OUT/test, clips of 24 frames to OUT/clips/train and OUT/clips/test.
    """
    for split, count in STILLS.items():
        part(out, split, count, frames=1, size=128)
    for split, count in CLIPS.items():
        part(out / "clips", split, count, frames=24, size=96)


def part(out: Path, split: str, count: int, frames: int, size: int) -> None:
    """`count` clips of each material, numbered through."""
    for place, material in enumerate(MATERIALS):
        with tempfile.TemporaryDirectory() as folder:
            wanted = [out / split / f"clip_{place * count + i:05d}" for i in range(count)]
            if all(clip.is_dir() for clip in wanted):
                continue
            render(
                Path(folder),
                scenes=count,
                start=place * count,
                split=split,  # pyright: ignore[reportArgumentType]
                material=material,
                frames=frames,
                size=size,
                samples_per_pixel=64,
                seed=SEEDS[split],
            )
            (out / split).mkdir(parents=True, exist_ok=True)
            for clip in wanted:
                made = Path(folder) / split / clip.name
                shutil.rmtree(made / "depth")
                shutil.rmtree(clip, ignore_errors=True)
                shutil.move(made, clip)


if __name__ == "__main__":
    auto_cli(make)
