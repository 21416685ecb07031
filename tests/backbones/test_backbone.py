"""Features equal what transformers computes; frozen; the same in every batch and dtype."""

import pytest
import torch
from torch.nn.functional import unfold
from transformers import ViTConfig, ViTModel

from vitreous.backbones import load_backbone, load_described
from vitreous.backbones.backbone import refuse_other_than_pictures
from vitreous.errors import BackboneError, FeatureMismatch

MEAN, STD = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])


def normalised(pictures):
    return ((pictures.flatten(0, 1) / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()


def plain(name, small, pictures):
    """`last_hidden_state` of transformers as it is, and what each block takes and gives: [input, block 1, block 2]."""
    pixels, model = normalised(pictures), small.vision
    if name == "mae":  # the same network as a plain ViT, which neither masks nor shuffles
        config = ViTConfig(**{k: v for k, v in model.config.to_dict().items() if k in ViTConfig().to_dict()})
        plain_vit = ViTModel(config, add_pooling_layer=False).eval()
        plain_vit.load_state_dict(model.state_dict())
        model = plain_vit
    states = []
    blocks = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    hooks = [blocks[0].register_forward_pre_hook(lambda _, given: states.append(given[0]))]
    hooks += [block.register_forward_hook(lambda _, given, out: states.append(first(out))) for block in blocks]
    if name == "siglip2_naflex":
        patches = unfold(pixels, 8, stride=8).unflatten(1, (3, 64)).permute(0, 3, 2, 1).flatten(2)
        b, n, _ = patches.shape
        grid = torch.tensor([[pixels.shape[2] // 8, pixels.shape[3] // 8]]).expand(b, 2)
        out = model(patches, torch.ones(b, n, dtype=torch.long), grid)
    else:
        out = model(pixels)
    for hook in hooks:
        hook.remove()
    return out.last_hidden_state, states


def first(output):
    return output[0] if isinstance(output, tuple) else output


@torch.no_grad()
def test_equal_to_transformers_at_the_native_size(architecture, built, pictures):
    small = built(architecture)
    expected = plain(architecture, small, pictures)[0][:, -16:].unflatten(1, (4, 4))[:, None]
    features = load_backbone(str(small.folder), dtype="float32")(pictures)
    assert features.shape == (2, 1, 4, 4, 32)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("layer", [1, 2])
def test_layer_k_is_hidden_state_k(architecture, layer, built, pictures):
    small = built(architecture)
    expected = plain(architecture, small, pictures)[1][layer][:, -16:]
    backbone = load_backbone(str(small.folder), dtype="float32", layer=layer, norm=False)
    assert (backbone.layer, backbone.depth) == (layer, 2)
    torch.testing.assert_close(backbone(pictures).flatten(0, 1).flatten(1, 2), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("layer", [1, 2])
def test_norm_is_the_final_norm_of_any_layer(architecture, layer, built, pictures):
    small = built(architecture)
    final = next(m for n, m in small.vision.named_children() if n in ("layernorm", "norm", "post_layernorm"))
    expected = final(plain(architecture, small, pictures)[1][layer][:, -16:])
    backbone = load_backbone(str(small.folder), dtype="float32", layer=layer, norm=True)
    torch.testing.assert_close(backbone(pictures).flatten(0, 1).flatten(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_the_last_layer_is_normed_and_others_are_not(architecture, built):
    folder = str(built(architecture).folder)
    assert load_backbone(folder).norm is (architecture != "clip")  # CLIP's final norm is for its CLS token
    assert load_backbone(folder, layer=1).norm is False
    assert load_backbone(folder, facet="key").norm is False


@torch.no_grad()
@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("facet", ["query", "key", "value"])
def test_facets_are_what_attention_computes(architecture, facet, layer, built, pictures):
    small = built(architecture)
    blocks = next(m for m in small.vision.modules() if isinstance(m, torch.nn.ModuleList))
    block = blocks[layer - 1]
    before = next(m for n, m in block.named_modules() if n in ("norm1", "layernorm_before", "layer_norm1"))
    makes = next(m for n, m in block.named_modules() if n.endswith((f"{facet[0]}_proj", f".{facet}")))
    expected = makes(before(plain(architecture, small, pictures)[1][layer - 1]))[:, -16:]
    backbone = load_backbone(str(small.folder), dtype="float32", layer=layer, facet=facet)
    assert backbone.dim == 32
    torch.testing.assert_close(backbone(pictures).flatten(0, 1).flatten(1, 2), expected, rtol=1e-4, atol=1e-5)
    assert not any(module._forward_hooks for module in backbone.modules())


@pytest.mark.parametrize("layer", [1, 2])
def test_tokens_and_keys_side_by_side_are_both(architecture, layer, built, pictures):
    def features(facet):
        backbone = load_backbone(str(built(architecture).folder), dtype="float32", layer=layer, facet=facet)
        return backbone(pictures), backbone.norm

    (both, norm), (tokens, alone), (keys, _) = features("token+key"), features("token"), features("key")
    assert norm is alone
    torch.testing.assert_close(both, torch.cat([tokens, keys], dim=-1), rtol=0, atol=0)


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (8, 8), (64, 64), (16, 64)], ids=str)
def test_any_grid(architecture, size, built):
    backbone = load_backbone(str(built(architecture).folder))
    grid = size[0] // 8, size[1] // 8
    assert (backbone.size_for(grid), backbone.grid_for(size)) == (size, grid)
    features = backbone(torch.zeros(1, 2, *size, 3, dtype=torch.uint8))
    assert features.shape == (1, 2, *grid, 32)
    assert features.isfinite().all()


def test_the_same_in_every_batch(architecture, built):
    many = torch.randint(0, 256, (7, 3, 32, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    for dtype in ("float32", "bfloat16"):
        backbone = load_backbone(str(built(architecture).folder), dtype=dtype)
        together, alone = (
            backbone(many),
            torch.stack([backbone(many[i : i + 1, j : j + 1])[0, 0] for i in range(7) for j in range(3)]),
        )
        assert (together.flatten(0, 1) - alone).norm() <= 1e-3 * alone.norm()


def test_pieces_on_the_cpu_are_the_whole(built, monkeypatch):
    many = torch.randint(0, 256, (5, 2, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    backbone = load_backbone(str(built("dinov2").folder), dtype="float32")
    whole = backbone(many)
    monkeypatch.setattr("vitreous.backbones.backbone.CPU_TOKENS", 48)  # three pictures of 16 patches at a time
    torch.testing.assert_close(backbone(many), whole, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_float32(architecture, built, pictures):
    folder = str(built(architecture).folder)
    exact, half = (load_backbone(folder, dtype=dtype)(pictures) for dtype in ("float32", "bfloat16"))
    assert half.dtype == exact.dtype == torch.float32
    assert 0 < (half - exact).norm() < 0.03 * exact.norm()


def test_an_outer_autocast_changes_nothing(built, pictures):
    backbone = load_backbone(str(built("dinov2").folder), dtype="float32")
    expected = backbone(pictures)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(backbone(pictures), expected)


def test_frozen_whatever_is_called_on_its_owner(architecture, built, pictures):
    backbone = load_backbone(str(built(architecture).folder))
    owner = torch.nn.Sequential(backbone)
    before = backbone(pictures)
    owner.train()
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in owner.parameters())
    assert torch.equal(backbone(pictures), before)
    assert not before.requires_grad


def test_features_can_be_trained_on(built, pictures):
    features = load_backbone(str(built("dinov2").folder))(pictures)
    head = torch.nn.Linear(32, 1)
    head(features).sum().backward()
    assert head.weight.grad is not None
    assert head.weight.grad.abs().sum() > 0


def test_no_pictures_give_no_features(architecture, built):
    features = load_backbone(str(built(architecture).folder))(torch.zeros(0, 1, 32, 32, 3, dtype=torch.uint8))
    assert features.shape == (0, 1, 4, 4, 32)


def test_pictures_that_patches_do_not_fill_are_refused(built):
    backbone = load_backbone(str(built("dinov2").folder))
    with pytest.raises(BackboneError, match="patches of 8 pixels, but the pictures have 32 x 30"):
        backbone(torch.zeros(1, 1, 32, 30, 3, dtype=torch.uint8))


def test_floats_and_channels_first_are_refused():
    for images in (torch.zeros(1, 1, 8, 8, 3), torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8)):
        with pytest.raises(BackboneError, match=r"uint8 \[clips frames y x 3\], got torch"):
            refuse_other_than_pictures(images)


def test_a_description_makes_the_same_backbone_again(architecture, built, pictures):
    backbone = load_backbone(str(built(architecture).folder), layer=1, facet="key", dtype="float32")
    about = backbone.describe()
    again = load_described(about)
    assert again.describe() == about
    assert torch.equal(again(pictures), backbone(pictures))


def test_a_description_holds_all_that_features_depend_on(built):
    small = built("dinov2_reg")
    about = load_backbone(str(small.folder)).describe()
    digest = about.pop("digest")
    assert len(digest) == 64
    assert about == {
        "name": "dinov2_reg",
        "hub_id": None,
        "revision": None,
        "path": str(small.folder),
        "architecture": "dinov2_with_registers",
        "patch_size": 8,
        "dim": 32,
        "layer": 2,
        "facet": "token",
        "norm": True,
        "dtype": "bfloat16",
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
    }


def test_other_weights_under_an_old_description_are_refused(built):
    about = load_backbone(str(built("dino").folder)).describe()
    with pytest.raises(FeatureMismatch, match="extract and train again"):
        load_described(about | {"digest": "0" * 64})
