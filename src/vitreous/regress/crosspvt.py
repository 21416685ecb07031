"""CrossPVT-T2T-MambaDINO: two halves of a picture, each in small and in large tiles, make one number per part.

Source    no paper: a notebook of the CSIRO biomass competition, "LB 0.66 | DINO V2 backbone + Mamba + Multi-ViT", and
          its training script "v4 CrossPVT T2T Mamba"; public score 0.66.
Built     all of it after the backbone, whose vector per tile comes from a store: token re-tokeniser, cross-scale
          fusion, MobileViT -> PVT -> local and global "Mamba", gates between the halves, heads whose sums are the
          totals, auxiliary and ranking losses. Any targets and sums, any width of features, any grids of tiles.
Left out  training the backbone (a head sees features only); the two losses that totals be sums of parts: they are.
Differs   unless `faithful`, what the release does to no effect or against itself is put right:
          attention  its smaller map has one place, so queries and keys learn nothing and a third of the tokens is not
                     seen; here every token looks at every token, and none is padding
          auxiliary  its loss stops short of the trunk; here it reaches it
          ranking    a head that nobody asks later, and a margin of 5 that speaks against the gap of 0.1 per gram for
                     pairs closer than 50 g; here the total itself is ranked, by no more than the true gap
          fusion     tokens that carry one scale to the other begin as constant zeros; here they are learned
          start      answers begin near 0 and in grams; here at the mean of each target, and in units of it
          `mixing="scan"` puts a selective state space where the release has a gated convolution under that name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import yaml
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, mse_loss, relu, softplus

from vitreous.blocks.mamba import GatedConvolution, StateSpace
from vitreous.blocks.pyramid import AttentionBlock, CrossScaleFusion, MobileViTBlock, PVTBlock, near_square, on_grid
from vitreous.errors import FeatureMismatch, RunError, did_you_mean
from vitreous.regress.constraints import Sums
from vitreous.regress.heads import HeadConfig

SIDES = 2  # left and right
FEWEST = 4  # tokens that the second stage keeps
CONSISTENT, RANK, GAP = 0.1, 0.2, 0.1  # score per unit of the total; weights of the two losses on pairs
FROZEN = (
    "The backbone of crosspvt stays frozen: it learns from features in a store, and a backbone that changed would need "
    "40 passes at full size per picture and step.\nLeave the setting out, or take a larger backbone:  --backbone "
    "dinov2_vitl14   (why, and how to go further: docs/regression.md)"
)
MARGIN = 5.0  # between the scores of a pair, at most


@dataclass(frozen=True)
class CrossPVTConfig(HeadConfig):
    """Defaults are those of the release.

    width        of the hidden layer of each part's head
    small_grid   tiles of a half (rows, columns); as many tokens as `big_grid` has are made of them
    token_dim    width that features are brought to first, by one layer; 0: their own
    dims         widths of the three stages
    sra_ratio    side of what becomes one place of the smaller map; `faithful` only
    aside        weight of the auxiliary loss; 0: no such head
    sums         lines like "Total = GDM + Dead"; together with `targets`, which is filled in when they are known
    """

    width: int = 448
    dropout: float = 0.1
    positive: Literal["relu", "softplus", "none"] = "softplus"
    small_grid: tuple[int, int] = (4, 4)
    big_grid: tuple[int, int] = (2, 2)
    token_dim: int = 0
    t2t_depth: int = 2
    cross_layers: int = 2
    cross_heads: int = 6
    dims: tuple[int, int, int] = (384, 512, 640)
    mobilevit_heads: int = 4
    mobilevit_depth: int = 2
    sra_heads: int = 8
    sra_ratio: int = 2
    mamba_depth: int = 3
    mamba_kernel: int = 5
    mixing: Literal["convolution", "scan"] = "convolution"
    aside: float = 0.4
    faithful: bool = False
    targets: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.depth, self.positive) != (1, "softplus"):
            raise RunError("The heads of crosspvt have one hidden layer and a softplus: leave out depth and positive.")
        if min(*self.small_grid, *self.big_grid) < 1 or self.mamba_kernel % 2 == 0:
            raise RunError(
                f"crosspvt needs tiles and an odd kernel, not grids of {self.small_grid} and {self.big_grid} and a "
                f"kernel of {self.mamba_kernel}."
            )
        if self.mixing not in ("convolution", "scan"):
            raise RunError(f'No mixing "{self.mixing}": convolution or scan.')
        for width, heads in ((self.token_dim, self.cross_heads), *zip(self.dims, self.stage_heads, strict=True)):
            if width % heads:
                raise RunError(f"A width of {width} does not divide into {heads} heads: change dims or heads.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "CrossPVTConfig":
        found: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in values.items()}
        return cls(**found)

    @staticmethod
    def told(texts: Sequence[str]) -> "CrossPVTConfig":
        """From texts as "token_dim=96", "dims=96,128,160" or "faithful=true"."""
        usual, found = asdict(CrossPVTConfig()), {}
        for text in texts:
            name, _, value = text.partition("=")
            if name.replace("_", "").replace("-", "") in ("finetune", "unfreeze", "trainbackbone"):
                raise RunError(FROZEN)
            if name not in usual or name in ("targets", "sums", "depth", "slope", "positive"):
                raise RunError(f'crosspvt has no setting "{name}".{did_you_mean(name, usual)}')
            value = yaml.safe_load(value)
            if isinstance(usual[name], tuple):
                value = tuple(int(part) for part in str(value).split(",") if part.strip().isdigit())
            elif isinstance(usual[name], float) and isinstance(value, int):
                value = float(value)
            alike = type(value) is type(usual[name])
            if not alike or (isinstance(value, tuple) and len(value) != len(usual[name])):
                raise RunError(f'crosspvt: "{text}" is not of the kind of its usual value, {usual[name]}.')
            found[name] = value
        return CrossPVTConfig(**found)

    @property
    def stage_heads(self) -> tuple[int, int, int]:
        last = self.dims[2]
        most = min(8, last // 64 + 1)  # the release's rule, which need not divide any width but its own
        return self.mobilevit_heads, self.sra_heads, next(n for n in range(most, 0, -1) if last % n == 0)

    @property
    def tiles(self) -> tuple[int, int]:
        """Small and big ones of a half."""
        return self.small_grid[0] * self.small_grid[1], self.big_grid[0] * self.big_grid[1]

    def knowing(self, targets: Sequence[str], sums: Sequence[str]) -> "CrossPVTConfig":
        return replace(self, targets=tuple(targets), sums=tuple(sums))


@dataclass(frozen=True)
class Answer:
    """What is said of pictures.

    numbers  of all targets, in their units; totals are sums of parts
    aside    the same by the auxiliary head; None without
    score    what pairs are ranked by
    """

    numbers: Float[Tensor, "b t"]
    aside: Float[Tensor, "b t"] | None
    score: Float[Tensor, " b"]


class Retokeniser(nn.Module):
    """Small tiles look at each other and become as many tokens as there are big tiles (after T2T-ViT)."""

    def __init__(self, config: CrossPVTConfig, dim: int) -> None:
        super().__init__()
        self.grid, self.smaller = config.small_grid, config.big_grid
        self.blocks = nn.Sequential(
            *(AttentionBlock(dim, config.cross_heads, 2, config.dropout) for _ in range(config.t2t_depth))
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b m d"]:
        return adaptive_avg_pool2d(self.blocks(x).mT.unflatten(2, self.grid), self.smaller).flatten(2).mT


class PyramidMixer(nn.Module):
    """Tokens of a half become fewer and wider in three stages."""

    def __init__(self, config: CrossPVTConfig, dim: int) -> None:
        super().__init__()
        (one, two, three), drop = config.dims, config.dropout
        self.faithful = config.faithful
        self.enter = nn.ModuleList(nn.Linear(a, b) for a, b in ((dim, one), (one, two), (two, three)))
        self.mobilevit = MobileViTBlock(one, config.mobilevit_heads, config.mobilevit_depth, drop)
        heads = config.sra_heads
        self.pvt = PVTBlock(two, heads, config.sra_ratio, 3, drop) if config.faithful else None
        self.all_to_all = None if config.faithful else AttentionBlock(two, heads, 3, drop)
        self.local = mixing(config, two)
        self.across = nn.Sequential(
            *(mixing(config, three) for _ in range(config.mamba_depth)),
            AttentionBlock(three, config.stage_heads[2], 2, drop),
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b e"], Float[Tensor, "b m f"]]:
        """The half as one vector, and the tokens of the second stage."""
        count, grid = x.shape[1], near_square(x.shape[1])
        # row by row, first tokens ahead: neighbours on this map are not all neighbours in the picture
        y = on_grid(self.enter[0](x), grid).mT.unflatten(2, grid)
        y = self.enter[1](self.mobilevit(y).flatten(2).mT[:, :count])
        y = second = self.second(y, max(FEWEST, count // 2))
        y = self.enter[2](y)
        return self.across(torch.stack([y.mean(1), y.amax(1)], 1)).mean(1), second

    def second(self, x: Float[Tensor, "b n d"], count: int) -> Float[Tensor, "b m d"]:
        x = x[:, :count] + adaptive_avg_pool1d(x.mT, count).mT
        if self.all_to_all is not None:
            return self.local(self.all_to_all(x))
        assert self.pvt is not None
        grid = near_square(count)
        return self.local(self.pvt(on_grid(x, grid), grid))  # what is padded stays among the tokens


def mixing(config: CrossPVTConfig, dim: int) -> nn.Module:
    if config.mixing == "scan":
        return StateSpace(dim, dropout=config.dropout)
    return GatedConvolution(dim, kernel=config.mamba_kernel, dropout=config.dropout)


class CrossPVT(nn.Module):
    """Tiles of both halves -> numbers, in units of the targets.

    basis  what each target is made of; unit: of the answers, by target; both are no weights, but kept with them
    """

    basis: Tensor
    unit: Tensor

    def __init__(self, config: CrossPVTConfig, dim: int, out: int) -> None:
        super().__init__()
        width, half, drop = config.token_dim or dim, config.dims[2], config.dropout
        if width % config.cross_heads:
            raise RunError(
                f"Features of {width} numbers do not divide into {config.cross_heads} heads: set cross_heads, or "
                f"token_dim to a multiple of it, as {config.cross_heads * round(width / config.cross_heads)}."
            )
        basis = Sums.of(config.sums, config.targets).basis if config.sums else np.eye(out)
        self.config = config
        self.enter = nn.Linear(dim, width) if config.token_dim else nn.Identity()
        self.retokenise = Retokeniser(config, width)
        self.fuse = CrossScaleFusion(width, config.cross_heads, config.cross_layers, drop, learned=not config.faithful)
        self.mix = PyramidMixer(config, width)
        self.gates = nn.ModuleList(nn.Linear(half, half) for _ in range(SIDES))
        self.parts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(SIDES * half, config.width), nn.GELU(), nn.Dropout(drop), nn.Linear(config.width, 1)
            )
            for _ in range(basis.shape[1])
        )
        stage = config.dims[1]
        self.beside = nn.Sequential(nn.LayerNorm(stage), nn.Linear(stage, out)) if config.aside else None
        self.rank = nn.Sequential(nn.LayerNorm(SIDES * half), nn.Linear(SIDES * half, 1)) if config.faithful else None
        self.register_buffer("basis", torch.from_numpy(basis).float())
        self.register_buffer("unit", torch.ones(out))

    @property
    def part_places(self) -> list[int]:
        """Of the targets that are no total."""
        sums, targets = self.config.sums, self.config.targets
        return list(Sums.of(sums, targets).parts) if sums else list(range(len(self.parts)))

    @property
    def total(self) -> int | None:
        """Place of the target that holds the most parts: pairs are ranked by it. None where nothing is a sum."""
        sums, targets = self.config.sums, self.config.targets
        return int((Sums.of(sums, targets).basis > 0).sum(1).argmax()) if sums else None

    def halves(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b 2 m d"]:
        """A token per tile, the mean of its patches. Left half first; in each the small tiles, then the big ones."""
        tiles = SIDES * sum(self.config.tiles)
        if x.shape[1] % tiles:
            raise FeatureMismatch(
                f"crosspvt looks at {tiles} tiles of a picture, and {x.shape[1]} patches are no multiple of that.\n"
                "Its store needs these views: see docs/methods/crosspvt.md"
            )
        return x.unflatten(1, (SIDES, tiles // SIDES, -1)).mean(3)

    def forward(self, x: Float[Tensor, "b n d"]) -> Answer:
        small, big = self.enter(self.halves(x).flatten(0, 1)).split(self.config.tiles, dim=1)
        seen, second = self.mix(self.fuse(self.retokenise(small), big))
        left, right = seen.unflatten(0, (-1, SIDES)).unbind(1)
        # each half is gated by the other as it was before
        left, right = left * self.gates[0](right).sigmoid(), right * self.gates[1](left).sigmoid()
        both = torch.cat([left, right], 1)
        parts = softplus(torch.cat([head(both) for head in self.parts], 1)) * self.unit[self.part_places]
        numbers = parts @ self.basis.T
        return Answer(numbers, self.said_aside(second), self.score(both, numbers))

    def said_aside(self, second: Float[Tensor, "b2 m f"]) -> Float[Tensor, "b t"] | None:
        if self.beside is None:
            return None
        tokens = second.detach() if self.config.faithful else second
        return softplus(self.beside(tokens.unflatten(0, (-1, SIDES)).mean((1, 2)))) * self.unit

    def score(self, both: Float[Tensor, "b e"], numbers: Float[Tensor, "b t"]) -> Float[Tensor, " b"]:
        if self.rank is not None:
            return self.rank(both)[:, 0]
        return CONSISTENT * numbers[:, self.total if self.total is not None else 0]


def loss(
    model: CrossPVT,
    answer: Answer,
    true: Float[Tensor, "b t"],
    weights: Float[Tensor, " t"],
    pairs: Int[Tensor, "2 p"],
) -> dict[str, Tensor]:
    """What is to be small, in squared units of the targets; `weights` of the targets sum to 1.

    numbers  squared error, weighted as the score is
    others   see `others`
    """
    return {"numbers": (answer.numbers - true).square().mean(0) @ weights} | others(model, answer, true, pairs)


def others(model: CrossPVT, answer: Answer, true: Float[Tensor, "b t"], pairs: Int[Tensor, "2 p"]) -> dict[str, Tensor]:
    """Losses beside that of the numbers.

    aside  of the auxiliary head, all targets alike
    rank   of two pictures the one with more has the higher score, by a margin
    gap    scores differ by a tenth of what the totals do
    """
    found = {}
    if answer.aside is not None:
        found["aside"] = model.config.aside * mse_loss(answer.aside, true)
    total, (one, other) = model.total, pairs
    if total is not None and pairs.numel():
        apart, gap = true[one, total] - true[other, total], answer.score[one] - answer.score[other]
        sign = torch.where(apart < 0, -1.0, 1.0)
        margin = torch.full_like(apart, MARGIN)
        if not model.config.faithful:
            margin = margin.minimum(CONSISTENT * apart.abs())
        found["rank"] = RANK * relu(margin - sign * gap).mean()
        found["gap"] = GAP * (gap - CONSISTENT * apart).square().mean()
    return found


def random_pairs(count: int, generator: torch.Generator) -> Int[Tensor, "2 p"]:
    """Half as many pairs as pictures; a picture may be drawn again."""
    return torch.randint(max(1, count), (2, count // 2), generator=generator)
