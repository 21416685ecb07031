"""CrossPVT as heads: one network per member of an ensemble, and what a store must hold for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import ClassVar
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from vitreous.errors import StoreError
from vitreous.features.views import TURNS, crop_box
from vitreous.regress.crosspvt import SIDES, Answer, CrossPVT, CrossPVTConfig, others, random_pairs
from vitreous.regress.heads import HeadConfig, Heads, Votes
from vitreous.regress.pictures import Box, Pictures

LEAST = 1e-3  # a unit is at least this share of the largest, or a target that is always 0 could never be learned


@dataclass(frozen=True)
class CrossVotes(Votes):
    """With all that the loss asks for, head by head."""

    answers: tuple[Answer, ...] = ()


class CrossPVTHeads(Heads):
    """As every head: all weights in one set of tensors, the first axis counting heads, each head by its own name.

    A head answers for all targets and adds up its parts, so it wants `joint` and targets in their own units.
    """

    Config: ClassVar[type[HeadConfig]] = CrossPVTConfig
    whole: ClassVar[bool] = True
    small: ClassVar[bool] = False
    network: CrossPVT

    def __init__(self, config: HeadConfig, dim: int, names: Sequence[str], out: int = 1) -> None:
        nn.Module.__init__(self)
        assert isinstance(config, CrossPVTConfig)
        self.config, self.dim, self.names, self.out = config, dim, list(names), out
        with torch.device("meta"):
            network = CrossPVT(config, dim, out)  # its plan; what it computes with stands in `stacked`
        object.__setattr__(self, "network", network)
        self.stacked = nn.ParameterDict(
            {key(what): torch.zeros(len(names), *p.shape) for what, p in network.named_parameters()}
        )
        for what, buffer in network.named_buffers():
            self.register_buffer(what, torch.zeros(len(names), *buffer.shape))

    @torch.no_grad()
    def draw(self) -> "CrossPVTHeads":
        for at, name in enumerate(self.names):
            with drawing(crc32(name.encode())):
                one = CrossPVT(self.network.config, self.dim, self.out)
            for what, parameter in one.named_parameters():
                self.stacked[key(what)][at] = parameter
            for what, buffer in one.named_buffers():
                self.get_buffer(what)[at] = buffer
        return self

    @torch.no_grad()
    def start_at(self, numbers: Float[Tensor, "m o"]) -> None:
        """Units are what answers begin near: softplus of the last biases is 1. The release begins near 0, in grams."""
        if self.network.config.faithful:
            return
        self.get_buffer("unit").copy_(numbers.clamp(min=max(LEAST * float(numbers.max()), torch.finfo().tiny)))
        ones = torch.ones(()).expm1().log()
        for at in range(len(self.network.parts)):
            self.stacked[key(f"parts.{at}.3.bias")].fill_(ones)
        if self.network.beside is not None:
            self.stacked[key("beside.1.bias")].fill_(ones)

    def part(self, start: int, stop: int) -> "CrossPVTHeads":
        one = type(self)(self.config, self.dim, self.names[start:stop], self.out)
        for what, whole in self.named_parameters():
            own = one.get_parameter(what)
            own.data = whole.data[start:stop]
            own.grad = None if whole.grad is None else whole.grad[start:stop]
        for what, whole in self.named_buffers():
            setattr(one, what, whole[start:stop])
        return one

    def forward(self, x: Float[Tensor, "b n d"], seed: int | None = None) -> Votes:
        answers = tuple(self.answer(at, x, seed) for at in range(len(self.names)))
        return CrossVotes(torch.stack([one.numbers for one in answers], 1), None, answers)

    def answer(self, at: int, x: Float[Tensor, "b n d"], seed: int | None) -> Answer:
        """Of one head."""
        state = {name(what): p[at] for what, p in self.stacked.items()}
        state |= {what: buffer[at] for what, buffer in self.named_buffers()}
        self.network.train(seed is not None)
        with drawing(None if seed is None else seed ^ crc32(self.names[at].encode())):
            return functional_call(self.network, state, (x,))

    def beside(self, votes: Votes, true: Float[Tensor, "b o"], seed: int) -> Tensor | None:
        """The auxiliary and ranking losses, mean over pictures and heads."""
        assert isinstance(votes, CrossVotes)
        pairs = random_pairs(len(true), torch.Generator().manual_seed(seed))
        found = [sum(others(self.network, one, true, pairs).values(), torch.zeros(())) for one in votes.answers]
        return torch.stack(found).mean()

    def arranged(self, pictures: Pictures) -> Pictures:
        """With tiles in the order that the network knows them by; each half is turned by itself, as in the release."""
        config, boxes = self.network.config, tiles(self.network.config)
        if pictures.tiles == boxes:
            return pictures
        place = {box: at for at, box in enumerate(pictures.tiles)}
        missing = [box for box in boxes if box not in place]
        if missing or len(place) > len(set(boxes)):
            (a, b), (c, d) = config.small_grid, config.big_grid
            raise StoreError(
                f"{pictures.store.path} holds {len(pictures.tiles)} tiles per picture, and crosspvt looks at "
                f"{len(set(boxes))}: each half in {a}x{b} and in {c}x{d}.\nLeave out --store to have one made. "
                f"Its views begin with  {' '.join(tile_views(config, ['identity'])[:2])} ..."
            )
        stored = np.array([place[box] for box in boxes])
        rows = [pictures.rows[:, at][:, stored[seen_at(config, view)]] for at, view in enumerate(pictures.views)]
        shape = (*pictures.grid, pictures.dim)
        return Pictures(pictures.store, pictures.keys, pictures.views, boxes, np.stack(rows, 1), shape)


def key(what: str) -> str:
    """Names of parameters must not hold a dot."""
    return what.replace(".", "/")


def name(what: str) -> str:
    return what.replace("/", ".")


@contextmanager
def drawing(seed: int | None) -> Iterator[None]:
    """All that is drawn inside follows the seed, and nothing outside notices."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def grids(config: CrossPVTConfig) -> Iterator[tuple[int, tuple[int, int]]]:
    """Side and rows and columns of its tiles, in the order that the network has them."""
    return ((side, grid) for side in range(SIDES) for grid in (config.small_grid, config.big_grid))


