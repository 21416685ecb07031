import pytest
import torch

from vitreous.backbones import load_backbone
from vitreous.errors import BackboneError
from vitreous.features.extract import extract
from vitreous.features.whole import ClassToken


def test_a_class_token_is_what_stands_ahead_of_the_patches(scenes, tmp_path):
    backbone = load_backbone("glass_tiny", dtype="float32", device="cpu")
    token = ClassToken(backbone, (4, 4))
    store = extract(scenes({"a": 1, "b": 1}), tmp_path / "s.lance", token, grid=1, fit="squash", progress=False)
    assert store.grid == (1, 1)
    assert store.meta.backbone["facet"] == "cls"
    assert store.meta.backbone["inside"] == [4, 4]
    images = torch.randint(0, 256, (2, 1, *token.size_for((1, 1)), 3), dtype=torch.uint8)
    pixels = (images[:, 0] / 255 - torch.tensor(backbone.mean)) / torch.tensor(backbone.std)
    found = backbone.tokens(backbone.architecture.inputs(pixels.permute(0, 3, 1, 2), backbone.patch_size))[:, 0]
    torch.testing.assert_close(token(images)[:, 0, 0, 0], found, atol=1e-4, rtol=1e-4)
    assert not torch.equal(store.batch([0]), store.batch([1]))


def test_a_backbone_without_one_is_named():
    backbone = load_backbone("glass_tiny", facet="key", device="cpu")
    with pytest.raises(BackboneError, match="has no class token"):
        ClassToken(backbone, (4, 4))
