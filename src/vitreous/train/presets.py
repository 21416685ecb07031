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
SAVI = {
    "method": "savi",
    "slots": 24,
    "slot_dim": 128,
    "iterations": 1,
    "later": 1,
    "start": "boxes",
    "spare": "background",
    "decoder_width": 64,
    "reduce": "sum",
    "steps": 100_000,
    "warm_up": 2_500 / 100_000,
    "batch_size": 64,
    "lr": 2e-4,
    "lr_rule": "none",
    "clip": 0.05,
    "frames": 6,
}
WORDS = {  # of SLATE and STEVE: a transformer 192 wide with 4 heads, a temperature that falls in 30,000 steps
    "slot_dim": 192,
    "start": "gaussian",
    "words": "pictures",
    "decoder_width": 192,
    "decoder_heads": 4,
    "lr": 1e-4,
    "lr_rule": "none",
    "clip": 1.0,
}
VQ_VFM = {  # 30,000 steps for the codes, then 50,000 for the slots, which learn from the first one on here
    "slots": 7,
    "slot_dim": 256,
    "iterations": 3,
    "start": "gaussian",
    "codes": 4096,
    "code_dim": 256,
    "until": 30_000 / 80_000,
    "steps": 80_000,
    "batch_size": 32,
    "lr": 2e-4,
    "lr_rule": "none",
    "clip": 1.0,
    "standardise": "none",
}
PAPERS = {"masks": "decoder", "centre": False, "lr_rule": "none", "standardise": "none"}
SPOT = PAPERS | {
    "method": "spot",
    "slot_dim": 256,
    "iterations": 3,
    "start": "learned",
    "truncate": "bilevel",
    "decoder_layers": 4,
    "decoder_heads": 6,
    "distill": 0.005,
    "batch_size": 64,
    "lr": 4e-4,
    "clip": 1.0,
}
MARTIUS = PAPERS | {  # VideoSAUR and SlotContrast share their code
    "iterations": 3,
    "later": 2,
    "hidden": "normed",
    "odd_scale": True,
    "decoder_width": 1024,
    "steps": 100_000,
    "warm_up": 2_500 / 100_000,
    "half_life": 97_500 / 100_000,
    "clip": 0.05,
    "frames": 4,
}
VIDEOSAUR = MARTIUS | {
    "method": "videosaur",
    "start": "gaussian",
    "similarity": 0.1,
    "similarity_of": "keys",
    "similarity_threshold": 0.0,
    "batch_size": 128,
    "lr": 4e-4,
}
VIDEOSAUR_MOVI = {
    "slot_dim": 128,
    "rebuild": 0.0,
    "similarity_temperature": 0.075,
    "decoder_layers": 4,
    "decoder_blocks": 2,
}
SLOTCONTRAST = MARTIUS | {
    "method": "slotcontrast",
    "slot_dim": 64,
    "start": "learned",
    "contrast": 0.5,
    "contrast_temperature": 0.1,
    "decoder_layers": 3,
    "batch_size": 64,
}
ZHAO = PAPERS | {  # SmoothSA and RandSF.Q
    "slot_dim": 256,
    "iterations": 3,
    "later": 1,
    "start": "gaussian",
    "decoder_layers": 4,
    "decoder_heads": 4,
    "dropout": 0.5,
    "contrast": 0.5,
    "contrast_temperature": 0.1,
    "warm_up": 0.05,
}
STILLS = {"steps": 50_000, "batch_size": 32, "lr": 2e-4, "clip": 1.0, "frames": 1}
CLIPS = {"steps": 50_000, "batch_size": 8, "lr": 5e-5, "clip": 0.05}
SMOOTHSA = ZHAO | {"method": "smoothsa", "preheat": 100.0, "detach": 0.1}
RANDSFQ = ZHAO | {"method": "randsfq"}
DIAS = PAPERS | {
    "method": "dias",
    "slot_dim": 256,
    "iterations": 3,
    "start": "gaussian",
    "distill": 1.0,
    "decoder": "random",
    "decoder_layers": 4,
    "decoder_heads": 4,
    "warm_up": 0.05,
}
DIAS_RELEASE = {"same": 0.0, "double_softmax": True}  # what the numbers of its README were made with
DIAS_CLIPS = {"later": 2, "hand_on": "transformer"}
SLOTFORMER = PAPERS | {
    "method": "slotformer",
    "slot_dim": 128,
    "iterations": 2,
    "later": 2,
    "start": "learned",
    "predictor_blocks": 2,
    "history": 6,
    "frames": 16,
    "rollout_layers": 4,
    "rollout_heads": 8,
    "batch_size": 128,
    "lr": 2e-4,
    "warm_up": 0.05,
    "clip": 0.05,
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
    "dinosaur/coco_codes": Preset(
        "Zhao et al. 2025 (VQ-VFM-OCL, arXiv:2502.20263), its MLP variant; DINOv2 ViT-S/14 at 224 (16x16)",
        VQ_VFM | {"method": "dinosaur", "decoder": "mlp", "decoder_width": 2048, "masks": "decoder", "centre": False},
    ),
    "slot_attention/clevr6": Preset(
        "Locatello et al. 2020 (arXiv:2006.15055) and its code; CLEVR scenes of up to 6 objects at 128",
        {
            "method": "slot_attention",
            "slots": 7,
            "slot_dim": 64,
            "iterations": 3,
            "mlp_dim": 128,
            "resolution": 128,
            "encoder_width": 64,
            "decoder_width": 64,
            "steps": 500_000,
            "warm_up": 10_000 / 500_000,
            "half_life": 100_000 / 500_000,
            "batch_size": 64,
            "lr": 4e-4,
            "lr_rule": "none",
            "clip": 0.0,
        },
    ),
    "savi/movi_s": Preset(
        "Kipf et al. 2022 (arXiv:2111.12594) and its code, SAVi S on MOVi-A to E at 64; target there: optical flow",
        SAVI | {"resolution": 64, "encoder_width": 32, "stride": 1},
    ),
    "savi/movi_m": Preset(
        "the same, SAVi M at 128",
        SAVI | {"resolution": 128, "encoder_width": 64, "stride": 2},
    ),
    "slate/shapes3d": Preset(
        "Singh et al. 2022 (arXiv:2110.11405) and its code; 480,000 pictures at 64; gradients are cut there at a "
        "largest entry of 1, not a norm of 1",
        WORDS
        | {
            "method": "slate",
            "look": "words",
            "slots": 3,
            "iterations": 3,
            "codes": 1024,
            "resolution": 64,
            "decoder_layers": 4,
            "epochs": 20.0,
            "batch_size": 50,
            "warm_up": 30_000 / 192_000,
            "until": 30_000 / 192_000,
        },
    ),
    "slate/coco_codes": Preset(
        "Zhao et al. 2025 (VQ-VFM-OCL, arXiv:2502.20263), its transformer variant; DINOv2 ViT-S/14 at 224 (16x16)",
        VQ_VFM
        | {
            "method": "slate",
            "look": "features",
            "words": "features",
            "decoder_width": 256,
            "decoder_layers": 4,
            "decoder_heads": 4,
        },
    ),
    "steve/movi_e": Preset(
        "Singh et al. 2022 (arXiv:2205.14065) and its code; MOVi-D and E at 128; gradients are cut there at a largest "
        "entry of 0.05 of sums over words and pixels",
        WORDS
        | {
            "method": "steve",
            "look": "pictures",
            "slots": 15,
            "iterations": 2,
            "later": 2,
            "codes": 4096,
            "resolution": 128,
            "encoder_width": 64,
            "stride": 2,
            "decoder_layers": 8,
            "steps": 200_000,
            "batch_size": 24,
            "frames": 3,
            "warm_up": 30_000 / 200_000,
            "until": 30_000 / 200_000,
            "half_life": 250_000 / 200_000,
        },
    ),
    "slotdiffusion/coco": Preset(
        "Wu et al. 2023 (arXiv:2305.11281) and its code; DINO ViT-S/8 at 224 (28x28); 100 epochs for the auto-encoder "
        "and 100 for the slots there",
        {
            "method": "slotdiffusion",
            "slots": 7,
            "slot_dim": 256,
            "iterations": 3,
            "start": "learned",
            "latents": "pictures",
            "latent_dim": 3,
            "codes": 4096,
            "resolution": 224,
            "width": 128,
            "levels": 4,
            "blocks": 2,
            "epochs": 200.0,
            "until": 0.5,
            "warm_up": 0.05,
            "batch_size": 64,
            "lr": 1e-4,
            "lr_rule": "none",
            "clip": 0.05,
            "standardise": "none",
        },
    ),
    "spot/coco": Preset(
        "Kakogeorgiou et al. 2024 (arXiv:2312.00648) and its code; DINO ViT-B/16 at 224 (14x14), no final norm; "
        "gradients are cut there at a largest component of 0.3, and stage two fine-tunes the backbone",
        SPOT | {"slots": 7, "epochs": 50.0, "warm_up": 5 / 50},
    ),
    "spot/voc": Preset("the same, VOC trainaug", SPOT | {"slots": 6, "epochs": 560.0, "warm_up": 60 / 560}),
    "videosaur/movi_c": Preset(
        "Zadaianchuk et al. 2023 (arXiv:2306.04829) and its code; DINO ViT-B/8 at 224 (28x28), no final norm, facet "
        "token+key",
        VIDEOSAUR | VIDEOSAUR_MOVI | {"slots": 11},
    ),
    "videosaur/movi_e": Preset("the same", VIDEOSAUR | VIDEOSAUR_MOVI | {"slots": 15}),
    "videosaur/ytvis": Preset(
        "the same, YouTube-VIS 2021; DINO ViT-B/16 at 224 (14x14), no final norm, facet token+key; it rebuilds tokens, "
        "here the keys as well",
        VIDEOSAUR
        | {
            "slots": 7,
            "slot_dim": 64,
            "rebuild": 1.0,
            "similarity_temperature": 0.25,
            "decoder_layers": 3,
            "decoder_blocks": 3,
        },
    ),
    "slotcontrast/movi_c": Preset(
        "Manasyan et al. 2025 (arXiv:2412.14295) and its code; DINOv2 ViT-S/14 at 336 (24x24), no final norm",
        SLOTCONTRAST | {"slots": 11, "lr": 4e-4},
    ),
    "slotcontrast/ytvis": Preset(
        "the same, YouTube-VIS 2021; DINOv2 ViT-B/14 at 518 (37x37)", SLOTCONTRAST | {"slots": 7, "lr": 8e-4}
    ),
    "smoothsa/coco": Preset(
        "Zhao et al. 2025 (arXiv:2508.05417) and its code; DINOv2 ViT-S/14 with registers at 224 (16x16), no norm",
        SMOOTHSA | STILLS | {"slots": 7, "truncate": "bilevel", "steps": 100_000},
    ),
    "smoothsa/voc": Preset("the same", SMOOTHSA | STILLS | {"slots": 6, "truncate": "bilevel"}),
    "smoothsa/ytvis": Preset(
        "the same, YouTube-VIS", SMOOTHSA | CLIPS | {"slots": 7, "truncate": "none", "frames": 5, "window": 5}
    ),
    "smoothsa/movi_c": Preset(
        "the same, MOVi-C; first slots from true boxes, of objects alone there",
        SMOOTHSA | CLIPS | {"slots": 11, "start": "boxes", "truncate": "none", "frames": 6, "window": 6},
    ),
    "randsfq/ytvis": Preset(
        "Zhao et al. 2025 (arXiv:2508.01345) and its code; DINOv2 ViT-S/14 with registers at 224 (16x16), no norm",
        RANDSFQ | CLIPS | {"slots": 7, "frames": 5, "window": 5},
    ),
    "randsfq/movi_c": Preset(
        "the same; first slots from true boxes, of objects alone there",
        RANDSFQ | CLIPS | {"slots": 11, "start": "boxes", "frames": 6, "window": 6},
    ),
    "dias/coco": Preset(
        "Zhao et al. 2025 (arXiv:2507.23755) and its code; DINOv2 ViT-S/14 with registers at 224 (16x16), no norm; how "
        "near slots are one is chosen by us",
        DIAS | STILLS | {"slots": 7, "steps": 100_000},
    ),
    "dias/voc": Preset("the same", DIAS | STILLS | {"slots": 6}),
    "dias/clevrtex": Preset("the same", DIAS | STILLS | {"slots": 11}),
    "dias/coco_release": Preset(
        "its code alone: all slots are kept, and the distillation has a second softmax",
        DIAS | DIAS_RELEASE | STILLS | {"slots": 7, "steps": 100_000},
    ),
    "dias/voc_release": Preset("the same", DIAS | DIAS_RELEASE | STILLS | {"slots": 6}),
    "dias/clevrtex_release": Preset("the same", DIAS | DIAS_RELEASE | STILLS | {"slots": 11}),
    "dias/ytvis": Preset(
        "no settings of DIAS for clips are public; as those it is compared with in RandSF.Q (arXiv:2508.01345)",
        DIAS | DIAS_CLIPS | CLIPS | {"slots": 7, "frames": 5},
    ),
    "dias/movi_d": Preset("the same, as RandSF.Q on MOVi-D", DIAS | DIAS_CLIPS | CLIPS | {"slots": 21, "frames": 6}),
    "slotformer/obj3d": Preset(
        "Wu et al. 2023 (arXiv:2210.05861) and its code: slots of its first stage, all else of its second; from pixels",
        SLOTFORMER | {"slots": 6, "rollout_dim": 128, "epochs": 200.0},
    ),
    "slotformer/clevrer": Preset(
        "the same; there every second frame, and slots that are stochastic",
        SLOTFORMER | {"slots": 7, "rollout_dim": 256, "epochs": 80.0},
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
