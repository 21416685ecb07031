"""Data sets: clips by key, read frame by frame.

source = open_source("holiday")                # a folder of pictures and videos, or one file
source = open_source("scenes", split="train")  # clips made by `vitreous render`
for frame in source.frames(source.keys[0]): ...
"""

from pathlib import Path
from typing import Literal

import numpy as np

from vitreous.data.folder import FolderSource
from vitreous.data.reading import Reading
from vitreous.errors import DataError, did_you_mean
from vitreous.types import Clip, Source

__all__ = ["FolderSource", "Reading", "open_source", "read_clip"]


def open_source(
    path: Path | str,
    on_error: Literal["raise", "skip"] = "raise",
    split: str | None = None,
    reading: Reading | None = None,
) -> Source:
    """Open a data set: clips made by `vitreous render`, or any folder of pictures and videos, or one such file.

    Rendered clips are folders `clip_*` with an `rgb/` in them, directly in `path` or in its `train/` and `test/`.
    `split` narrows to one sub-folder. `reading` is about pictures and videos of one's own: rendered clips leave
    nothing to choose.
    """
    path = Path(path).expanduser()
    if is_rendered(path):
        if reading is not None:
            raise DataError(
                f"{path} holds rendered clips, which are read as they are; leave out the choices in reading."
            )
        if split not in (None, "train", "test"):
            raise DataError(f'Rendered clips have no split "{split}".{did_you_mean(split, ["train", "test"])}')
        from vitreous.data.rendered import RenderedClips

        return RenderedClips(path, split=split, on_error=on_error)
    if (path / "clip.json").is_file() and (path / "rgb").is_dir():
        raise DataError(f"{path} is one clip of a rendered data set, not the set itself.\nOpen  {path.parent}")
    return FolderSource(path / split if split else path, on_error=on_error, reading=reading)


def is_rendered(path: Path) -> bool:
    return any((clip / "rgb").is_dir() for place in (".", "train", "test") for clip in (path / place).glob("clip_*"))


def read_clip(source: Source, key: str) -> Clip:
    """A whole clip in memory; for short ones. All its frames must have one size."""
    frames = list(source.frames(key))
    if not frames:
        raise DataError(f'Nothing can be read of clip "{key}" in {source.name}.')
    ids = [frame.ids for frame in frames if frame.ids is not None]
    return Clip(
        key=key,
        frames=np.stack([frame.image for frame in frames]),
        ids=np.stack(ids) if len(ids) == len(frames) else None,
        instances=source.instances(key),
    )
