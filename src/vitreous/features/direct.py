"""Random rows of features straight from the data files, as Lance's own metadata says where they lie.

Lance writes a fixed number of float16 per row, without nulls, one row after the other; reading them with one system
call each, into the batch itself, takes a fifth of the time of `dataset.take`, and runs no threads that compete with
the training for cores (benchmarks/store.py). Where the files are not like that (rows deleted, another encoding, an
object store, Windows), rows are read through Lance.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import lance
import numpy as np
from jaxtyping import Float16, Int
from lance.file import LanceFileReader

from vitreous.errors import StoreError

SEEN = 8  # rows that are compared with what Lance reads before anything is believed


class DirectRows:
    """Where the features of each row lie: `file[row]` and `at[row]`, in bytes."""

    def __init__(self, paths: list[Path], file: Int[np.ndarray, " n"], at: Int[np.ndarray, " n"], numbers: int) -> None:
        self.paths, self.file, self.at, self.numbers = paths, file, at, numbers

    @classmethod
    def of(cls, dataset: lance.LanceDataset, path: Path, numbers: int) -> "DirectRows | None":
        """None where rows cannot be read like this."""
        if not hasattr(os, "preadv"):
            return None
        paths, file, at = [], [], []
        for fragment in dataset.get_fragments():
            parts = fragment.data_files()
            whole = len(parts) == 1 and list(parts[0].fields) == list(range(len(dataset.schema.names)))
            place = path / "data" / parts[0].path
            if not whole or fragment.num_deletions or not place.is_file():
                return None
            starts = row_starts(place, parts[0].column_indices[dataset.schema.names.index("features")], 2 * numbers)
            if starts is None or len(starts) != fragment.count_rows():
                return None
            file.append(np.full(len(starts), len(paths)))
            at.append(starts)
            paths.append(place)
        if not paths:
            return None
        found = cls(paths, np.concatenate(file), np.concatenate(at), numbers)
        return found if found.agrees(dataset) else None

    def agrees(self, dataset: lance.LanceDataset) -> bool:
        rows = np.unique(np.linspace(0, len(self.at) - 1, SEEN).astype(np.int64))
        theirs = dataset.take(rows.tolist(), columns=["features"])["features"].combine_chunks().flatten()
        return self.read(rows).tobytes() == theirs.to_numpy(zero_copy_only=True).tobytes()

    def read(self, rows: Int[np.ndarray, " b"]) -> Float16[np.ndarray, "b n"]:
        """Rows in the order asked for."""
        features = np.empty((len(rows), self.numbers), np.float16)
        into, size = features.view(np.uint8), 2 * self.numbers
        wanted = list(zip(self.file[rows].tolist(), self.at[rows].tolist(), strict=True))
        with ExitStack() as stack:
            files = {i: self.opened(i, stack) for i in dict.fromkeys(i for i, _ in wanted)}
            if hasattr(os, "posix_fadvise"):  # a disk can fetch all while the first are copied
                for i, at in wanted:
                    os.posix_fadvise(files[i], at, size, os.POSIX_FADV_WILLNEED)
            for row, (i, at) in enumerate(wanted):
                if os.preadv(files[i], [into[row]], at) != size:
                    raise StoreError(f"{self.paths[i]} is cut off. Extract again into a new store.")
        return features

    def opened(self, file: int, stack: ExitStack) -> int:
        try:
            number = os.open(self.paths[file], os.O_RDONLY)
        except OSError as error:
            raise StoreError(f"{self.paths[file]} cannot be read: {error.strerror}. Open the store again.") from error
        stack.callback(os.close, number)
        return number


def row_starts(path: Path, column: int, size: int) -> Int[np.ndarray, " n"] | None:
    """First byte of each row; None if a page holds anything but whole rows of `size` bytes: encoded, or with nulls."""
    found = []
    for page in LanceFileReader(str(path)).metadata().columns[column].pages:
        values = page.buffers[0] if len(page.buffers) == 1 else None
        if values is None or values.size % size:
            return None
        found.append(values.position + size * np.arange(values.size // size))
    return np.concatenate(found) if found else None
