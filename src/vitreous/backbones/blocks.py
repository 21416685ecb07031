"""The parts of an encoder, found by what they are: versions of `transformers` name them differently."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vitreous.errors import BackboneError

FACETS = ("token", "key", "query", "value", "token+key")
PROJECTIONS = {"query": ("q_proj", "query"), "key": ("k_proj", "key"), "value": ("v_proj", "value")}
FUSED, ORDER = "qkv", ("query", "key", "value")


@dataclass(frozen=True)
class Projection:
    """Where keys, queries or values are made: a linear layer, or the part of one that makes all three."""

    module: nn.Linear
    part: int | None = None

    @property
    def width(self) -> int:
        return self.module.out_features // (1 if self.part is None else 3)

    def of(self, output: Tensor) -> Tensor:
        return output if self.part is None else output.chunk(3, dim=-1)[self.part]


def blocks_of(encoder: nn.Module, depth: int) -> nn.ModuleList:
    """The transformer blocks; taking some off the end shortens the encoder."""
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise BackboneError(f"{type(encoder).__name__} has no list of {depth} blocks: this version of it is not known.")


def projection(block: nn.Module, facet: str) -> Projection:
    for name, module in block.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Linear) and last in PROJECTIONS[facet]:
            return Projection(module)
        if isinstance(module, nn.Linear) and last == FUSED:
            return Projection(module, ORDER.index(facet))
    raise BackboneError(f"{type(block).__name__} makes no {facet} that is known here: use facet token.")


def attention_of(block: nn.Module) -> nn.Module:
    """The part of a block in which patches look at each other: everything else treats each token by itself."""
    inside = projection(block, "query").module
    return next(child for child in block.children() if any(module is inside for module in child.modules()))


def final_norm(encoder: nn.Module, blocks: nn.ModuleList, name: str) -> tuple[nn.Module, str]:
    """The module that holds the final norm, and its name there."""
    in_blocks = set(blocks.modules())
    for path, module in encoder.named_modules():
        if path.rpartition(".")[2] == name and module not in in_blocks:
            return encoder.get_submodule(path.rpartition(".")[0]), name
    raise BackboneError(f"{type(encoder).__name__} has no final norm {name}: this version of it is not known.")


def side_of(size: Any, what: str) -> int:
    """A side in pixels, from a number or two equal ones."""
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise BackboneError(f"config.json has {what} {size}; only square ones are known here.")
    return int(sides.pop())
