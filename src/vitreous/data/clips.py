"""One clip of a folder, from its files to pictures and ids, frame by frame."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from vitreous.data import idmaps, pictures, video
from vitreous.data.listing import Entry, ending
from vitreous.data.pictures import Header, Picture, by
from vitreous.data.reading import Notes, Reading, Unreadable
from vitreous.data.video import Scan


def look(root: Path, clip: Entry, reading: Reading) -> Header | Scan:
    """What the clip's file tells without being decoded; of a folder of frames the first that tells anything."""
    for file in clip.files[:-1]:
        with suppress(Unreadable):
            return _look_at(root / file, clip, reading)
    return _look_at(root / clip.files[-1], clip, reading)


def _look_at(path: Path, clip: Entry, reading: Reading) -> Header | Scan:
    return video.scan(path, reading) if is_video(clip) else pictures.header(path, reading)


def is_video(clip: Entry) -> bool:
    return ending(clip.files[0]) in video.ENDINGS


def count(clip: Entry, found: Header | Scan) -> int:
    """Frames that can be read."""
    if clip.frames:
        return len(clip.files)
    return found.frames if isinstance(found, Scan) else len(found.pages)


def read(
    root: Path, clip: Entry, found: Header | Scan, frames: range, reading: Reading, notes: Notes
) -> Iterator[tuple[Picture, Int32[np.ndarray, "y x"] | None]]:
    """Pictures and ids of the given frames of the file or folder."""
    pairs = zip(
        _pictures(root, clip, found, frames, reading, notes),
        _ids(root, clip, found, frames, reading, notes),
        strict=True,
    )
    for frame, (picture, ids) in zip(frames, pairs, strict=True):
        if ids is not None and ids.shape != picture.image.shape[:2]:
            path = root / clip.ids[frame if len(clip.ids) > 1 else 0]
            raise Unreadable(path, f"the ids have {by(ids.shape)} pixels, but their picture {by(picture.image.shape)}")
        yield picture, ids


def _pictures(
    root: Path, clip: Entry, found: Header | Scan, frames: range, reading: Reading, notes: Notes
) -> Iterator[Picture]:
    path = root / clip.files[0]
    if isinstance(found, Scan):
        for image in video.read_frames(path, found, frames):
            yield Picture(image)
    elif not clip.frames:
        yield from pictures.read_pages(path, reading, notes, [found.pages[frame] for frame in frames])
    else:
        for frame in frames:
            path = root / clip.files[frame]
            (picture,) = pictures.read_pages(path, reading, notes)
            if picture.image.shape[:2] != found.size:
                sizes = f"{by(picture.image.shape)} pixels, but the first frame of this folder {by(found.size)}"
                raise Unreadable(
                    path,
                    f"it has {sizes}",
                    "All frames of a video have one size. Are these stills?  frames_as_video=never",
                )
            yield picture


def _ids(
    root: Path, clip: Entry, found: Header | Scan, frames: range, reading: Reading, notes: Notes
) -> Iterator[Int32[np.ndarray, "y x"] | None]:
    if not clip.ids:
        yield from repeat(None, len(frames))
        return
    path = root / clip.ids[0]
    in_one_file = len(clip.ids) == 1
    have, want = idmaps.count_maps(path, reading) if in_one_file else len(clip.ids), count(clip, found)
    if have < want or (have > want and not found.problem):
        raise Unreadable(path, f"there are {have} id maps for {want} frames")
    if in_one_file:
        yield from idmaps.read_ids(path, frames, reading, notes)
    else:
        for frame in frames:
            yield from idmaps.read_ids(root / clip.ids[frame], [0], reading, notes)
