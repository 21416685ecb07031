"""Pictures that a table names one by one; each is a clip of one frame, its key the name as the table spells it.

image_path,grams            root/train/ID1011.jpg
train/ID1011.jpg,12.5       key "train/ID1011.jpg"
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from vitreous.data.listing import ending, natural, walk
from vitreous.data.pictures import ENDINGS, header, read_pages
from vitreous.data.reading import Notes, Reading, Unreadable
from vitreous.errors import DataError
from vitreous.types import Frame


def pictures_below(root: Path | str) -> list[str]:
    """Names of all picture files below a folder, in natural order; DataError where there are none."""
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.")

    def refuse(error: Unreadable) -> None:
        raise error

    files = [f"{folder}/{name}".lstrip("/") for folder, names in walk(root, refuse).items() for name in names]
    found = sorted((name for name in files if ending(name) in ENDINGS), key=natural)
    if not found:
        raise DataError(f"No picture in {root}: {len(files)} files of other kinds.")
    return found


class ListedPictures:
    """Satisfies types.Source. Every file must be there; what cannot be decoded is treated as `on_error` says."""

    def __init__(
        self,
        root: Path | str,
        names: Sequence[str],
        on_error: Literal["raise", "skip"] = "raise",
        reading: Reading | None = None,
    ) -> None:
        self.root, self.keys, self.on_error = Path(root), list(names), on_error
        self.reading, self.skipped, self.seen = reading or Reading(), [], Notes()
        self.sizes: dict[str, int] = {}
        for name in self.keys:
            path = self.root / name
            if not path.is_file():
                raise DataError(f"{path} is not there, though the table names it ({name}).")
            self.sizes[name] = path.stat().st_size

    @property
    def name(self) -> str:
        return self.root.resolve().name

    @property
    def notes(self) -> list[str]:
        return self.seen.lines()

    def describe(self) -> str:
        return f"{len(self.keys)} pictures of a table"

    def length(self, key: str) -> int:
        return 1

    def size(self, key: str) -> tuple[int, int]:
        """y, x without decoding it."""
        return header(self.root / key, self.reading).size

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        if start:
            return
        try:
            (picture,) = read_pages(self.root / key, self.reading, self.seen)
        except Unreadable as error:
            if self.on_error == "raise":
                raise
            self.skipped.append((str(error.path), error.found))
            return
        yield Frame(key, 0, picture.image, None, picture.encoded)

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        return None

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.reading.grey_bits}".encode())
        for name in self.keys:
            digest.update(f"{name}\0{self.sizes[name]}\n".encode())
        return digest.hexdigest()
