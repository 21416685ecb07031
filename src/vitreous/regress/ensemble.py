"""Many heads that answer together: one member per seed and fold, each with a number for every target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vitreous.errors import FeatureMismatch
from vitreous.features.standardise import Standardiser
from vitreous.regress import heads_class
from vitreous.regress.heads import HeadConfig, Heads
from vitreous.regress.pictures import Pictures
from vitreous.regress.scaling import Scaling

AT_ONCE = 4096  # patches looked at together: what is hidden then stays near the processor


@dataclass(frozen=True)
class Ensemble:
    """Heads and what they need to be used.

    members  names, as "seed 0 fold 3"
    heads    member by member; within one, target by target, or one joint head
    """

    targets: tuple[str, ...]
    members: tuple[str, ...]
    heads: Heads
    scaling: Scaling
    standardise: Standardiser

    @staticmethod
    def make(
        kind: str,
        config: HeadConfig,
        dim: int,
        members: Sequence[str],
        targets: Sequence[str],
        scaling: Scaling,
        standardise: Standardiser,
        *,
        joint: bool = False,
    ) -> "Ensemble":
        """Untrained heads; each begins by its member's name and target."""
        names = list(members) if joint else [f"{member} {target}" for member in members for target in targets]
        heads = heads_class(kind)(config, dim, names, len(targets) if joint else 1).draw()
        return Ensemble(tuple(targets), tuple(members), heads, scaling, standardise)

    def member(self, at: int) -> Heads:
        """The heads of one member, on the same memory."""
        each = len(self.heads) // len(self.members)
        return self.heads.part(at * each, (at + 1) * each)

    def parts(self) -> list[tuple[Heads, slice]]:
        """Heads that are best asked together, and which members they are of."""
        count = len(self.members)
        if self.heads.small:
            return [(self.heads, slice(0, count))]
        return [(self.member(at), slice(at, at + 1)) for at in range(count)]

    def numbers(self, votes: Float[Tensor, "b *n m o"], members: slice = slice(None)) -> Float[Tensor, "b *n k t"]:
        """Of some members' heads, in units of the targets."""
        z = votes.reshape(*votes.shape[:-2], -1, len(self.targets))
        return Scaling(self.scaling.kind, self.scaling.unit[members]).back(z)

    @torch.no_grad()
    def predict(self, pictures: Pictures, who: Bool[np.ndarray, "k n"] | None = None) -> Float[np.ndarray, "n v k t"]:
        """Every picture in every view by every member, in units of the targets; NaN where `who` does not ask for it."""
        check(self, pictures)
        pictures = self.heads.arranged(pictures)
        shape = (len(pictures), len(pictures.views), len(self.members), len(self.targets))
        found = np.full(shape, np.nan, dtype=np.float32)
        parts = self.parts()
        for some, view, x in seen(pictures, self.standardise):
            for heads, members in parts:
                asked = np.arange(len(some)) if who is None else np.flatnonzero(who[members][:, some].any(0))
                if len(asked):
                    votes = heads(x[torch.from_numpy(asked)]).numbers
                    found[some[asked], view, members] = self.numbers(votes, members).numpy()
        if who is not None:
            found[~who.T[:, None].repeat(shape[1], 1)] = np.nan
        return found


def seen(pictures: Pictures, standardise: Standardiser) -> Iterator[tuple[np.ndarray, int, Float[Tensor, "b n d"]]]:
    """Pictures, a few at a time, in one view after the other."""
    patches = len(pictures.tiles) * pictures.grid[0] * pictures.grid[1]
    parts = max(1, -(-len(pictures) * patches // AT_ONCE))
    for view in range(len(pictures.views)):
        for some in np.array_split(np.arange(len(pictures)), min(parts, max(1, len(pictures)))):
            if len(some):
                yield some, view, pictures.patches(some, np.full(len(some), view), standardise)


def check(ensemble: Ensemble, pictures: Pictures) -> None:
    """Heads know one width of features."""
    if ensemble.heads.dim != pictures.dim:
        raise FeatureMismatch(
            f"The heads were trained on {ensemble.heads.dim} numbers per patch, but {pictures.store.path} holds "
            f"{pictures.dim}: features of another backbone."
        )


def mean_over(numbers: Float[np.ndarray, "n v k t"]) -> Float[np.ndarray, "n t"]:
    """Views first, then members; who was not asked does not count."""
    return np.nanmean(numbers.astype(np.float64).mean(1), axis=1)


def spreads(numbers: Float[np.ndarray, "n v k t"]) -> tuple[Float[np.ndarray, "n t"], Float[np.ndarray, "n t"]]:
    """Standard deviation over members (of the mean over views), and over views (of the mean over members).

    0 where there is one only.
    """
    exact = numbers.astype(np.float64)
    return np.nanstd(exact.mean(1), axis=1), np.nanmean(exact, axis=2).std(axis=1)
