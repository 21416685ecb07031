"""Published settings by name: `vitreous train STORE --preset dinosaur/coco`; from Python `train(store, **preset)`.

Where the original differs from what can be said here: rates follow steps, not epochs, and a cosine ends at 1 % of the
peak; AdamW without decay is Adam. Features are the backbone's own, not standardised, as all of these used them.
"""

from dataclasses import dataclass
from typing import Any

from vitreous.errors import RunError, did_you_mean


@dataclass(frozen=True)
class Preset:
    """source  where the numbers come from, and what they were used with."""

    source: str
    settings: dict[str, Any]


SEED_PROJECT = {
    "method": "savi_dinosaur",
    "slots": 11,
    "slot_dim": 64,
    "iterations": 5,  # in code; the text says 3
    "later": 5,
    "start": "xavier",
    "hand_on": "mlp",
    "refresh": 0,
    "decoder": "broadcast",
    "decoder_width": 384,
    "masks": "decoder",
    "centre": False,
    "mask_temperature": 0.5,
    "loss": "mse",
    "epochs": 200.0,
    "warm_up": 5 / 200,
    "lr_rule": "none",
    "clip": 1.0,
    "frames": 1,
    "standardise": "none",
}
OCLF = {
    "method": "dinosaur",
    "iterations": 3,
    "decoder": "mlp",
    "decoder_layers": 3,
    "start": "gaussian",
    "masks": "decoder",
    "centre": False,
    "steps": 500_000,
    "warm_up": 10_000 / 500_000,
    "half_life": 100_000 / 500_000,
    "batch_size": 64,
    "lr": 4e-4,
    "lr_rule": "none",
    "clip": 1.0,
    "standardise": "none",
}
PRESETS = {
    "savi_dinosaur/movi_a": Preset(
        "github.com/Menserve/Object-centric-representation, first MOVi-A runs; DINOv2 ViT-S/14 at 224 (16x16)",
        SEED_PROJECT | {"batch_size": 2, "lr": 4e-4, "diversity": 0.1},
    ),
    "savi_dinosaur/movi_a_300": Preset(
        "the same, 300 scenes of MOVi-A; K from 3 to 13 (--slots), here 11; diversity as its command line has it",
        SEED_PROJECT | {"batch_size": 32, "lr": 1e-3, "diversity": 0.01},
    ),
    "dinosaur/movi_c": Preset(
        "Seitzer et al. 2023 (arXiv:2209.14860) and its code; DINO ViT-S/8 at 224 (28x28)",
        OCLF | {"slots": 11, "slot_dim": 128, "decoder_width": 1024},
    ),
    "dinosaur/coco": Preset(
        "Seitzer et al. 2023 (arXiv:2209.14860) and its code; DINO ViT-B/16 at 224 (14x14)",
        OCLF | {"slots": 7, "slot_dim": 256, "decoder_width": 2048},
    ),
}


def find_preset(name: str) -> dict[str, Any]:
    """Settings of a preset; a misspelt name gets a hint."""
    if name not in PRESETS:
        raise RunError(f'No preset "{name}".{did_you_mean(name, PRESETS)}')
    return PRESETS[name].settings


def print_presets() -> None:
    """Names, sources and settings."""
    for name, preset in PRESETS.items():
        print(f"{name}\n    {preset.source}")
        print("    " + " ".join(f"--{key.replace('_', '-')} {value}" for key, value in preset.settings.items()) + "\n")
