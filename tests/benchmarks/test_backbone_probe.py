"""The probe on features that are known: perfect ones, and ones that know nothing."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from vitreous.types import Frame

PATH = Path(__file__).parents[2] / "benchmarks" / "backbone_probe.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("backbone_probe", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Planted:
    """Eight pictures of 32x32: floor, a metal object left and a rubber one right; features by what a patch shows."""

    grid, path = (4, 4), Path("planted")

    def __init__(self, knows: bool) -> None:
        draw = np.random.default_rng(0)
        self.ids, self.features = np.zeros((8, 32, 32), dtype=np.int32), torch.empty(8, 4, 4, 3)
        self.swapped = np.arange(8) // 2 % 2 == 1  # of every second pair of pictures object 1 is the rubber one
        for i in range(8):
            self.ids[i, 8:24, :8], self.ids[i, 8:24, 24:] = 1, 2
            what = self.ids[i, ::8, ::8].copy()
            if self.swapped[i]:
                what[what > 0] = 3 - what[what > 0]
            self.features[i] = torch.eye(3)[torch.from_numpy(what).long()] if knows else torch.ones(4, 4, 3)
            self.features[i] += torch.from_numpy(draw.normal(0, 0.01 if knows else 1, (4, 4, 3)))

    def __len__(self) -> int:
        return 8

    def batch(self, rows):
        return self.features[rows].half()

    def frame(self, row):
        return Frame(image=np.zeros((32, 32, 3), dtype=np.uint8), ids=self.ids[row], key=str(row), index=0)

    def instances(self, key):
        kinds = ("rubber", "metal") if self.swapped[int(key)] else ("metal", "rubber")
        return [{"id": i + 1, "material": m, "shape": m, "colour": m} for i, m in enumerate(kinds)]


@pytest.mark.parametrize("how", ["kmeans", "spectral"])
def test_perfect_features_group_perfectly_and_noise_does_not(tool, how):
    assert tool.grouped(Planted(knows=True), getattr(tool, how), 8)["fg_ari"] == [1.0] * 8
    noise = tool.grouped(Planted(knows=False), getattr(tool, how), 8)
    assert np.mean(noise["fg_ari"]) < 0.5
    assert np.mean(noise["ari"]) < 0.3
    assert len(tool.grouped(Planted(knows=True), getattr(tool, how), 3)["ari"]) == 3


def test_the_linear_probe_reads_what_is_there(tool):
    assert tool.linear_probe(Planted(knows=True)) == {"material": 1.0, "shape": 1.0, "colour": 1.0}
    assert tool.linear_probe(Planted(knows=False))["material"] < 1


def test_a_patch_belongs_to_what_covers_most_of_it(tool):
    ids = np.zeros((8, 8), dtype=np.int32)
    ids[:4, :3] = 7
    ids[4:, :1] = 7
    assert tool.patch_ids(ids, (2, 2)).tolist() == [7, 0, 0, 0]


def test_raw_colours_are_the_mean_of_each_patch(tool):
    images = torch.zeros(1, 1, 16, 16, 3, dtype=torch.uint8)
    images[..., :8, :8, 0] = 255
    features = tool.RawColours()(images)
    assert features.shape == (1, 1, 2, 2, 3)
    assert features[0, 0, 0, 0].tolist() == [1, 0, 0]
    assert features[0, 0, 1:].sum() == 0


def test_the_untrained_net_is_another_but_of_the_same_shape(tool, tmp_path):
    net, trained = tool.backbone("untrained", tmp_path), tool.backbone("glass_tiny", tmp_path)
    assert (net.dim, net.patch_size, net.mean) == (trained.dim, trained.patch_size, trained.mean)
    images = torch.randint(0, 256, (1, 1, 32, 32, 3), dtype=torch.uint8)
    assert not torch.allclose(net(images), trained(images), rtol=0.1)
