"""One vector per picture instead of one per patch: the class token, kept as a grid of a single patch."""

from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vitreous.backbones import Backbone
from vitreous.errors import BackboneError


class ClassToken:
    """A backbone that gives its class token, for `extract(..., grid=1)`; a crop of a picture has one of its own.

    grid  of patches that the backbone sees meanwhile
    """

    def __init__(self, backbone: Backbone, grid: tuple[int, int]) -> None:
        if backbone.special < 1 or backbone.facet != "token":
            raise BackboneError(
                f"{backbone.name} with facet {backbone.facet} has no class token ahead of its patches.\n"
                "Choose facet token and another backbone (dinov2, dino, clip, mae ...), or another head."
            )
        self.backbone, self.inside = backbone, grid
        self.name, self.patch_size, self.dim = backbone.name, backbone.patch_size, backbone.dim

    def describe(self) -> dict[str, Any]:
        return self.backbone.describe() | {"facet": "cls", "inside": list(self.inside)}

    def size_for(self, grid: tuple[int, int]) -> tuple[int, int]:
        return self.backbone.size_for(self.inside)

    @torch.no_grad()
    def __call__(self, images: UInt8[Tensor, "b t y x 3"]) -> Float32[Tensor, "b t 1 1 d"]:
        model, frames = self.backbone, images.flatten(0, 1).to(self.backbone.device)
        pixels = torch.addcmul(model.offset, frames.float(), model.scale).permute(0, 3, 1, 2)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=model.dtype == "bfloat16"):
            tokens = model.tokens(model.architecture.inputs(pixels, model.patch_size))
        return tokens[:, 0].float().unflatten(0, images.shape[:2])[:, :, None, None]
