"""The graph says, for each picture of a batch, what `find_slots` says of it alone; what cannot be exported is named."""

import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.export.graph import regression_graph, slot_graph
from vitreous.features.standardise import Standardiser
from vitreous.predict.segment import find_slots, to_pixels
from vitreous.regress.ensemble import Ensemble
from vitreous.regress.heads import HeadConfig
from vitreous.regress.run import Recipe as RegressionRecipe
from vitreous.regress.run import RegressionRun
from vitreous.regress.scaling import Scaling

from .conftest import GRID, features_of, scenes, small_run

LAYERS = dict(decoder_layers=1, decoder_heads=2)
PAINT = dict(decoder_width=16, decoder_layers=1)
DRAWN = LAYERS | dict(start="gaussian", masks="decoder")
WORDS = dict(words="features", codes=8, code_dim=8, decoder_width=32, decoder_layers=1)
CASES = [
    ("dinosaur", {}),
    ("dinosaur", PAINT | dict(start="gaussian", masks="decoder", decoder="mlp")),
    ("savi_dinosaur", {}),
    ("savi_dinosaur", dict(start="xavier", hand_on="mlp", masks="decoder", decoder_width=16)),
    ("dias", {}),
    ("dias", DRAWN),
    ("spot", LAYERS | dict(distill=0.0)),
    ("spot", LAYERS | dict(start="learned", masks="decoder", orders="all")),
    ("slotcontrast", PAINT),
    ("smoothsa", LAYERS),
    ("smoothsa", DRAWN),
    ("randsfq", LAYERS),
    ("slotformer", PAINT | dict(rollout_dim=16, rollout_layers=1, rollout_heads=2)),
    ("slate", WORDS),
    ("steve", WORDS),
    ("slotdiffusion", dict(latents="features", latent_dim=4, codes=16, width=8, levels=2)),
    ("videosaur", PAINT),
    ("videosaur", PAINT | dict(start="gaussian", masks="decoder")),
]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
@torch.no_grad()
def test_a_batch_is_what_each_picture_is_alone(tmp_path, name, settings):
    if name == "slotdiffusion":
        pytest.importorskip("diffusers")
    run, pictures = small_run(tmp_path, name, settings), scenes(3)
    labels, shares, slots = slot_graph(run).module(pictures)
    backbone, _ = features_of()
    features = Standardiser.from_state(run.statistics)(backbone(pictures[:, None]))
    for at in range(3):
        out = find_slots(run, features[at : at + 1])
        seen = to_pixels(out.masks[0], (32, 40))
        assert_close(shares[at], seen.shares[0], atol=1e-5, rtol=1e-4)
        assert_close(slots[at], out.slots[0, 0], atol=1e-5, rtol=1e-4)
        assert (labels[at] == seen.labels[0]).double().mean() > 0.999


@torch.no_grad()
def test_pictures_as_floats(tmp_path):
    run, pictures = small_run(tmp_path, "dinosaur", {}), scenes(2)
    whole, shared = slot_graph(run).module(pictures), slot_graph(run, "float32").module(pictures / 255)
    assert_close(whole[1], shared[1])


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("smoothsa", LAYERS | dict(start="boxes"), r"smoothsa\) cannot be exported: its slots start from .* true ids"),
        ("slot_attention", dict(resolution=24), r"slot_attention\) cannot be exported: .*needs pictures"),
    ],
)
def test_what_cannot_be_exported_is_named(tmp_path, name, settings, why):
    with pytest.raises(RunError, match=why):
        slot_graph(small_run(tmp_path, name, settings))


def regression(folder, head="patch", scaling="mean"):
    """Untrained heads for two targets and their total, of three folds."""
    backbone, statistics = features_of()
    targets, members, config = ["grass", "clover", "total"], [f"fold {i}" for i in range(3)], {"width": 8}
    recipe = RegressionRecipe(
        targets, [1 / 3] * 3, head, config, False, members, {"scaling": scaling}, {}, ["total = grass + clover"],
        "compose", ["identity", "hflip"], list(GRID), "squash", 64, backbone.dim, backbone.describe(),
        "dataset", {}, {},
    )  # fmt: skip
    units = Scaling(scaling, torch.tensor([[1.0, 2.0, 3.0]]).expand(3, 3) + torch.arange(3.0)[:, None])
    standardise = Standardiser("dataset", statistics["mean"], statistics["scale"])
    ensemble = Ensemble.make(head, HeadConfig.of(config), backbone.dim, members, targets, units, standardise)
    return RegressionRun(folder, recipe, ensemble, torch.eye(3))


@pytest.mark.parametrize("head", ["patch", "linear", "attention", "pooled"])
@torch.no_grad()
def test_numbers_are_those_of_the_heads_and_add_up(tmp_path, head):
    run, pictures = regression(tmp_path, head), scenes(4)
    graph = regression_graph(run)
    numbers, *maps = graph.module(pictures)
    backbone, _ = features_of()
    x = run.ensemble.standardise(backbone(pictures[:, None]))[:, 0].flatten(1, 2)
    voted = [run.ensemble.numbers(run.ensemble.member(i)(x).numbers, slice(i, i + 1))[:, 0] for i in range(3)]
    wanted = run.settled(torch.stack(voted).mean(0).double().numpy())
    assert_close(numbers.double(), torch.from_numpy(wanted), atol=1e-5, rtol=1e-4)
    assert_close(numbers[:, 2], numbers[:, 0] + numbers[:, 1])
    assert list(graph.outputs) == ["numbers", "maps"][: 1 + len(maps)]
    assert len(maps) == (head != "pooled")
    if maps:
        assert maps[0].shape == (4, 3, *GRID)
        assert_close(maps[0].mean((2, 3)), numbers, atol=1e-5, rtol=1e-4)


def test_logarithms_have_no_map(tmp_path):
    assert regression_graph(regression(tmp_path, scaling="log1p")).outputs == ("numbers",)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"reconcile": "project"}, 'made to add up by "project"'),
        ({"views": ["crop:0,0,0.5,1", "crop:0.5,0,1,1"]}, "trained on tiles"),
        ({"head": "cls"}, "see the class token"),
    ],
)
def test_what_no_graph_holds_is_named(tmp_path, changed, why):
    run = regression(tmp_path)
    for name, value in changed.items():
        object.__setattr__(run.recipe, name, value)
    with pytest.raises(RunError, match=why):
        regression_graph(run)
