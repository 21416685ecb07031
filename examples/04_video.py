"""Follow objects through a video: every object keeps its slot, so its colour, from frame to frame.

python examples/04_video.py                a clip that the package carries
python examples/04_video.py FILM           yours: MP4, MOV, GIF
"""

import sys

import numpy as np

import vitreous as vt
from vitreous.data import open_source
from vitreous.data.mini import MINI_CLIPS


def embedded() -> np.ndarray:
    """Frames of a rendered clip, uint8 [t y x 3]."""
    clips = open_source(MINI_CLIPS, split="test")
    return np.stack([frame.image for frame in clips.frames(clips.keys[0])])


film = sys.argv[1] if len(sys.argv) > 1 else embedded()
found = vt.segment(film, "clip", refine=True)  # frames come one after the other; a long film is never held whole

areas = [np.bincount(frame.labels.ravel(), minlength=11) for frame in found]
for slot, seen in enumerate(np.array(areas).T):
    if seen.any():
        print(f"slot {slot}: in {np.count_nonzero(seen)} of {len(areas)} frames, {seen.mean():.0f} pixels on average")

found.save("film", ["overlay", "gif"])
print("Look at  film/")
