"""The backbone that is part of this package."""

import json

import torch

from vitreous.backbones import PRESETS, load_backbone
from vitreous.backbones.find import EMBEDDED
from vitreous.backbones.order import check_patch_order

FOLDER = EMBEDDED / "glass_tiny"


def test_it_is_what_the_table_says():
    preset, backbone = PRESETS["glass_tiny"], load_backbone("glass_tiny")
    assert (backbone.patch_size, backbone.dim, backbone.depth) == (preset.patch, preset.width, preset.layers)
    assert (backbone.mean, backbone.std) == preset.norm
    settings = json.loads((FOLDER / "preprocessor_config.json").read_text())
    assert settings["image_mean"] == list(preset.norm[0])
    assert backbone.describe()["path"] is None


def test_it_fits_into_the_package():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 16e6


def test_its_patches_are_in_order():
    backbone = load_backbone("glass_tiny")
    for grid in ((4, 4), (4, 6), (6, 4)):
        check_patch_order(backbone, grid)


def test_the_same_on_every_load_batch_size_and_thread_count():
    images = torch.randint(0, 256, (5, 1, 128, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = load_backbone("glass_tiny")(images)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    alone = torch.cat([load_backbone("glass_tiny")(image[None]) for image in images])
    torch.set_num_threads(threads)
    assert (together - alone).norm() <= 1e-3 * together.norm()