def tiles(config: CrossPVTConfig) -> tuple[Box, ...]:
    """Left, top, right, bottom in shares of the picture."""
    found: list[Box] = []
    for side, (rows, columns) in grids(config):
        for r, c in product(range(rows), range(columns)):
            box = (side + c / columns) / SIDES, r / rows, (side + (c + 1) / columns) / SIDES, (r + 1) / rows
            found.append(crop_box("crop:" + ",".join(f"{share:.6g}" for share in box)))  # as a view says it
    return tuple(found)


def tile_views(config: CrossPVTConfig, kinds: Sequence[str]) -> tuple[str, ...]:
    """Views that a store needs, in each of some kinds ("identity", "hflip", ...); the release has these three:
    identity, hflip, vflip.
    """
    boxes = dict.fromkeys(tiles(config))  # small tiles may be big ones, too
    crops = ["crop:" + ",".join(f"{side:.6g}" for side in box) for box in boxes]
    return tuple(crop if kind == "identity" else f"{crop}+{kind}" for kind in kinds for crop in crops)


def seen_at(config: CrossPVTConfig, view: str) -> Int[np.ndarray, " p"]:
    """Which tile is seen at each place of a view: a half that is mirrored has its first column last.

    By other angles than right ones only the tiles themselves are turned.
    """
    order, begin = [], 0
    for _, (rows, columns) in grids(config):
        places = np.arange(rows * columns).reshape(rows, columns)
        for part in view.split("+"):
            places = TURNS[part](places) if part in TURNS else places
        if places.shape != (rows, columns):
            raise StoreError(f'A half of {rows}x{columns} tiles cannot be turned aside: leave out the view "{view}".')
        order.append(begin + places.reshape(-1))
        begin += rows * columns
    return np.concatenate(order)
