"""One patch of the picture is one token of the features, in every architecture."""

import pytest
import torch

from vitreous.backbones import load_backbone
from vitreous.backbones.order import check_patch_order
from vitreous.errors import BackboneError


def changed_tokens(backbone, grid):
    """[patch changed, token that changed], by changing the pixels of one patch after another."""
    p, (h, w) = backbone.patch_size, grid
    draw = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (h * p, w * p, 3), dtype=torch.uint8, generator=draw)
    others = picture.repeat(h * w, 1, 1, 1)
    for patch in range(h * w):
        y, x = divmod(patch, w)
        others[patch, y * p : (y + 1) * p, x * p : (x + 1) * p] ^= 255
    before, after = backbone(picture[None, None])[0, 0], backbone(others[:, None])[:, 0]
    return (after - before).abs().amax(-1).flatten(1) > 1e-4 * before.abs().mean()


@pytest.mark.parametrize("grid", [(4, 4), (6, 6), (4, 6), (6, 4), (2, 3), (2, 8)], ids=str)
def test_without_attention_only_the_changed_patch_changes(architecture, grid, blind):
    backbone = load_backbone(str(blind(architecture)), dtype="float32")
    changed = changed_tokens(backbone, grid)
    assert torch.equal(changed, torch.eye(grid[0] * grid[1], dtype=torch.bool))


def test_with_attention_all_tokens_change(architecture, built):
    backbone = load_backbone(str(built(architecture).folder), dtype="float32")
    assert changed_tokens(backbone, (4, 6)).all()


@pytest.mark.parametrize("facet", ["token", "key", "query", "value"])
@pytest.mark.parametrize("layer", [1, 2])
def test_intermediate_layers_and_facets_keep_the_order(architecture, layer, facet, blind):
    backbone = load_backbone(str(blind(architecture)), dtype="float32", layer=layer, facet=facet)
    assert torch.equal(changed_tokens(backbone, (2, 3)), torch.eye(6, dtype=torch.bool))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_order_of_any_backbone_is_proven_by_switching_its_attention_off(architecture, dtype, built):
    backbone = load_backbone(str(built(architecture).folder), dtype=dtype)
    picture = torch.zeros(1, 1, 32, 48, 3, dtype=torch.uint8)
    before = backbone(picture)
    check_patch_order(backbone, (4, 6))
    assert torch.equal(backbone(picture), before)  # attention is on again


def test_a_wrong_order_is_found(built):
    backbone = load_backbone(str(built("dinov2").folder), dtype="float32")
    right = backbone.patch_tokens
    backbone.patch_tokens = lambda frames: right(frames).flip(1)
    with pytest.raises(BackboneError, match="patch 0 of 4 x 6 .* changed token 23"):
        check_patch_order(backbone, (4, 6))
