"""Small networks that turn the patches of a picture into numbers; many of them at once, as one module.

    patch      d -> width -> LeakyReLU -> 1 for every patch, ReLU, mean over patches: mean(ReLU), not ReLU(mean), so an
               empty patch adds nothing while others add a lot
    linear     the same without a hidden layer
    attention  patches weighted by a learned softmax, then one network for what was seen
    pooled     the mean patch, then one network: what votes are measured against
    cls        one network on the class token; its store has one "patch" per picture (features/whole.py)

All heads stand in one set of tensors, the first axis counting heads: 5 targets x 5 folds are 25 heads, and one matrix
product serves them all. Nothing of a head depends on which others stand beside it, its random start included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any, ClassVar, Literal
from zlib import crc32

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad, softplus

from vitreous.errors import RunError


@dataclass(frozen=True)
class HeadConfig:
    """What a head is made of.

    depth     hidden layers
    dropout   share of hidden numbers left out while training
    slope     of the LeakyReLU below 0
    positive  how a vote is kept from being negative
    """

    width: int = 128
    depth: int = 1
    dropout: float = 0.0
    slope: float = 0.01
    positive: Literal["relu", "softplus", "none"] = "relu"

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 0:
            raise RunError(f"A head needs a width of at least 1 and no negative depth, not {self.width}, {self.depth}.")
        if not 0 <= self.dropout < 1:
            raise RunError(f"dropout must lie in [0, 1), not {self.dropout}.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "HeadConfig":
        """From the plain values of a recipe; TypeError for a name that is none of its settings."""
        return cls(**values)

    def knowing(self, targets: Sequence[str], sums: Sequence[str]) -> "HeadConfig":
        """The same for some targets, of which some are sums of others; to small heads all are alike."""
        return self


@dataclass(frozen=True)
class Votes:
    """What heads answer, in units of the scaled target.

    numbers  one per picture, head and output: the mean over the patches of `each`
    each     what each patch gives; None where a head looks at pictures as a whole
    """

    numbers: Float[Tensor, "b m o"]
    each: Float[Tensor, "b n m o"] | None


class Heads(nn.Module):
    """What every kind of head owes.

    names  of the heads; each decides the random start of its own
    out    numbers per head: all targets of a joint head, else one
    whole  a larger model: it answers for all targets, in their own units, and learns from a batch as a whole
    small  less work than the asking: all members are asked at once, of pictures of their own fold too
    """

    Config: ClassVar[type[HeadConfig]] = HeadConfig
    whole: ClassVar[bool] = False
    small: ClassVar[bool] = True

    def __init__(self, config: HeadConfig, dim: int, names: Sequence[str], out: int = 1) -> None:
        super().__init__()
        self.config, self.dim, self.names, self.out = config, dim, list(names), out
        sides = list(pairwise([dim, *[config.width] * self.hidden, out]))
        self.weights = nn.ParameterList(torch.zeros(len(names), a, b) for a, b in sides)
        self.biases = nn.ParameterList(torch.zeros(len(names), b) for _, b in sides)

    @property
    def hidden(self) -> int:
        return self.config.depth

    def __len__(self) -> int:
        return len(self.names)

    @torch.no_grad()
    def draw(self) -> "Heads":
        """The random start, uniform in +- 1 / root of the inputs as nn.Linear has it; each head by its own name."""
        inputs = [weight.shape[1] for weight in self.weights]
        bounds = {f"weights.{i}": n for i, n in enumerate(inputs)} | {f"biases.{i}": n for i, n in enumerate(inputs)}
        for what, parameter in self.named_parameters():
            bound = 1 / sqrt(bounds.get(what, self.dim))
            for name, own in zip(self.names, parameter, strict=True):
                own.uniform_(-bound, bound, generator=torch.Generator().manual_seed(crc32(f"{name} {what}".encode())))
        return self

    def start_at(self, numbers: Float[Tensor, "m o"]) -> None:
        """Last biases such that votes begin around these: where all votes begin below 0, ReLU lets nothing learn."""
        with torch.no_grad():
            if self.config.positive == "softplus":
                numbers = numbers.clamp(min=1e-3).expm1().log()
            self.biases[-1].copy_(numbers)

    def part(self, start: int, stop: int) -> "Heads":
        """Some of the heads, on the same memory: what either learns, the other has learned. So are gradients, where
        there are any by now.
        """
        one = type(self)(self.config, self.dim, self.names[start:stop], self.out)
        for own, whole in zip(one.parameters(), self.parameters(), strict=True):
            own.data = whole.data[start:stop]
            own.grad = None if whole.grad is None else whole.grad[start:stop]
        return one

    def forward(self, x: Float[Tensor, "b n d"], seed: int | None = None) -> Votes:
        """Answers; `seed` draws what dropout leaves out, None while nothing is learned."""
        raise NotImplementedError

    def beside(self, votes: Votes, true: Float[Tensor, "b o"], seed: int) -> Tensor | None:
        """What else is to be small while learning, mean over pictures, in squared units of what is learned; the targets
        together weigh as much. `seed` draws what it draws.
        """
        return None

    def arranged(self, pictures: Any) -> Any:
        """Pictures with tiles in the order that these heads want; StoreError where they are not what is needed."""
        return pictures

    def layers(self, x: Float[Tensor, "r d"] | Float[Tensor, "m r d"], seed: int | None) -> Float[Tensor, "m r o"]:
        """The network on rows, the same ones for all heads or each head's own."""
        y = shared(x, self.weights[0]) if x.ndim == 2 else times(x, self.weights[0])
        y = y + self.biases[0][:, None]
        for i in range(1, len(self.weights)):
            y = leaky_relu(y, self.config.slope)
            if self.config.dropout and seed is not None:
                y = self.dropped(y, seed + i)
            y = times(y, self.weights[i]) + self.biases[i][:, None]
        return y

    def dropped(self, y: Float[Tensor, "m r w"], seed: int) -> Float[Tensor, "m r w"]:
        """Head by head, so that a head's draws do not depend on its neighbours."""
        keep = torch.empty(y.shape)
        for name, own in zip(self.names, keep, strict=True):
            draw = torch.Generator().manual_seed(seed ^ crc32(name.encode()))
            own.bernoulli_(1 - self.config.dropout, generator=draw)
        return y * keep.to(y) / (1 - self.config.dropout)

    def kept_positive(self, votes: Tensor) -> Tensor:
        return {"relu": torch.relu, "softplus": softplus, "none": lambda v: v}[self.config.positive](votes)


