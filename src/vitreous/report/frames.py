"""Data frames with types: pandas' own say that any part of a table may be anything."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float


def rows(lines: pd.DataFrame, **equal: object) -> pd.DataFrame:
    """The lines where columns have these values: rows(table, kind="run", metric="mbo")."""
    keep = np.ones(len(lines), dtype=bool)
    for name, value in equal.items():
        keep &= (lines[name] == value).to_numpy(dtype=bool)
    return lines.loc[keep]


def numbers(lines: pd.DataFrame, name: str) -> Float[np.ndarray, " n"]:
    """A column as numbers; what is not known is NaN."""
    return np.asarray(lines[name], dtype=np.float64)


def known(lines: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The lines where all of these columns are known."""
    return lines.loc[lines[list(names)].notna().all(axis=1)]


def indexed(lines: pd.DataFrame, place: list[str], name: str) -> pd.Series:
    """A column by its place: (key, frame, view), say."""
    return pd.Series(numbers(lines, name), index=pd.MultiIndex.from_frame(lines.loc[:, place]), name=name)


def keys(lines: pd.DataFrame) -> np.ndarray:
    """The clip of each line."""
    return np.asarray(lines["key"])


def dicts(lines: pd.DataFrame) -> list[dict[str, Any]]:
    """A dict per line."""
    return [dict(zip(map(str, lines.columns), line, strict=True)) for line in lines.itertuples(index=False, name=None)]
