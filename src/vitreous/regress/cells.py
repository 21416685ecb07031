"""Cells of a CSV file, with the line and column that each stands in, so that whatever is wrong can be found."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from vitreous.errors import DataError, did_you_mean

NAMED = 5  # so many faults are told one by one
NOTHING = ("", "nan", "na", "n/a", "null", "none", "-")


@dataclass(frozen=True)
class Columns:
    """What columns are called: the picture; an id of rows; in a long table the target's name and its value."""

    image: str = "image_path"
    id: str = "sample_id"
    name: str = "target_name"
    value: str = "target"


USUAL = Columns()


@dataclass(frozen=True)
class Cell:
    """A value of one target of one picture, as text; `row` counts from 0 below the header."""

    row: int
    column: str
    picture: str
    target: str
    text: str


class Faults:
    """Gathers what is wrong with a table, to be said all at once. Lines are counted as editors do."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self.found: list[str] = []

    def add(self, row: int, column: str, what: str) -> None:
        self.found.append(f'line {row + 2}, column "{column}": {what}')

    def settle(self, advice: str) -> None:
        """Raise, if there is anything to be said."""
        if self.found:
            more = f"\n  and {len(self.found) - NAMED} more" if len(self.found) > NAMED else ""
            raise DataError(f"{self.path}:\n  " + "\n  ".join(self.found[:NAMED]) + more + f"\n{advice}")


def read_csv(path: Path) -> pd.DataFrame:
    """All cells as text, blanks around them gone; separated by commas, semicolons or tabs."""
    try:
        first = path.read_text(encoding="utf-8-sig").partition("\n")[0]
        separator = max(",;\t", key=first.count)
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"There is no table at {path}.") from None
    except (OSError, ValueError) as error:  # what pandas and decoding raise are ValueErrors
        raise DataError(f"{path} cannot be read as a CSV table: {error}") from None
    table.columns = [str(name).strip() for name in table.columns]
    for name in table.columns:
        table[name] = table[name].str.strip()
    if not len(table):
        raise DataError(f"{path} has a header ({', '.join(table.columns)}) but no rows.")
    return table


def need(cells: pd.DataFrame, column: str, path: Path) -> None:
    """The column that names the pictures must be there."""
    if column not in cells:
        raise DataError(
            f'{path} has no column "{column}".{did_you_mean(column, cells.columns)}\n'
            "Say which column names the pictures:  --image-column NAME"
        )


def is_long(cells: pd.DataFrame, columns: Columns) -> bool:
    """One row per picture and target; its values may be missing, as in what is to be predicted."""
    return columns.name in cells


def twice(cells: pd.DataFrame, key: Sequence[str], faults: Faults) -> None:
    """Note rows that say again what an earlier one said."""
    first: dict[tuple[str, ...], int] = {}
    for row, values in enumerate(cells[list(key)].itertuples(index=False, name=None)):
        if values in first:
            faults.add(row, key[-1], f"{' and '.join(values)} stands in line {first[values] + 2}, too")
        first.setdefault(values, row)


def wide_cells(cells: pd.DataFrame, targets: Sequence[str], columns: Columns, path: Path) -> Iterator[Cell]:
    """Of a table with a row per picture."""
    if not targets:
        numeric = [n for n in cells if n != columns.image and np.isfinite(as_numbers(cells[n])).all()]
        raise DataError(
            f"{path} has a row per picture: say which columns are to be learned, as in\n"
            f"  --targets {' '.join(numeric[:3]) or 'NAME'}\nColumns of numbers: {', '.join(numeric) or 'none'}."
        )
    for name in targets:
        if name not in cells or name == columns.image:
            raise DataError(f'{path} has no target column "{name}".{did_you_mean(name, cells.columns)}')
    for name in targets:
        for row, (picture, text) in enumerate(zip(cells[columns.image], cells[name], strict=True)):
            yield Cell(row, name, picture, name, text)


def long_cells(cells: pd.DataFrame, targets: Sequence[str], columns: Columns, path: Path) -> Iterator[Cell]:
    """Of a table with a row per picture and target."""
    if columns.value not in cells:
        raise DataError(
            f'{path} names targets ("{columns.name}") but has no column "{columns.value}" with their values.'
            f"{did_you_mean(columns.value, cells.columns)}\nSay which column holds them:  --value-column NAME"
        )
    there = list(dict.fromkeys(cells[columns.name]))
    for name in targets:
        if name not in there:
            raise DataError(f'{path} has no rows for the target "{name}".{did_you_mean(name, there)}')
    rows = zip(*(cells[column] for column in (columns.image, columns.name, columns.value)), strict=True)
    for row, (picture, name, text) in enumerate(rows):
        if not targets or name in targets:
            yield Cell(row, columns.value, picture, name, text)


def numbers(found: Sequence[Cell], faults: Faults, negative: bool) -> list[float]:
    """Values of cells; what is none is noted."""
    values = as_numbers([cell.text for cell in found]).tolist()
    for cell, value in zip(found, values, strict=True):
        whose = f" ({cell.target} of {cell.picture})"
        if cell.text.lower() in NOTHING:
            shown = f'"{cell.text}"' if cell.text else "nothing"
            faults.add(cell.row, cell.column, f"{shown} where a number is needed{whose}")
        elif not np.isfinite(value):
            faults.add(cell.row, cell.column, f'"{cell.text}" is not a number{whose}')
        elif value < 0 and not negative:
            faults.add(cell.row, cell.column, f"{cell.text} is negative{whose}")
    return values


def as_numbers(texts: Iterable[object]) -> Float[np.ndarray, " n"]:
    """What texts say; NaN where one is no number."""
    return np.asarray(pd.to_numeric(pd.Series([str(text) for text in texts], dtype=str), errors="coerce"), dtype=float)
