"""Small runs on the first block of the embedded backbone, and the files that they are exported to, each made once."""

from dataclasses import asdict
from functools import lru_cache

import pytest
import torch

from vitreous.backbones import load_backbone
from vitreous.methods import method_class
from vitreous.runs import Recipe, Run

GRID = (4, 5)


@lru_cache
def features_of(pictures=6):
    """The backbone, and statistics of its features on pictures like those of the tests."""
    backbone = load_backbone("glass_tiny", layer=1, device="cpu", dtype="float32")
    seen = backbone(scenes(pictures)[:, None]).flatten(0, -2)
    return backbone, {"mean": seen.mean(0), "scale": 1 / seen.std(0)}


def scenes(count, size=(32, 40), seed=0):
    """Floors with two or three boxes of other colours, a little noise: [b y x 3], uint8."""
    draw = torch.Generator().manual_seed(seed)
    pictures = torch.randint(90, 110, (count, *size, 3), generator=draw, dtype=torch.uint8)
    for picture in pictures:
        for _ in range(int(torch.randint(2, 4, (), generator=draw))):
            top, left = (int(torch.randint(0, side - 12, (), generator=draw)) for side in size)
            picture[top : top + 12, left : left + 12] = torch.randint(0, 255, (3,), generator=draw).byte()
    return pictures


def small_run(folder, name, settings):
    """An untrained method; its weights do not matter here."""
    torch.manual_seed(0)
    backbone, statistics = features_of()
    kind = method_class(name)
    few = {"candidates": 4} if hasattr(kind.Config(), "candidates") else {}
    config = kind.Config(**({"slots": 3, "slot_dim": 16} | few | settings))
    about, source = backbone.describe(), {"name": "scenes", "fingerprint": "none"}
    recipe = Recipe(name, asdict(config), GRID, "crop", backbone.dim, about, "dataset", source, {"seed": 3})
    mode = {"mode": torch.tensor(list(b"dataset"), dtype=torch.uint8)}
    return Run(folder, recipe, kind(config, backbone.dim, GRID).eval(), statistics | mode)


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A run that a decoder was trained with, which a graph of its attention has no use for."""
    folder = tmp_path_factory.mktemp("runs") / "secret_name"
    run = small_run(
        folder, "dinosaur", {"decoder": "mlp", "decoder_width": 72, "iterations": 2, "slots": 4, "merge": 0.9}
    )
    run.save()
    return run


@pytest.fixture(scope="session")
def onnx_file(saved, tmp_path_factory):
    """What the run is exported to, and what the export said."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from vitreous.export import export_run

    path = tmp_path_factory.mktemp("exported") / "objects.onnx"
    return path, export_run(saved.folder, path, count=3)
