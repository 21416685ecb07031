"""What is to be predicted, and the file that answers it, in the form that was asked for.

test.csv               long (sample_id, image_path, target_name) or wide (image_path alone is enough)
sample_submission.csv  optional: its columns, ids and order are those of the answer
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from vitreous.errors import DataError, did_you_mean
from vitreous.regress.cells import USUAL, Columns, Faults, is_long, need, read_csv, twice
from vitreous.regress.table import check_pictures


@dataclass(frozen=True)
class Wanted:
    """Pictures to look at, and the cells of the answer.

    pictures  each once
    answer    the table to be written, its numbers still empty
    cells     (row of the answer, its column, place of the picture, target)
    """

    pictures: list[str]
    answer: pd.DataFrame
    cells: list[tuple[int, str, int, str]]

    def filled(self, y: Float[np.ndarray, "n t"], targets: Sequence[str]) -> pd.DataFrame:
        """The answer with numbers, each with six digits after the point."""
        at = {name: place for place, name in enumerate(targets)}
        answer = self.answer.copy()
        for column in dict.fromkeys(column for _, column, _, _ in self.cells):
            here = [(row, y[picture, at[target]]) for row, c, picture, target in self.cells if c == column]
            texts = pd.Series([f"{value:.6f}" for _, value in here], [row for row, _ in here])
            answer[column] = texts.reindex(range(len(answer)))
        return answer


def read_wanted(
    path: Path | str,
    images: Path | str | None,
    trained: Sequence[str],
    columns: Columns = USUAL,
    sample: Path | str | None = None,
) -> Wanted:
    """Read what is to be predicted by heads that were trained on some targets."""
    path, faults = Path(path), Faults(Path(path))
    cells = read_csv(path)
    need(cells, columns.image, path)
    long = is_long(cells, columns)
    if columns.id in cells:
        twice(cells, [columns.id], faults)
        faults.settle("Each row of the answer needs an id of its own.")
    if long:
        for row, name in enumerate(cells[columns.name]):
            if name not in trained:
                faults.add(row, columns.name, f"{name} was never trained.{did_you_mean(name, trained)}")
        faults.settle("Train on this target too, or remove these rows.")
    pictures = check_pictures(cells, Path(images or path.parent), columns.image, faults)
    place = {name: at for at, name in enumerate(pictures)}
    if long:
        return long_answer(cells, place, columns, sample)
    return wide_answer(cells, place, columns, trained, sample)


def of_pictures(names: Sequence[str], trained: Sequence[str], column: str = USUAL.image) -> Wanted:
    """Every target of some pictures that no table names."""
    answer = pd.DataFrame({column: list(names)} | dict.fromkeys(trained, ""))
    return Wanted(list(names), answer, [(at, name, at, name) for at in range(len(names)) for name in trained])


def long_answer(cells: pd.DataFrame, place: dict[str, int], columns: Columns, sample: Path | str | None) -> Wanted:
    """One number per row; ids are the table's own, or picture and target joined as in the competition."""
    ids = cells[columns.id] if columns.id in cells else cells[columns.image] + "__" + cells[columns.name]
    known = dict(zip(ids, zip(cells[columns.image], cells[columns.name], strict=True), strict=True))
    answer = pd.DataFrame({columns.id: ids, columns.value: ""})
    if sample is not None:
        answer = read_csv(Path(sample))
        matched(answer, list(known), Path(sample))
    value = answer.columns[-1]
    rows = enumerate(answer.iloc[:, 0])
    return Wanted(list(place), answer, [(row, value, place[known[name][0]], known[name][1]) for row, name in rows])


def wide_answer(
    cells: pd.DataFrame, place: dict[str, int], columns: Columns, trained: Sequence[str], sample: Path | str | None
) -> Wanted:
    """A row per picture and a column per target."""
    answer = pd.DataFrame({columns.image: list(place)} | dict.fromkeys(trained, ""))
    known = {name: name for name in place}
    if sample is not None:
        answer = read_csv(Path(sample))
        key = str(answer.columns[0])
        if key in cells:
            known = dict(zip(cells[key], cells[columns.image], strict=True))
        else:
            known = {Path(name).stem: name for name in place}
        matched(answer, list(known), Path(sample))
    named = [str(name) for name in answer.columns[1:]]
    for name in named:
        if name not in trained:
            raise DataError(f'{sample}, column "{name}": it was never trained.{did_you_mean(name, trained)}')
    rows = enumerate(answer.iloc[:, 0])
    return Wanted(list(place), answer, [(row, name, place[known[one]], name) for row, one in rows for name in named])


def matched(answer: pd.DataFrame, known: Sequence[str], sample: Path) -> None:
    """Ids of the sample must be those of the table."""
    faults, column, there = Faults(sample), str(answer.columns[0]), set(known)
    for row, name in enumerate(answer.iloc[:, 0]):
        if name not in there:
            faults.add(row, column, f"{name} is not among what is to be predicted.{did_you_mean(name, known[:5000])}")
    faults.settle("The sample and the table belong to each other: name both of the same data.")
    twice(answer, [column], faults)
    faults.settle("Each row of the answer needs an id of its own.")
    if len(answer) < len(there):
        missing = next(name for name in known if name not in set(answer.iloc[:, 0]))
        raise DataError(f"{sample} has {len(answer)} rows for {len(there)} to be predicted: {missing} is missing.")
