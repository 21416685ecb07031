"""Scenes that the package carries, so that a fresh machine can do the real job offline. CC0.

Made by:  vitreous render --split train --scenes 184 --seed 7 --samples-per-pixel 64
          vitreous render --split test --scenes 50 --seed 8 --samples-per-pixel 64
and then without the depth maps, which are two thirds of the size and which nothing here needs.
128x128, 3-10 objects, metal and rubber mixed; read by `open_source(MINI, split="train")`.
"""

from pathlib import Path

MINI = Path(__file__).parent
