"""Means over images and seeds, and how sure they are for new images and new seeds alike.

Two sources of chance cross: every seed sees the same images. Drawing both anew (Owen 2007, "The pigeonhole bootstrap")
covers the true mean in 61 to 96 % of simulations with 2 to 5 seeds, for so few numbers hardly tell their spread. So the
bootstrap interval over images is widened by what seeds add: their variance by two-way analysis of variance, degrees of
freedom by Satterthwaite (1946), and never less than the seeds alone call for. That covers in 94 to 97 %, with 2 to 10
seeds, whichever source is the larger.

Three seeds tell little, but ten settings with three seeds each tell a lot, if seeds scatter alike in all of them: then
their noise is `pooled`, as in any analysis of variance. A setting whose own seeds scatter more than that keeps its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import fdtri, stdtr, stdtrit

from vitreous.metrics.bootstrap import LEVEL, Groups, Interval, bca, clustered

ENOUGH = 4  # degrees of freedom: three settings of three seeds, say


@dataclass(frozen=True)
class SeedNoise:
    """How much seeds scatter, as mean squares of a two-way table of groups of images by seeds.

    between  of the means of seeds, times the number of groups; within: of what neither images nor seeds explain
    freedom  degrees of freedom of `between`
    """

    between: float
    within: float
    freedom: float

    def variance(self, groups: int, seeds: int) -> float:
        """Of a mean over so many seeds: what comes from its seeds, beyond the chance of single values."""
        return max(self.between - self.within, 0.0) / (groups * seeds)


def seed_noise(total: Float[np.ndarray, "g s"], count: Float[np.ndarray, " g"]) -> SeedNoise | None:
    """From the totals of groups of images, seed by seed; None where there is one group or one seed."""
    groups, seeds = total.shape
    if groups < 2 or seeds < 2:
        return None
    means = total.sum(0) / count.sum()
    value = means + (total - means * count[:, None]) / count.mean()  # a group each, of equal weight
    rest = value - value.mean(1, keepdims=True) - means + means.mean()
    within = (rest**2).sum() / ((groups - 1) * (seeds - 1))
    return SeedNoise(float(groups * means.var(ddof=1)), float(within), seeds - 1.0)


def pooled(own: SeedNoise, others: Sequence[SeedNoise]) -> SeedNoise:
    """The noise of several settings together; its own where a setting's seeds scatter more than those of the others.

    That is an F test at 5 % over all settings (Bonferroni). Its own, too, where the others are too few to tell. With
    two seeds, a setting that scatters ten times as much as nine others still passes so often that a test of it is wrong
    in 14 % of simulations instead of 5; with three seeds, in 6 %.
    """
    freedom = sum(other.freedom for other in others)
    if freedom < ENOUGH:
        return own
    between = sum(other.between * other.freedom for other in others) / freedom
    if own.between > between * fdtri(own.freedom, freedom, 1 - (1 - LEVEL) / (1 + len(others))):
        return own
    every = [own, *others]
    freedom += own.freedom
    return SeedNoise(
        sum(noise.between * noise.freedom for noise in every) / freedom,
        sum(noise.within * noise.freedom for noise in every) / freedom,
        freedom,
    )


def over_seeds(
    values: Float[np.ndarray, "n s"],
    *,
    groups: Groups = None,
    noise: SeedNoise | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean over images and seeds; a column per seed, all of the same images.

    groups  of images that are drawn together, as in `interval`. With a single seed the interval is over images alone:
            it tells of this run, not of its settings
    noise   of seeds, where more is known of it than these values tell
    """
    total, count = clustered(values, groups)
    own = seed_noise(total, count)
    over_images = bca(total.mean(1), count, draws, seed)
    if own is None:
        return over_images
    noise = noise or own
    return widened(over_images, noise.variance(*total.shape), noise.freedom)


def widened(over_images: Interval, variance: float, freedom: float) -> Interval:
    """The interval over images, stretched to either side by what seeds add: a variance and its degrees of freedom."""
    if not variance:
        return over_images
    mean, (error, both) = over_images.mean, together(over_images, variance, freedom)
    half = max(critical(both) * error, critical(freedom) * variance**0.5)
    if not over_images.error:
        return Interval(mean, mean - half, mean + half, error, both)
    stretch = half / (critical(over_images.freedom) * over_images.error)
    low, high = mean - stretch * (mean - over_images.low), mean + stretch * (over_images.high - mean)
    return Interval(mean, low, high, error, both)


def chance_of_zero(over_images: Interval, variance: float = 0.0, freedom: float = 1.0) -> float:
    """p of a mean, or a difference, this far from 0 to either side where it is 0, by t; fits `widened`."""
    error, both = together(over_images, variance, freedom)
    if not error:
        return 1.0 if over_images.mean == 0 else 0.0
    p, alone = two_sided(over_images.mean / error, both), variance**0.5
    return max(p, two_sided(over_images.mean / alone, freedom)) if alone else p


def together(over_images: Interval, variance: float, freedom: float) -> tuple[float, float]:
    """Standard error over images and seeds, and its degrees of freedom."""
    both = over_images.error**2 + variance
    parts = variance**2 / freedom
    if over_images.error:
        parts += over_images.error**4 / over_images.freedom
    return both**0.5, both**2 / parts if parts else freedom


def critical(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def two_sided(t: float, freedom: float) -> float:
    return float(2 * stdtr(freedom, -abs(t)))
