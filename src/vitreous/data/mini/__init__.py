"""Scenes that the package carries, so that a fresh machine can do the real job offline. CC0.

MINI        stills, 128x128, 3-10 objects: 150 to train on and 51 to test on, a third of each metal, rubber and mixed
MINI_CLIPS  videos of 24 frames, 96x96, the same materials: 6 and 3

Made by `python recipes/mini.py src/vitreous/data/mini` (seeds 7 and 8, 64 samples per pixel), without depth maps.
Read by `open_source(MINI, split="train")`.
"""

from pathlib import Path

MINI = Path(__file__).parent
MINI_CLIPS = MINI / "clips"
