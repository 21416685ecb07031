"""What must add up: GDM = Green + Clover, Total = GDM + Dead.

compose   totals are recomputed from their parts; what was predicted for the totals themselves is thrown away
project   the nearest numbers that add up and are not negative (least squares)
weighted  the same, nearness measured by the errors on held-out pictures: what is well known moves least

Consistent is not always better: in the worked example of the reference notes the predictions score 0.979 as they are,
0.976 projected and 0.949 composed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from vitreous.errors import RunError, did_you_mean

Reconcile = Literal["none", "compose", "project", "weighted"]
WAYS = get_args(Reconcile)


@dataclass(frozen=True)
class Sums:
    """Totals and their parts, among some targets.

    parts  places of the targets that are no total, in order
    basis  every target as a sum of the parts: y = basis @ y[parts]
    """

    targets: tuple[str, ...]
    parts: tuple[int, ...]
    basis: Float[np.ndarray, "t p"]

    @staticmethod
    def of(texts: Sequence[str], targets: Sequence[str]) -> "Sums":
        """From lines like "Total = GDM + Dead" or "Total = 2*Half"; a total may be a part of another."""
        rows: dict[str, dict[str, float]] = {}
        for text in texts:
            total, terms = parsed(text, targets)
            if total in rows:
                raise RunError(f'"{total}" is a total twice: in "{text}" and before. Name each total once.')
            rows[total] = terms
        parts = [name for name in targets if name not in rows]
        basis = np.stack([expanded(name, rows, parts, ()) for name in targets])
        return Sums(tuple(targets), tuple(targets.index(name) for name in parts), basis)

    def compose(self, y: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
        return y[:, list(self.parts)] @ self.basis.T

    def project(
        self, y: Float[np.ndarray, "n t"], covariance: Float[np.ndarray, "t t"] | None = None
    ) -> Float[np.ndarray, "n t"]:
        """The nearest consistent point without a negative part; `covariance` of the errors says what near means."""
        whiten = np.eye(len(self.targets)) if covariance is None else np.linalg.inv(np.linalg.cholesky(covariance))
        basis, seen = whiten @ self.basis, y @ whiten.T
        parts = seen @ np.linalg.pinv(basis).T
        for row in np.flatnonzero((parts < 0).any(1)):
            parts[row] = nnls(basis, seen[row])[0]
        return parts @ self.basis.T

    def off(self, y: Float[np.ndarray, "n t"]) -> float:
        """By how much the numbers fail to add up, at most."""
        return float(np.abs(y - self.compose(y)).max(initial=0.0))


def parsed(text: str, targets: Sequence[str]) -> tuple[str, dict[str, float]]:
    total, equals, right = (piece.strip() for piece in text.partition("="))
    terms: dict[str, float] = {}
    for term in right.split("+"):
        factor, times, name = term.strip().rpartition("*")
        try:
            terms[name.strip()] = float(factor) if times else 1.0
        except ValueError:
            terms[name.strip()] = np.nan
    if not equals or not right or not all(value > 0 for value in terms.values()):
        raise RunError(f'"{text}" is not a sum of targets, as in "Total = GDM + Dead" or "Total = 2*Half".')
    for name in (total, *terms):
        if name not in targets:
            raise RunError(f'"{text}" speaks of "{name}", which is no target.{did_you_mean(name, targets)}')
    return total, terms


def expanded(
    name: str, rows: dict[str, dict[str, float]], parts: Sequence[str], above: tuple[str, ...]
) -> Float[np.ndarray, " p"]:
    """A target in terms of the parts."""
    if name in above:
        raise RunError(f'"{name}" would be a part of itself: {" = ".join([*above, name])}.')
    if name not in rows:
        return np.array([float(part == name) for part in parts])
    return sum(
        (factor * expanded(part, rows, parts, (*above, name)) for part, factor in rows[name].items()),
        np.zeros(len(parts)),
    )


def reconciled(
    y: Float[np.ndarray, "n t"], sums: Sums | None, how: str, covariance: Float[np.ndarray, "t t"] | None = None
) -> Float[np.ndarray, "n t"]:
    """Numbers that add up as asked. `covariance` of held-out errors is needed by "weighted"."""
    if how not in WAYS:
        raise RunError(f'No way to reconcile called "{how}".{did_you_mean(how, WAYS)}')
    if sums is None or how == "none":
        return y
    if how == "compose":
        return sums.compose(y)
    return sums.project(y, covariance if how == "weighted" else None)


def error_covariance(errors: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "t t"]:
    """Of errors on held-out pictures, drawn a tenth towards its diagonal: few pictures tell correlations badly."""
    found = errors.T @ errors / len(errors)
    diagonal = np.diag(np.maximum(np.diag(found), 1e-9 * max(np.diag(found).max(), 1e-30)))
    return 0.9 * found + 0.1 * diagonal
