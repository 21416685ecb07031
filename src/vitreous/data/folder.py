"""A folder of pictures and videos, or one such file, as a data set.

What is read, what is a clip and where ids are found: `listing.py`. How pictures, ids and videos become arrays:
`pictures.py`, `idmaps.py`, `video.py`. All choices in reading: `reading.py`.

Files are listed once, when the source is made, with one look at each file's size; nothing is decoded before it is
asked for. Several threads may read several clips at once.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
from jaxtyping import Int32

from vitreous.data import clips, listing
from vitreous.data.listing import Entry
from vitreous.data.pairing import with_ids
from vitreous.data.pictures import Header, Picture
from vitreous.data.reading import Notes, Reading, Unreadable, why
from vitreous.data.video import Scan, size_of
from vitreous.errors import DataError, did_you_mean
from vitreous.types import Frame

OnError = Literal["raise", "skip"]


class FolderSource:
    """Pictures and videos below a folder, or a single file.

    With on_error="raise" the first file that cannot be read raises DataError. With "skip" it is left out and noted in
    `skipped` as (path, reason): a still, one frame of a folder of frames, or all that comes after the fault in a video,
    animation or stack. What is left out does not depend on where reading starts.
    """

    def __init__(self, path: Path | str, on_error: OnError = "raise", reading: Reading | None = None) -> None:
        self.path = Path(path).expanduser()
        self.on_error, self.reading = on_error, reading or Reading()
        self.skipped: list[tuple[str, str]] = []
        self._notes, self._lock = Notes(), Lock()
        self._known: dict[str, Header | Scan] = {}
        self._ends: dict[str, int] = {}  # clips in which a fault was met -> the frame at which it was
        self._root, self._folders = self._list()
        found = listing.clips(self._root, self._folders, self.reading, self._refuse, self._notes)
        if not found and not self.skipped:
            raise DataError(listing.nothing_in(self.path, self._folders))
        found = with_ids(self._root, found, self._folders, self._refuse, self._notes)
        if not found:
            raise DataError(
                f"Nothing is left of {self.path}; the first that was skipped: {': '.join(self.skipped[0])}."
            )
        self._clips = {clip.key: clip for clip in found}
        self.keys: Sequence[str] = list(self._clips)

    def _list(self) -> tuple[Path, listing.Folders]:
        try:
            if self.path.is_dir():
                return self.path, listing.walk(self.path, self._refuse)
            if self.path.is_file():
                return self.path.parent, {"": {self.path.name: self.path.stat().st_size}}
        except OSError as error:
            raise Unreadable(self.path, why(error), "Ask its owner for the right to read it.") from None
        raise DataError(listing.not_there(self.path))

    def _refuse(self, error: Unreadable) -> None:
        """Raise, or note once what is left out."""
        if self.on_error == "raise":
            raise error
        with self._lock:
            if (str(error.path), error.found) not in self.skipped:
                self.skipped.append((str(error.path), error.found))

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def notes(self) -> list[str]:
        """What one should know though nothing is wrong: endings that are not read, grey that reads nearly black ..."""
        return self._notes.lines()

    def describe(self) -> str:
        """What the files were taken for, in one line: `231 picture files, 2 video files, 1 frame folder`."""
        kinds = Counter(_kind(clip) for clip in self._clips.values())
        return ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in kinds.most_common())

    def file(self, key: str) -> str:
        """The clip's file below the folder, the first where it is a folder of frames."""
        return self._clip(key).files[0]

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        """Nothing is known of the objects but their ids."""
        self._clip(key)
        return None

    def fingerprint(self) -> str:
        """SHA-256 over what was listed - keys, paths, bytes - and over the choices that change what is read from it."""
        settings = asdict(self.reading)
        del settings["max_pixels"], settings["frames_as_video"]  # the one refuses only, the other shows in the keys
        digest = hashlib.sha256(repr(sorted(settings.items())).encode())
        for clip in self._clips.values():
            for file in clip.files + clip.ids:
                folder, _, name = file.rpartition("/")
                digest.update(f"{clip.key}\0{normalize('NFC', file)}\0{self._folders[folder][name]}\n".encode())
        return digest.hexdigest()

    def length(self, key: str) -> int:
        """Number of frames by headers and packets alone; 0 if not even those can be read.

        It stays the same when decoding finds more faults, so `frames` may give less with on_error="skip".
        """
        clip = self._clip(key)
        try:
            return len(range(0, clips.count(clip, self._look(clip)), self.reading.stride))
        except Unreadable as error:
            self._refuse(error)
            return 0

    def size(self, key: str) -> tuple[int, int]:
        """y, x of the clip's first frame, without decoding a picture. DataError if the file cannot be read."""
        clip = self._clip(key)
        found = self._look(clip)
        return found.size if isinstance(found, Header) else size_of(self._root / clip.files[0], found)

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        """Read frame by frame from `start` on. PNG and JPEG that hold plain 8-bit sRGB come with their own bytes."""
        clip, length = self._clip(key), self.length(key)
        if clip.frames:
            each = (self._one_of_folder(clip, at) for at in range(start, length))
            yield from (frame for frame in each if frame is not None)
        elif start < self._ends.get(key, length):
            yield from self._in_one_file(clip, start, length)

    def _one_of_folder(self, clip: Entry, at: int) -> Frame | None:
        try:
            ((picture, ids),) = self._read(clip, range(at, at + 1))
        except Unreadable as error:
            self._refuse(error)
            return None
        return Frame(clip.key, at, picture.image, ids, picture.encoded)

    def _in_one_file(self, clip: Entry, start: int, length: int) -> Iterator[Frame]:
        # What comes after a fault is left out. So where faults are passed over, one must be met before `start`, too,
        # or a video entered behind it would give frames that are left out when it is read from the beginning
        at = start if self.on_error == "raise" else 0
        try:
            for picture, ids in self._read(clip, range(at, length)):
                if at >= start:
                    yield Frame(clip.key, at, picture.image, ids, picture.encoded)
                at += 1
        except Unreadable as error:
            self._refuse(error)
            self._ends[clip.key] = at

    def _read(self, clip: Entry, frames: range) -> Iterator[tuple[Picture, Int32[np.ndarray, "y x"] | None]]:
        stride = self.reading.stride
        in_file = range(frames.start * stride, frames.stop * stride, stride)
        return clips.read(self._root, clip, self._look(clip), in_file, self.reading, self._notes)

    def _clip(self, key: str) -> Entry:
        if key not in self._clips:
            raise DataError(f'No clip "{key}" in {self.path}.{did_you_mean(key, self.keys[:500])}')
        return self._clips[key]

    def _look(self, clip: Entry) -> Header | Scan:
        with self._lock:
            found = self._known.get(clip.key)
        if found is None:
            found = clips.look(self._root, clip, self.reading)
            if clip.frames or isinstance(found, Scan) or len(found.pages) > 1:  # not stills: many, and quickly read
                with self._lock:
                    self._known[clip.key] = found
        if found.problem:
            self._refuse(Unreadable(self._root / clip.files[0], found.problem))
        return found


def _kind(clip: Entry) -> str:
    if clip.frames:
        return "frame folder"
    return "video file" if clips.is_video(clip) else "picture file"
