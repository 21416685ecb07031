"""What differs between architectures: which model of `transformers`, what it is given, what stands before the patches.

Everything else is one code for all: the patch tokens are the last h * w tokens, in rows from the top left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vitreous.backbones.presets import CLIP, HALF, IMAGENET, Triple


def as_it_is(pixels: Float[Tensor, "n 3 y x"], patch: int) -> dict[str, Any]:
    """The model fits its positions to the size of the picture by itself (DINOv2), or turns them (DINOv3: RoPE)."""
    return {"pixel_values": pixels}


def interpolated(pixels: Float[Tensor, "n 3 y x"], patch: int) -> dict[str, Any]:
    return {"pixel_values": pixels, "interpolate_pos_encoding": True}


def unmasked(pixels: Float[Tensor, "n 3 y x"], patch: int) -> dict[str, Any]:
    """MAE masks and shuffles patches by sorting noise: rising noise, with mask_ratio = 0, keeps all in order."""
    patches = (pixels.shape[2] // patch) * (pixels.shape[3] // patch)
    noise = torch.arange(patches, device=pixels.device, dtype=torch.float32)
    return interpolated(pixels, patch) | {"noise": noise.expand(len(pixels), -1)}


def patchified(pixels: Float[Tensor, "n 3 y x"], patch: int) -> dict[str, Any]:
    """NaFlex takes patches in rows, each as [y x 3] numbers, and the grid; without padding no mask is needed."""
    n, _, y, x = pixels.shape
    h, w = y // patch, x // patch
    patches = pixels.reshape(n, 3, h, patch, w, patch).permute(0, 2, 4, 3, 5, 1).reshape(n, h * w, -1)
    grid = torch.tensor([[h, w]], device=pixels.device).expand(n, 2)
    return {"pixel_values": patches, "pixel_attention_mask": None, "spatial_shapes": grid}


@dataclass(frozen=True)
class Architecture:
    """One kind of Vision Transformer.

    model    class of `transformers`
    inputs   what its forward takes
    before   tokens ahead of the patches: CLS, registers; by name of the setting, or a number
    norm     the final norm's name
    normed   whether its `last_hidden_state` has passed the final norm
    pixels   mean and std that all known weights of this kind were trained with; None: they differ
    config   settings that are ours, not the checkpoint's
    build    arguments of its constructor
    """

    model: str
    inputs: Callable[[Tensor, int], dict[str, Any]]
    before: tuple[int | str, ...] = (1,)
    norm: str = "layernorm"
    normed: bool = True
    pixels: tuple[Triple, Triple] | None = IMAGENET
    config: Mapping[str, Any] = field(default_factory=dict)
    build: Mapping[str, Any] = field(default_factory=dict)

    def special(self, config: Any) -> int:
        """Number of tokens ahead of the patches."""
        return sum(part if isinstance(part, int) else getattr(config, part) for part in self.before)


# the pooling head of SigLIP sees all patches but is no patch feature; CLIP's final norm is for its CLS token
_clip = Architecture("CLIPVisionModel", interpolated, norm="post_layernorm", normed=False, pixels=CLIP)
_siglip = Architecture(
    "SiglipVisionModel", interpolated, (), "post_layernorm", pixels=HALF, config={"vision_use_head": False}
)
_naflex = Architecture(
    "Siglip2VisionModel", patchified, (), "post_layernorm", pixels=HALF, config={"vision_use_head": False}
)

# model_type in config.json -> how it is used
ARCHITECTURES = {
    "dinov2": Architecture("Dinov2Model", as_it_is),
    "dinov2_with_registers": Architecture("Dinov2WithRegistersModel", as_it_is, (1, "num_register_tokens")),
    "dinov3_vit": Architecture("DINOv3ViTModel", as_it_is, (1, "num_register_tokens"), "norm"),
    "vit": Architecture("ViTModel", interpolated, pixels=None, build={"add_pooling_layer": False}),
    "ijepa": Architecture("IJepaModel", interpolated, (), pixels=None, build={"add_pooling_layer": False}),
    "vit_mae": Architecture("ViTMAEModel", unmasked, config={"mask_ratio": 0.0}),
    "clip": _clip,
    "clip_vision_model": _clip,
    "siglip": _siglip,
    "siglip_vision_model": _siglip,
    "siglip2": _naflex,
    "siglip2_vision_model": _naflex,
}