# In the products below a head is what it would be alone, whoever stands beside it, since a long training blows rounding
# up. Hidden layers are multiplied head by head, which is exact; single columns in blocks of one size, which is to 1e-6.
COLUMNS = 16


def times(y: Float[Tensor, "m r a"], weight: Float[Tensor, "m a b"]) -> Float[Tensor, "m r b"]:
    """Each head's rows; for a single column a sum of products is quicker than the library's."""
    return (y * weight.mT).sum(2, keepdim=True) if weight.shape[2] == 1 else torch.bmm(y, weight)


def shared(x: Float[Tensor, "r a"], weight: Float[Tensor, "m a b"]) -> Float[Tensor, "m r b"]:
    """The same rows for all heads."""
    if weight.shape[2] == 1:
        return columns(x, weight[:, :, 0]).T[..., None]
    return torch.bmm(x.expand(len(weight), -1, -1), weight)


def columns(x: Float[Tensor, "r a"], weight: Float[Tensor, "m a"]) -> Float[Tensor, "r m"]:
    """A column per head. The library rounds by the shape of a product, so all have one, the last filled with 0."""
    parts = [(x @ pad(part, (0, 0, 0, COLUMNS - len(part))).T)[:, : len(part)] for part in weight.split(COLUMNS)]
    return torch.cat(parts, 1)


class PatchHeads(Heads):
    """Every patch by itself, and the mean of the votes."""

    small = False

    def forward(self, x: Float[Tensor, "b n d"], seed: int | None = None) -> Votes:
        each = self.kept_positive(self.layers(x.flatten(0, 1), seed)).unflatten(1, x.shape[:2])
        each = each.permute(1, 2, 0, 3)
        return Votes(each.mean(1), each)


class LinearHeads(PatchHeads):
    """No hidden layer."""

    small = True

    @property
    def hidden(self) -> int:
        return 0


class PooledHeads(Heads):
    """The mean of all patches, then the network: nothing says which patch gave what."""

    def forward(self, x: Float[Tensor, "b n d"], seed: int | None = None) -> Votes:
        return Votes(self.kept_positive(self.layers(x.mean(1), seed)).transpose(0, 1), None)


class ClassTokenHeads(PooledHeads):
    """The same on the class token, of which there is one per picture (and tile)."""


class AttentionHeads(Heads):
    """Each head weights the patches by a softmax of its own, adds them up, and one network says the number.

    `each` shows where it looked: the number times the weights, over their mean.
    """

    def __init__(self, config: HeadConfig, dim: int, names: Sequence[str], out: int = 1) -> None:
        super().__init__(config, dim, names, out)
        self.query = nn.Parameter(torch.zeros(len(names), dim))

    def forward(self, x: Float[Tensor, "b n d"], seed: int | None = None) -> Votes:
        scores = columns(x.flatten(0, 1), self.query).T.unflatten(1, x.shape[:2])
        weight = (scores / sqrt(self.dim)).softmax(2)  # [m b n]
        seen = torch.stack([torch.bmm(one[:, None], x)[:, 0] for one in weight])
        numbers = self.kept_positive(self.layers(seen, seed)).transpose(0, 1)
        return Votes(numbers, numbers[:, None] * weight.permute(1, 2, 0)[..., None] * x.shape[1])
