"""Numbers of pictures, from a CSV file. Everything that could be wrong with it is said by line and column.

wide   one row per picture, a column per target:

    image_path,Sampling_Date,Dry_Green_g,Dry_Dead_g
    train/ID1011.jpg,2015/9/4,20.1,10.4

long   one row per picture and target, as in the CSIRO competition:

    sample_id,image_path,Sampling_Date,target_name,target
    ID1011__Dry_Green_g,train/ID1011.jpg,2015/9/4,Dry_Green_g,20.1

Other columns are kept as text, for groups and strata; in a long table they must be the same in all rows of a picture.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from vitreous.errors import DataError, did_you_mean
from vitreous.regress.cells import (
    USUAL,
    Cell,
    Columns,
    Faults,
    is_long,
    long_cells,
    need,
    numbers,
    read_csv,
    twice,
    wide_cells,
)


@dataclass(frozen=True)
class Table:
    """One row per picture.

    y        values of the targets, in their units
    columns  all that is neither picture nor target, as text
    """

    path: Path
    pictures: list[str]
    targets: tuple[str, ...]
    y: Float[np.ndarray, "n t"]
    columns: pd.DataFrame

    def __len__(self) -> int:
        return len(self.pictures)

    def fingerprint(self) -> str:
        """SHA-256 over pictures, targets and values: tells whether the numbers changed."""
        digest = hashlib.sha256("\n".join([*self.pictures, *self.targets]).encode())
        digest.update(np.ascontiguousarray(self.y).tobytes())
        return digest.hexdigest()

    def taking(self, keep: Bool[np.ndarray, " n"]) -> "Table":
        """Some of the pictures."""
        names = [name for name, own in zip(self.pictures, keep, strict=True) if own]
        return Table(
            self.path, names, self.targets, self.y[keep], pd.DataFrame(self.columns[keep]).reset_index(drop=True)
        )

    def column(self, names: Sequence[str]) -> pd.DataFrame:
        """Some of the other columns; DataError for one that is not there."""
        for name in names:
            if name not in self.columns:
                raise DataError(f'{self.path} has no column "{name}".{did_you_mean(name, self.columns.columns)}')
        return pd.DataFrame(self.columns[list(names)])


def read_table(
    path: Path | str,
    images: Path | str | None = None,
    targets: Sequence[str] = (),
    columns: Columns = USUAL,
    *,
    negative: bool = False,
    look: bool = True,
) -> Table:
    """Read and check a table to learn from.

    images    folder that the names of pictures start from; default: the table's own
    targets   in the order wanted; default for a long table: all it has
    negative  whether targets may be below 0
    look      whether pictures must be there: not where their features are
    """
    path, faults = Path(path), Faults(Path(path))
    cells = read_csv(path)
    need(cells, columns.image, path)
    long = is_long(cells, columns)
    for key in [[columns.id]] * (columns.id in cells) + [[columns.image, columns.name] if long else [columns.image]]:
        twice(cells, key, faults)
        faults.settle("Each row must say something of its own. Remove one of the two.")
    found = list((long_cells if long else wide_cells)(cells, targets, columns, path))
    values = numbers(found, faults, negative)
    advice = "Every picture needs a number for every target. Mend these rows, or remove them."
    if not negative:
        advice += " Targets that may be below 0 are learned with  --positive none"
    faults.settle(advice)
    y = pivot(found, values, tuple(targets), columns, faults)
    others = of_pictures(cells, columns, [] if long else list(targets), faults)
    if look:
        check_pictures(cells, Path(images or path.parent), columns.image, faults)
    return Table(
        path, [str(name) for name in y.index], tuple(map(str, y.columns)), y.to_numpy(float, copy=True), others
    )


def pivot(
    found: Sequence[Cell], values: Sequence[float], targets: tuple[str, ...], columns: Columns, faults: Faults
) -> pd.DataFrame:
    """A row per picture, a column per target."""
    first: dict[str, int] = {}
    rows: dict[str, dict[str, float]] = {}
    for cell, value in zip(found, values, strict=True):
        rows.setdefault(cell.picture, {})[cell.target] = value
        first.setdefault(cell.picture, cell.row)
    chosen = targets or tuple(dict.fromkeys(cell.target for cell in found))
    for picture, own in rows.items():
        for name in chosen:
            if name not in own:
                faults.add(first[picture], columns.name, f"{picture} has no row for {name}")
    faults.settle("Every picture needs a value of every target.")
    return pd.DataFrame([[own[name] for name in chosen] for own in rows.values()], list(rows), list(chosen))


def of_pictures(cells: pd.DataFrame, columns: Columns, targets: list[str], faults: Faults) -> pd.DataFrame:
    """The other columns, a row per picture."""
    others = cells.drop(columns=[c for c in (columns.id, columns.name, columns.value, *targets) if c in cells])
    for name in others.columns.drop(columns.image):
        first: dict[str, str] = {}
        for row, (picture, text) in enumerate(zip(others[columns.image], others[name], strict=True)):
            if first.setdefault(picture, text) != text:
                faults.add(row, str(name), f'"{text}" for {picture}, and "{first[picture]}" in an earlier line')
    faults.settle("What is said of a picture must be the same in all its rows.")
    return others.drop_duplicates(columns.image).drop(columns=columns.image).reset_index(drop=True)


def check_pictures(cells: pd.DataFrame, images: Path, column: str, faults: Faults) -> list[str]:
    """Every picture is a file below `images`; returns their names, each once."""
    if not images.is_dir():
        raise DataError(f"There is no folder {images}: say where the pictures of {faults.path} are:  --images DIR")
    rows: dict[str, int] = {}
    for row, name in enumerate(cells[column]):
        rows.setdefault(name, row)
    missing = [(row, name) for name, row in rows.items() if not name or not (images / name).is_file()]
    for row, name in missing:
        faults.add(row, column, f"{name} is not in {images}" if name else "no picture is named")
    name = missing[0][1] if missing else ""
    above = next((p for p in images.absolute().parents if name and (p / name).is_file()), None)
    faults.settle(f"They are below {above}:  --images {above}" if above else "Bring them there, or remove their rows.")
    return list(rows)
