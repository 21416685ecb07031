"""Proof that token i is patch i, on the real weights: with attention off, a token knows its own patch alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from vitreous.backbones.backbone import Backbone
from vitreous.backbones.blocks import attention_of
from vitreous.errors import BackboneError

RELATIVE = 1e-2  # changes below this share of the mean feature are rounding: bfloat16 has 8 bits


def check_patch_order(backbone: Backbone, grid: tuple[int, int] = (4, 6)) -> None:
    """Invert the pixels of one patch after another: BackboneError unless exactly that patch's token changes."""
    (h, w), p = grid, backbone.patch_size
    draw = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (h * p, w * p, 3), dtype=torch.uint8, generator=draw)
    pictures = picture.repeat(1 + h * w, 1, 1, 1)
    for patch in range(h * w):
        y, x = divmod(patch, w)
        pictures[1 + patch, y * p : (y + 1) * p, x * p : (x + 1) * p] ^= 255
    with attention_off(backbone):
        features = backbone(pictures[:, None])[:, 0].flatten(1, 2)
    size = features[0].abs().mean()
    changed = (features[1:] - features[0]).abs().amax(-1) > RELATIVE * size
    for patch, tokens in enumerate(changed):
        if tokens.nonzero().flatten().tolist() != [patch]:
            found = ", ".join(map(str, tokens.nonzero().flatten().tolist())) or "none"
            raise BackboneError(
                f"{backbone.name} mixes up its patches: patch {patch} of {h} x {w} (in rows from the top left) "
                f"changed token {found}, with attention off. Masks made from it would lie in the wrong places."
            )


@contextmanager
def attention_off(backbone: Backbone) -> Iterator[None]:
    """All attention gives 0, so that a block treats each token by itself."""

    def silence(module: nn.Module, inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (torch.zeros_like(output[0]), *output[1:])
        return torch.zeros_like(output)

    handles = [attention_of(block).register_forward_hook(silence) for block in backbone.blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
