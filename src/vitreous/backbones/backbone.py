"""A frozen Vision Transformer: uint8 pictures in, patch features on their grid out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vitreous.backbones.architectures import Architecture
from vitreous.backbones.blocks import blocks_of, final_norm, projection, side_of
from vitreous.backbones.presets import Triple
from vitreous.errors import BackboneError
from vitreous.notebook import as_table

# on a CPU, more tokens at once only leave the cache: 64 pictures of 256 patches in one piece take 1.36 to 1.41 times
# as long as in pieces of 16 (widths 192, 384 and 768; 2 cores). See benchmarks/backbone.py
CPU_TOKENS = 4096


class Backbone(nn.Module):
    """Made by `load_backbone`. Never learns: no gradient, always in eval mode, whatever is called on its owner.

    name        preset, hub id, or name of the folder
    patch_size  side of a patch, in pixels
    dim         numbers per patch
    depth       blocks of the whole network; the first `layer` of them are kept
    mean, std   of RGB in [0, 1]; forward normalises with them
    digest      SHA-256 of the weights in the checkpoint
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        config: Any,
        architecture: Architecture,
        origin: dict[str, Any],
        *,
        layer: int | None,
        facet: str,
        norm: bool | None,
        dtype: str,
        pixels: tuple[Triple, Triple],
        digest: str,
    ) -> None:
        super().__init__()
        self.name: str = origin["name"]
        self.encoder, self.architecture, self.origin = encoder, architecture, origin
        self.facet, self.dtype, self.digest = facet, dtype, digest
        self.mean, self.std = pixels
        self.patch_size = side_of(config.patch_size, "patch_size")
        side_of(getattr(config, "image_size", self.patch_size), "image_size")
        self.special = architecture.special(config)  # tokens ahead of the patches
        self.depth = config.num_hidden_layers
        self.layer = self.cut(layer)
        self.norm = self.choose_norm(norm)
        part = facet.removeprefix("token").removeprefix("+")
        self.projection = projection(self.blocks[-1], part) if part else None
        self.dim = self.gives_tokens * int(config.hidden_size) + (self.projection.width if self.projection else 0)
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("offset", -mean / std, persistent=False)
        self.requires_grad_(False).train()

    def cut(self, layer: int | None) -> int:
        """Drop the blocks after `layer`: nothing of them is needed."""
        if layer is not None and not 1 <= layer <= self.depth:
            raise BackboneError(f"{self.name} has blocks 1 to {self.depth}; there is no layer {layer}.")
        blocks = blocks_of(self.encoder, self.depth)
        del blocks[layer or self.depth :]
        return len(blocks)

    def choose_norm(self, norm: bool | None) -> bool:
        """Take the final norm out of the encoder, or keep it at hand, as asked."""
        usual = self.gives_tokens and self.layer == self.depth and self.architecture.normed
        if norm and not self.gives_tokens:
            raise BackboneError(f"The final norm is made for tokens: ask for norm or for facet {self.facet}, not both.")
        wanted = usual if norm is None else norm
        owner, name = final_norm(self.encoder, self.blocks, self.architecture.norm)
        module = getattr(owner, name)
        if self.architecture.normed and not wanted:
            setattr(owner, name, nn.Identity())
        self.last_norm = module if wanted and not self.architecture.normed else None
        return wanted

    @property
    def gives_tokens(self) -> bool:
        return self.facet.startswith("token")

    @property
    def blocks(self) -> nn.ModuleList:
        return blocks_of(self.encoder, self.layer)

    def train(self, mode: bool = True) -> "Backbone":
        """Stays in eval mode."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        return self.scale.device

    def size_for(self, grid: tuple[int, int]) -> tuple[int, int]:
        """Pixels (y, x) of a picture that gives a grid of (h, w) patches."""
        return grid[0] * self.patch_size, grid[1] * self.patch_size

    def grid_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """Patches (h, w) of a picture of (y, x) pixels; BackboneError where they do not fill it."""
        grid = size[0] // self.patch_size, size[1] // self.patch_size
        if self.size_for(grid) != size or 0 in grid:
            raise BackboneError(
                f"{self.name} has patches of {self.patch_size} pixels, but the pictures have {size[0]} x {size[1]} "
                f"(y, x).\nResize them to multiples of {self.patch_size}: {self.size_for((16, 16))[0]} per side gives "
                "a grid of 16 x 16."
            )
        return grid

    @torch.no_grad()
    def forward(self, images: UInt8[Tensor, "b t y x 3"]) -> Float32[Tensor, "b t h w d"]:
        """Features of frames, each by itself. Pictures come in the size that they are seen in: see `size_for`."""
        refuse_other_than_pictures(images)
        (b, t, y, x, _), frames = images.shape, images.flatten(0, 1)
        h, w = self.grid_for((y, x))
        features = torch.empty(b * t, h * w, self.dim, device=self.device)
        piece = max(1, CPU_TOKENS // (h * w)) if self.device.type == "cpu" else max(1, b * t)
        for start in range(0, b * t, piece):
            here = slice(start, start + piece)
            features[here] = self.patch_tokens(frames[here].to(self.device, non_blocking=True))
        return features.view(b, t, h, w, self.dim)

    def patch_tokens(self, frames: UInt8[Tensor, "n y x 3"]) -> Tensor:
        """[n h*w d]: what stands after CLS and register tokens, in rows from the top left."""
        h, w = self.grid_for((frames.shape[1], frames.shape[2]))
        pixels = torch.addcmul(self.offset, frames.float(), self.scale).permute(0, 3, 1, 2)
        half = self.dtype == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            tokens = self.tokens(self.architecture.inputs(pixels, self.patch_size))
        if tokens.shape[1] != self.special + h * w:
            raise BackboneError(
                f"{self.name} gave {tokens.shape[1]} tokens for {h} x {w} patches where {self.special} + {h * w} were "
                "expected: which of them are patches is not known. This version of transformers may be too new or old."
            )
        return tokens[:, self.special :]

    def tokens(self, inputs: dict[str, Any]) -> Tensor:
        with listening(self.projection.module if self.projection else nn.Identity()) as heard:
            tokens = self.encoder(**inputs).last_hidden_state
        tokens = tokens if self.last_norm is None else self.last_norm(tokens)
        if self.projection is None:
            return tokens
        projected = self.projection.of(heard[-1])
        return torch.cat([tokens, projected], dim=-1) if self.gives_tokens else projected

    def describe(self) -> dict[str, Any]:
        """All that identifies the features, as JSON can hold it. `load_described` makes the same backbone again."""
        return self.origin | {
            "patch_size": self.patch_size,
            "dim": self.dim,
            "layer": self.layer,
            "facet": self.facet,
            "norm": self.norm,
            "dtype": self.dtype,
            "mean": list(self.mean),
            "std": list(self.std),
            "digest": self.digest,
        }

    def _repr_html_(self) -> str:
        """In a notebook: what identifies the features."""
        return as_table(
            [(name.replace("_", " "), value) for name, value in self.describe().items() if value is not None]
        )


def refuse_other_than_pictures(images: Tensor) -> None:
    """Floats in [0, 1], or channels first, would give features too, only wrong ones."""
    if images.dtype != torch.uint8 or images.ndim != 5 or images.shape[4] != 3:
        raise BackboneError(
            f"A backbone takes pictures as uint8 [clips frames y x 3], got {images.dtype} {list(images.shape)}."
        )


@contextmanager
def listening(module: nn.Module) -> Iterator[list[Tensor]]:
    """What a module gives while the block runs."""
    heard: list[Tensor] = []

    def hear(module: nn.Module, inputs: Any, output: Any) -> None:
        heard.append(output)

    handle = module.register_forward_hook(hear)
    try:
        yield heard
    finally:
        handle.remove()
