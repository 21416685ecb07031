import dataclasses

import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.runs import Recipe, Run, build, differences, generator_seed, settings, write_recipe
from vitreous.types import Batch

RECIPE = Recipe(
    method="dinosaur",
    config=dict(
        slots=3,
        slot_dim=8,
        iterations=2,
        decoder_width=16,
        decoder_layers=1,
        start="warm",
        masks="attention",
        centre=True,
    ),
    grid=(4, 6),
    fit="crop",
    feature_dim=5,
    backbone={"name": "glass_tiny", "digest": "abc"},
    standardise="dataset",
    source={"name": "scenes", "fingerprint": "f"},
)


def run(folder):
    torch.manual_seed(0)
    return Run(folder, RECIPE, build(RECIPE), {"mean": torch.arange(5.0)})


def test_a_saved_run_loads_from_its_path_alone(tmp_path):
    saved = run(tmp_path / "r")
    saved.save()
    loaded = Run.load(tmp_path / "r")
    x = Batch(torch.randn(2, 1, 4, 6, 5))
    assert loaded.recipe == RECIPE
    assert_close(loaded.method(x).masks, saved.method.eval()(x).masks, atol=0, rtol=0)
    assert_close(loaded.statistics["mean"], torch.arange(5.0))


def test_what_is_not_a_run_is_named(tmp_path):
    with pytest.raises(RunError, match="No finished run in .*\n.*vitreous train STORE --out RUN"):
        Run.load(tmp_path)
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(RunError, match="interrupted"):
        Run.load(tmp_path)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    saved = run(tmp_path)
    saved.save()
    recipe = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(recipe.replace("slot_dim: 8", "slot_dim: 12"))
    with pytest.raises(RunError, match="do not fit its recipe"):
        Run.load(tmp_path)
    (tmp_path / "recipe.yaml").write_text("method: dinosaur\n")
    with pytest.raises(RunError, match="lacks backbone, config"):
        Run.load(tmp_path)


def test_a_recipe_is_replaced_in_one_move(tmp_path):
    write_recipe(tmp_path, RECIPE)
    with (tmp_path / "recipe.yaml").open() as before:
        write_recipe(tmp_path, RECIPE)
        assert before.read() == (tmp_path / "recipe.yaml").read_text()  # never emptied while somebody reads
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_settings_are_checked():
    with pytest.raises(RunError, match='no setting "slotz".* Did you mean "slots"'):
        settings("dinosaur", {"slotz": 3})
    with pytest.raises(RunError, match="slots must be at least 1, not 0"):
        settings("dinosaur", {"slots": 0})
    assert settings("dinosaur", {"slots": 5}).slots == 5


def test_recipes_are_compared_in_words():
    other = dataclasses.replace(RECIPE, standardise="token", vitreous="9")
    assert differences(RECIPE, other) == ["standardise: 'dataset' against 'token'"]


def test_every_step_has_its_own_seed():
    seeds = {generator_seed(seed, step) for seed in range(3) for step in range(-1, 2000)}
    assert len(seeds) == 3 * 2001
    assert all(0 <= s < 2**31 for s in seeds)


def test_broken_files_are_named(tmp_path):
    saved = run(tmp_path)
    saved.save()
    assert repr(saved) == f"Run({str(tmp_path)!r}: dinosaur on glass_tiny, grid 4 x 6)"
    whole = (tmp_path / "model.safetensors").read_bytes()
    for broken in (b"", whole[:100], b"\x80\x04pickle" * 9):
        (tmp_path / "model.safetensors").write_bytes(broken)
        with pytest.raises(RunError, match=r"model\.safetensors cannot be read"):
            Run.load(tmp_path)
    (tmp_path / "recipe.yaml").write_text("method: [dinosaur")
    with pytest.raises(RunError, match=r"recipe\.yaml cannot be read"):
        Run.load(tmp_path)
    (tmp_path / "recipe.yaml").write_text("- dinosaur")
    with pytest.raises(RunError, match="it lacks backbone"):
        Run.load(tmp_path)


@pytest.mark.parametrize("decoder", ["mixture", "autoregressive"])
def test_a_run_finds_the_same_on_another_grid(tmp_path, decoder):
    """Every patch four times: shares and slots are those of the smaller grid."""
    recipe = dataclasses.replace(
        RECIPE, feature_dim=8, config=RECIPE.config | {"decoder": decoder, "decoder_heads": 2, "merge": 0.0}
    )
    torch.manual_seed(0)
    small = Run(tmp_path / "small", recipe, build(recipe).eval(), {"mean": torch.zeros(8)})
    small.on_grid((8, 12), tmp_path / "large").save()
    large = Run.load(tmp_path / "large")
    assert large.recipe.grid == (8, 12)
    assert large.recipe.source["grid"] == "4x6"
    assert large.on_grid((4, 6), tmp_path / "back").recipe.source["grid"] == "4x6"  # where it was trained
    kinds = torch.randn(3, 8)[torch.tensor([0, 1, 2]).repeat_interleave(2)].expand(1, 1, 4, 6, 8)
    before = small.method(Batch(kinds))
    after = large.method(Batch(kinds.repeat_interleave(2, 2).repeat_interleave(2, 3)))
    assert_close(after.slots, before.slots, atol=1e-5, rtol=1e-5)
    assert_close(after.masks[..., ::2, ::2], before.masks, atol=1e-5, rtol=1e-5)


def test_what_belongs_to_places_stays_there(tmp_path):
    recipe = dataclasses.replace(RECIPE, config=RECIPE.config | {"decoder": "mlp"})
    placed = Run(tmp_path, recipe, build(recipe), {})
    with pytest.raises(RunError, match="belongs to its 4 x 6 patches: decode"):
        placed.on_grid((8, 12), tmp_path / "large")
    by_position = Run(tmp_path, dataclasses.replace(RECIPE, standardise="position"), build(RECIPE), {})
    with pytest.raises(RunError, match="4 x 6 patches: its statistics"):
        by_position.on_grid((8, 12), tmp_path / "large")
    with pytest.raises(RunError, match="1 x 2 patches are too few for 3 slots"):
        run(tmp_path).on_grid((1, 2), tmp_path / "large")
