"""Small models of every architecture with random weights, saved as the hub has them; built once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.utils import logging

from vitreous.backbones.weights import quiet

BODY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SQUARE = {"image_size": 32, "patch_size": 8}  # a grid of 4 x 4 is native
TEXT = {**BODY, "num_hidden_layers": 1, "vocab_size": 20, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
DECODER = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def vit(kind: str, model: str, **settings: Any) -> Any:
    config = getattr(transformers, f"{kind}Config")(**{**BODY, **SQUARE, **settings})
    return getattr(transformers, model)(config)


def two_towers(kind: str, **vision: Any) -> Any:
    config = getattr(transformers, f"{kind}Config")(vision_config={**BODY, **vision}, text_config=dict(TEXT))
    return getattr(transformers, f"{kind}Model")(config)


# name -> what is saved: as on the hub, so with heads, decoders and text towers
MODELS = {
    "dinov2": lambda: vit("Dinov2", "Dinov2Model", mlp_ratio=2),
    "dinov2_swiglu": lambda: vit("Dinov2", "Dinov2Model", mlp_ratio=2, use_swiglu_ffn=True),
    "dinov2_reg": lambda: vit("Dinov2WithRegisters", "Dinov2WithRegistersModel", mlp_ratio=2, num_register_tokens=3),
    "dinov3": lambda: vit("DINOv3ViT", "DINOv3ViTModel", num_register_tokens=4),
    "dinov3_gated": lambda: vit("DINOv3ViT", "DINOv3ViTModel", num_register_tokens=4, use_gated_mlp=True),
    "dino": lambda: vit("ViT", "ViTModel"),
    "ijepa": lambda: vit("IJepa", "IJepaModel"),
    "clip": lambda: two_towers("CLIP", **SQUARE),
    "siglip2": lambda: two_towers("Siglip", **SQUARE),
    "siglip2_naflex": lambda: two_towers("Siglip2", patch_size=8, num_patches=16),
    "mae": lambda: vit("ViTMAE", "ViTMAEForPreTraining", **{f"decoder_{k}": v for k, v in DECODER.items()}),
}
NEEDS_PROCESSOR = {"dino", "ijepa"}  # their mean and std cannot be known from the architecture
OUTPUT = ("o_proj", "out_proj", "dense")  # what leads out of attention


@dataclass(frozen=True)
class Small:
    """A model in memory, and the folder that holds it."""

    model: Any
    folder: Path

    @property
    def vision(self) -> Any:
        return getattr(self.model, "vision_model", getattr(self.model, "vit", self.model))


def save(model: Any, folder: Path) -> None:
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}')


def build(name: str, folder: Path) -> Small:
    torch.manual_seed(0)
    with quiet():
        model = MODELS[name]().eval()
        for parameter in model.parameters():  # all of them matter: no bias is 0, no norm is the identity
            parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
        save(model, folder)
    return Small(model, folder)


def without_attention(small: Small, folder: Path) -> Path:
    """The same model with what leads out of attention set to 0: no patch sees another."""
    with quiet():
        model = MODELS_BY_TYPE(small.model)
        for name, parameter in model.named_parameters():
            parts = name.split(".")
            attention = any("att" in part for part in parts)
            if attention and "decoder" not in name and any(part in OUTPUT for part in parts):
                parameter.data.zero_()
        save(model, folder)
    return folder


def MODELS_BY_TYPE(model: Any) -> Any:
    twin = type(model)(model.config)
    twin.load_state_dict(model.state_dict())
    return twin.eval()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """name -> Small, built at first use."""
    made: dict[str, Small] = {}

    def get(name: str) -> Small:
        if name not in made:
            made[name] = build(name, tmp_path_factory.mktemp("backbones") / name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def blind(built, tmp_path_factory):
    """name -> folder of the same model without attention."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = without_attention(built(name), tmp_path_factory.mktemp("blind") / name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def pictures():
    """Two clips of one frame, grid 4 x 4 at patch 8."""
    return torch.randint(0, 256, (2, 1, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def pytest_generate_tests(metafunc):
    if "architecture" in metafunc.fixturenames:
        metafunc.parametrize("architecture", list(MODELS))
