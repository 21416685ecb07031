"""How files are read, and what is said about those that cannot be read as they are."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from vitreous.errors import DataError

SKIP = "Repair or remove it, or go on without it:  --on-error skip"


@dataclass(frozen=True)
class Reading:
    """Choices in reading a folder or file. The same choices give the same pixels, whatever else is in the folder.

    frames_as_video  auto: a sub-folder of numbered frames is a video (the rule is in `listing.py`); never: every
                     picture is a still; always: every folder that holds pictures is a video, the root as well
    stride           take every n-th frame of videos, animations, stacks and folders of frames
    max_pixels       larger pictures are refused before they are decoded (decompression bombs); 100 megapixels
    grey_bits        what counts as white in 16-bit grey: 2**grey_bits - 1. 16, the full range, is what the formats
                     say; many microscopes write 12. Never guessed from the picture: one that is read alone must
                     come out as bright as in its set
    void             one more id that marks pixels not to score (-1), besides 65535 in 16-bit files and 255 in palettes
    """

    frames_as_video: Literal["auto", "never", "always"] = "auto"
    stride: int = 1
    max_pixels: int = 100_000_000
    grey_bits: int = 16
    void: int | None = None

    def __post_init__(self) -> None:
        if self.frames_as_video not in ("auto", "never", "always"):
            raise DataError(f'frames_as_video is "{self.frames_as_video}"; it can be auto, never or always.')
        if self.stride < 1:
            raise DataError(f"stride is {self.stride}; 1 takes every frame, 2 every other one.")
        if not 8 <= self.grey_bits <= 16:
            raise DataError(f"grey_bits is {self.grey_bits}; 16-bit files hold 8 to 16 bits of grey.")
        if self.max_pixels < 1:
            raise DataError(f"max_pixels is {self.max_pixels}; give the largest number of pixels to be read.")


class Unreadable(DataError):
    """One file that cannot be read as what it should be: which, what was found, what to do."""

    def __init__(self, path: Path, found: str, advice: str = SKIP) -> None:
        super().__init__(f"{path}: {found}.\n{advice}")
        self.path, self.found = path, found


def why(error: OSError) -> str:
    """The system's answer in plain words."""
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, FileNotFoundError):
        return "is not there (moved, deleted, or a link that leads nowhere)"
    if isinstance(error, IsADirectoryError):
        return "is a folder, where a file was expected"
    return f"cannot be read ({error.strerror or error})"


class Notes:
    """What one should know though nothing is wrong. Of each kind the first file is named, the others are counted."""

    def __init__(self) -> None:
        self._files: dict[str, list[Path]] = {}
        self._lock = Lock()

    def add(self, text: str, path: Path) -> None:
        with self._lock:
            files = self._files.setdefault(text, [])
            if path not in files[:1]:
                files.append(path)

    def lines(self) -> list[str]:
        with self._lock:
            files = {text: (paths[0], len(set(paths)) - 1) for text, paths in self._files.items()}
        return [f"{first}{f' and {more} more' if more else ''}: {text}" for text, (first, more) in files.items()]
