"""Whether a difference is more than chance. All tests are two-sided.

Paired, two runs on the same images: signs of the differences flipped at random (Fisher 1935; Phipson & Smyth 2010 for
the one that is added). Unpaired, metal against rubber: Welch (1947), and labels drawn anew with Welch's t as statistic
(Janssen 1997), which holds its level where the two spread unlike.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import stdtr, stdtrit

from vitreous.metrics.bootstrap import AT_ONCE, LEVEL, Groups, Interval, bca, clustered
from vitreous.metrics.seeds import SeedNoise, chance_of_zero, seed_noise, widened

ALL_SIGNS = 12  # up to so many groups, all patterns of signs are tried in place of random ones
TIE = 1 - 1e-12  # sums of the same numbers in another order are equal


@dataclass(frozen=True)
class Difference:
    """Of two means, with its 95 % interval; p of one this large where there is none.

    test  how p was found
    """

    mean: float
    low: float
    high: float
    p: float
    test: str


def paired(
    ours: Float[np.ndarray, "n s"],
    theirs: Float[np.ndarray, "n r"],
    *,
    groups: Groups = None,
    noise: tuple[SeedNoise | None, SeedNoise | None] = (None, None),
    draws: int = 2000,
    seed: int = 0,
) -> Difference:
    """Difference of two runs, or of two settings with several seeds each, on the same images: ours - theirs.

    A column per seed. With two seeds or more on both sides interval and p are for new images and new seeds, by t;
    else they are for new images and these very runs: a paired bootstrap, and signs flipped.

    noise  of the seeds of either side, where more is known of it than these values tell; one for both if it was pooled
    """
    both, count = clustered(np.concatenate([ours, theirs], 1), groups)
    sides = both[:, : ours.shape[1]], both[:, ours.shape[1] :]
    difference = sides[0].mean(1) - sides[1].mean(1)
    found = bca(difference, count, draws, seed)
    own = [seed_noise(side, count) for side in sides]
    known = [given or mine for given, mine in zip(noise, own, strict=True)]
    if own[0] is None or own[1] is None or known[0] is None or known[1] is None:
        p = flipped(difference, found, seed=seed) if len(count) else float("nan")
        return Difference(found.mean, found.low, found.high, p, "signs flipped, over pictures")
    variance, freedom = of_difference([known[0], known[1]], [side.shape for side in sides])
    wide = widened(found, variance, freedom)
    return Difference(
        wide.mean, wide.low, wide.high, chance_of_zero(found, variance, freedom), "t, over pictures and seeds"
    )


def of_difference(noise: list[SeedNoise], shapes: list[tuple[int, ...]]) -> tuple[float, float]:
    """Variance of a difference that comes from the seeds of both sides; degrees of freedom by Welch (1947)."""
    variances = [one.variance(*shape) for one, shape in zip(noise, shapes, strict=True)]
    total, least = sum(variances), min(one.freedom for one in noise)
    if noise[0] == noise[1] or not total:
        return total, least
    parts = sum(v**2 / one.freedom for v, one in zip(variances, noise, strict=True))
    return total, max(total**2 / parts, least)


def sign_flip(
    differences: Float[np.ndarray, " n"], *, groups: Groups = None, flips: int = 9999, seed: int = 0
) -> float:
    """p of a mean difference this far from 0, if each could as well have the other sign; groups flip as one.

    Where no flip in 9,999 comes as far, p is that of t, if it is less. NaN where no difference is defined.
    """
    total, count = clustered(differences[:, None], groups)
    return flipped(total[:, 0], bca(total[:, 0], count, 1, seed), flips, seed) if len(count) else float("nan")


def flipped(total: Float[np.ndarray, " g"], mean: Interval, flips: int = 9999, seed: int = 0) -> float:
    """The same of totals of groups."""
    seen = abs(total.sum()) * TIE
    if len(total) <= ALL_SIGNS:
        sums = np.array(list(product((-1.0, 1.0), repeat=len(total)))) @ total
        return float((np.abs(sums) >= seen).mean())
    as_far = int((np.abs(signs(len(total), flips, seed) @ total) >= seen).sum())
    p = (1 + as_far) / (flips + 1)
    return p if as_far else min(p, chance_of_zero(mean))


@lru_cache(maxsize=2)
def signs(groups: int, flips: int, seed: int) -> Float[np.ndarray, "flips g"]:
    """Kept, since all differences on the same images are tried with the same signs."""
    return np.random.default_rng(seed).integers(0, 2, (flips, groups)) * 2.0 - 1.0


@dataclass(frozen=True)
class Unpaired:
    """Of the means of two kinds, first - second, with its 95 % interval; p of Welch's test and of drawn labels.

    p is NaN where one kind is in fewer than two groups.
    """

    mean: float
    low: float
    high: float
    welch: float
    permutation: float


def unpaired(
    values: Float[np.ndarray, "n m"],
    second: Bool[np.ndarray, " n"],
    *,
    groups: Groups = None,
    draws: int = 999,
    seed: int = 0,
) -> list[Unpaired]:
    """Compare values of two kinds; a column each for several runs or metrics of the same things.

    groups  of things that are alike because they are seen together: the objects of a scene. Their variance is that of
            groups (Welch's own where each value is its own group). Labels are drawn anew within the groups that hold
            both kinds, and between the groups that hold one
    """
    values, second, start = in_groups(values, second, groups)
    seen = compared(values, second[None], start)
    beyond, rng = np.ones(values.shape[1]), np.random.default_rng(seed)
    for done in range(0, draws, some := max(1, AT_ONCE // max(1, values.size))):
        labels = drawn_labels(second, start, min(some, draws - done), rng)
        with np.errstate(invalid="ignore"):  # comparing with NaN
            beyond += (np.abs(compared(values, labels, start).t) >= np.abs(seen.t) * TIE).sum(0)
    freedom, t = seen.freedom[0], seen.t[0]
    half = stdtrit(freedom, (1 + LEVEL) / 2) * seen.error[0]
    welch, permutation = 2 * stdtr(freedom, -np.abs(t)), np.where(np.isnan(t), np.nan, beyond / (draws + 1))
    columns = zip(seen.mean[0], seen.mean[0] - half, seen.mean[0] + half, welch, permutation, strict=True)
    return [Unpaired(*map(float, column)) for column in columns]


def in_groups(
    values: Float[np.ndarray, "n m"], second: Bool[np.ndarray, " n"], groups: Groups
) -> tuple[Float[np.ndarray, "p m"], Bool[np.ndarray, " p"], Int[np.ndarray, " g"]]:
    """Rows where all columns are defined, group by group, and where each group starts."""
    defined = ~np.isnan(values).any(1)
    names = np.arange(len(values)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    order = np.argsort(names[defined], kind="stable")
    start = np.flatnonzero(np.diff(names[defined][order], prepend=-1))
    return values[defined][order], second[defined][order], start


@dataclass(frozen=True)
class Compared:
    """Difference of two means per way of labelling and per column, its standard error and degrees of freedom."""

    mean: Float[np.ndarray, "r m"]
    error: Float[np.ndarray, "r m"]
    freedom: Float[np.ndarray, "r m"]

    @property
    def t(self) -> Float[np.ndarray, "r m"]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mean / self.error


def compared(
    values: Float[np.ndarray, "n m"], second: Bool[np.ndarray, "r n"], start: Int[np.ndarray, " g"]
) -> Compared:
    """Welch's t, with the variance of groups in place of single values; NaN where a kind is in fewer than two groups.

    A group's share in a mean is what it adds to its linear approximation; one that holds both kinds counts with the
    difference of its shares, as a pair would.
    """
    if not len(start):
        nothing = np.full((len(second), values.shape[1]), np.nan)
        return Compared(nothing, nothing, nothing)
    size, total = np.diff(start, append=len(values)), np.add.reduceat(values, start, axis=0)
    count = np.add.reduceat(second.astype(np.float64), start, axis=1)
    theirs = np.add.reduceat(second[:, :, None] * values, start, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, shares = zip(*(part(t, c) for t, c in ((total - theirs, size - count), (theirs, count))), strict=True)
        first, second = ((share**2).sum(1) for share in shares)
        groups = [(c > 0).sum(1)[:, None] for c in (size - count, count)]
        freedom = (first + second) ** 2 / (first**2 / (groups[0] - 1) + second**2 / (groups[1] - 1))
    return Compared(mean[0] - mean[1], np.sqrt(((shares[0] - shares[1]) ** 2).sum(1)), freedom)


def part(
    total: Float[np.ndarray, "r g m"], count: Float[np.ndarray, "r g"]
) -> tuple[Float[np.ndarray, "r m"], Float[np.ndarray, "r g m"]]:
    """Mean of one kind, and what each group adds to it, with Bessel's correction."""
    number, groups = count.sum(1)[:, None], (count > 0).sum(1)[:, None]
    mean = total.sum(1) / number
    share = (total - mean[:, None] * count[:, :, None]) / number[:, None]
    return mean, share * np.sqrt(groups / np.where(groups > 1, groups - 1, np.nan))[:, None]


def drawn_labels(
    second: Bool[np.ndarray, " n"], start: Int[np.ndarray, " g"], draws: int, rng: np.random.Generator
) -> Bool[np.ndarray, "draws n"]:
    """Labels drawn anew: within each group that holds both kinds, and among the groups that hold one."""
    size = np.diff(start, append=len(second))
    group = np.repeat(np.arange(len(start)), size)
    count = np.add.reduceat(second.astype(np.int64), start) if len(start) else size
    mixed = (count > 0) & (count < size)
    labels = np.empty((draws, len(second)), dtype=bool)
    pure = rng.permuted(np.tile(count[~mixed] > 0, (draws, 1)), axis=1)
    labels[:, ~mixed[group]] = np.repeat(pure, size[~mixed], axis=1)
    here = np.flatnonzero(mixed[group])
    order = np.argsort(group[here] + rng.random((draws, len(here))), axis=1)  # each group stays where it is
    labels[:, here] = second[here][order]
    return labels


def holm(p: Float[np.ndarray, " n"], family: int | None = None) -> Float[np.ndarray, " n"]:
    """p of several tests, corrected so that the chance of any false alarm stays what one test's would be (Holm 1979).

    family  number of tests they were picked from, where these are not all. NaN stays and does not count

    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    factor = (len(order) if family is None else family) - np.arange(len(order))
    corrected = np.full(len(p), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factor), 1.0)
    return corrected
