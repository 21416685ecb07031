"""CrossPVT: sizes and shapes of the release, what is put right against it, its tiles, and that it learns."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from torch.testing import assert_close

from vitreous.errors import FeatureMismatch, RunError, StoreError
from vitreous.features.views import viewed
from vitreous.regress import heads_class
from vitreous.regress.crosspvt import Answer, CrossPVT, CrossPVTConfig, loss, random_pairs
from vitreous.regress.estimator import DenseRegressor
from vitreous.regress.fit import Head, ensemble_for, fit, whole
from vitreous.regress.learn import Learning, Training, held_out_by
from vitreous.regress.pictures import Held, Pictures, tile_of
from vitreous.regress.run import RegressionRun
from vitreous.regress.stacked import CrossPVTHeads, seen_at, tile_views, tiles

TARGETS, SUM = ("green", "dead", "clover", "total"), "total = green + dead + clover"  # of pastures
FIVE = ("Green", "Dead", "Clover", "GDM", "Total")
SUMS = ("GDM = Green + Clover", "Total = GDM + Dead")
SHARE = torch.tensor([0.1, 0.1, 0.1, 0.2, 0.5])
SMALL = CrossPVTConfig(
    width=16, dropout=0.0, t2t_depth=1, cross_layers=2, cross_heads=2, dims=(8, 16, 16), mobilevit_heads=2,
    mobilevit_depth=1, sra_heads=2, mamba_depth=1, targets=FIVE, sums=SUMS,
)  # fmt: skip
BOTH = pytest.mark.parametrize("faithful", [True, False])


def made(config=SMALL, dim=12, seed=0, **changes):
    torch.manual_seed(seed)
    return CrossPVT(replace(config, **changes), dim, len(FIVE))


def features(count=4, seed=0, dim=12, patches=1):
    return torch.randn(count, 40 * patches, dim, generator=torch.Generator().manual_seed(seed))


def grams(count=4, seed=1):
    parts = 40 * torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    return torch.stack([*parts.T, parts[:, 0] + parts[:, 2], parts.sum(1)], 1)


def gradients(model, *, without=()):
    """Sum of magnitudes by weight; `without` names of losses."""
    x, true = features(), grams()
    losses = loss(model, model(x), true, SHARE, torch.tensor([[0, 1], [2, 3]]))
    model.zero_grad()
    sum((value for name, value in losses.items() if name not in without), torch.zeros(())).backward()
    return {n: 0.0 if p.grad is None else float(p.grad.abs().sum()) for n, p in model.named_parameters()}


@pytest.mark.parametrize(("dim", "count"), [(768, 53_968_905), (384, 25_476_873)])
def test_size_of_the_release(dim, count):
    config = CrossPVTConfig(faithful=True, targets=FIVE, sums=SUMS)
    with torch.device("meta"):
        model = CrossPVT(config, dim, 5)
    assert sum(p.numel() for p in model.parameters()) == count
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert (sizes["mix"], sizes["parts"], sizes["gates"]) == (
        13_603_200 if dim == 768 else 13_455_744,
        1_723_011,
        820_480,
    )


@BOTH
@pytest.mark.parametrize("mixing", ["convolution", "scan"])
def test_shapes_through_the_stages(faithful, mixing):
    model, x = made(faithful=faithful, mixing=mixing), features(3, patches=4)
    small, big = model.halves(x).flatten(0, 1).split(model.config.tiles, dim=1)
    assert (small.shape, big.shape) == ((6, 16, 12), (6, 4, 12))
    fused = model.fuse(model.retokenise(small), big)
    assert fused.shape == (6, 10, 12)
    half, second = model.mix(fused)
    assert half.shape == (6, 16)
    assert second.shape == (6, 6 if faithful else 5, 16)  # the release keeps a token of padding
    answer = model(x)
    assert answer.numbers.shape == (3, 5)
    assert answer.aside is not None
    assert (answer.aside.shape, answer.score.shape) == ((3, 5), (3,))


@BOTH
def test_totals_are_the_sums_of_their_parts(faithful):
    model = made(faithful=faithful)
    model.unit.copy_(torch.tensor([20.0, 10.0, 5.0, 25.0, 35.0]))
    green, dead, clover, gdm, total = model(features()).numbers.unbind(1)
    assert_close(gdm, green + clover, atol=0, rtol=1e-6)
    assert_close(total, gdm + dead, atol=0, rtol=1e-6)
    assert (model(features()).numbers > 0).all()


def test_without_sums_every_target_has_a_head():
    model = made(sums=(), targets=())
    assert len(model.parts) == 5
    assert model.total is None
    assert set(loss(model, model(features()), grams(), SHARE, torch.tensor([[0], [1]]))) == {"numbers", "aside"}


def test_a_token_is_the_mean_of_its_tile():
    x = features(2, patches=9)
    assert_close(made()(x).numbers, made()(x.unflatten(1, (40, 9)).mean(2)).numbers)


@BOTH
def test_halves_that_change_places_change_the_gated_halves(faithful):
    """Everything up to the heads treats both alike; gates and heads swapped, too, the answer is the same."""
    model, x = made(faithful=faithful), features()
    swapped = made(faithful=faithful)
    state = model.state_dict()
    half = model.config.dims[2]
    for name, value in model.state_dict().items():
        if name.startswith("gates."):
            state[name.replace(".0.", ".x.").replace(".1.", ".0.").replace(".x.", ".1.")] = value
        if name.startswith(("parts.", "rank.")) and value.shape[-1] == 2 * half:
            state[name] = value.roll(half, -1)
    swapped.load_state_dict(state)
    turned = x.unflatten(1, (2, 20)).flip(1).flatten(1, 2)
    one, other = model(x), swapped(turned)
    assert_close(one.numbers, other.numbers)
    assert_close(one.aside, other.aside)
    assert_close(one.score, other.score)
    assert not torch.allclose(model(turned).numbers, one.numbers)  # by itself it tells left from right


def test_gates_are_opened_by_the_other_half_as_it_was():
    """One compact script gates the right half by the left one after its own gate; weights then mean something else."""
    model, x = made(), features()
    kept = {}
    model.mix.register_forward_hook(lambda _, __, out: kept.update(seen=out[0]))
    model.parts[0].register_forward_hook(lambda _, given, __: kept.update(both=given[0]))
    model(x)
    left, right = kept["seen"].unflatten(0, (-1, 2)).unbind(1)
    gated = [left * torch.sigmoid(model.gates[0](right)), right * torch.sigmoid(model.gates[1](left))]
    assert_close(kept["both"], torch.cat(gated, 1))


@pytest.mark.parametrize("mixing", ["convolution", "scan"])
def test_every_weight_learns(mixing):
    silent = [name for name, size in gradients(made(mixing=mixing)).items() if size == 0]
    assert silent == []


def test_in_the_release_queries_and_keys_of_the_second_stage_learn_nothing():
    found = gradients(made(faithful=True))
    least = 1e-6 * max(found.values())
    assert {name for name, size in found.items() if size < least} == {
        "mix.pvt.attend.to_query.weight",
        "mix.pvt.attend.to_query.bias",
        "rank.0.bias",  # differences of scores do not know these
        "rank.1.bias",
    }
    model = made(faithful=True)
    loss(model, model(features()), grams(), SHARE, torch.tensor([[0], [1]]))["numbers"].backward()
    assert model.mix.pvt is not None
    weight = model.mix.pvt.attend.to_key_value.weight.grad
    assert weight is not None
    keys, values = weight.chunk(2)
    assert keys.abs().sum() < 1e-7 * values.abs().sum()


def test_the_auxiliary_loss_of_the_release_reaches_its_own_head_alone():
    only = ("numbers", "rank", "gap")
    reached = {True: set(), False: set()}
    for faithful, names in reached.items():
        names |= {name for name, size in gradients(made(faithful=faithful), without=only).items() if size > 0}
    beside = {f"beside.{name}" for name in ("0.weight", "0.bias", "1.weight", "1.bias")}
    assert reached[True] == beside
    assert reached[False] > beside
    assert any(name.startswith("retokenise") for name in reached[False])
    assert not any(name.startswith(("gates", "parts", "mix.across")) for name in reached[False])


def test_the_ranking_losses_of_the_release_contradict_each_other_and_ours_do_not():
    true = grams(2)
    true[1] = true[0] + torch.tensor([2.0, 2.0, 2.0, 4.0, 6.0])  # 6 g apart: a gap of 0.6 where the margin wants 5
    pairs = torch.tensor([[0], [1]])
    best = {}
    for faithful in (True, False):
        model = made(faithful=faithful)
        answer = model(features(2))
        score = 0.1 * true[:, 4]
        losses = loss(model, replace(answer, numbers=true, score=score), true, SHARE, pairs)
        best[faithful] = (losses["rank"].item(), losses["gap"].item())
    assert best[True] == pytest.approx((0.2 * (5 - 0.6), 0), abs=1e-5)
    assert best[False] == pytest.approx((0, 0), abs=1e-6)


def test_what_is_ranked_is_a_head_of_its_own_in_the_release_and_the_total_in_ours():
    faithful, ours = made(faithful=True), made()
    assert faithful.rank is not None
    assert ours.rank is None
    assert ours.total == 4
    assert_close(ours(features()).score, 0.1 * ours(features()).numbers[:, 4])


def test_loss_by_hand():
    model, true = made(faithful=True), grams(2)
    true[0, 4], true[1, 4] = 50.0, 20.0
    off = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    answer = Answer(true + off, true + 2, torch.tensor([3.0, 1.0]))
    found = loss(model, answer, true, SHARE, torch.tensor([[0], [1]]))
    assert found["numbers"].item() == pytest.approx((0.1 * (1 + 4 + 9) + 0.2 * 16 + 0.5 * 25) / 2, rel=1e-5)
    assert found["aside"].item() == pytest.approx(0.4 * 4, rel=1e-5)
    assert found["rank"].item() == pytest.approx(0.2 * (5 - 2), rel=1e-5)
    assert found["gap"].item() == pytest.approx(0.1 * (2 - 0.1 * 30) ** 2, rel=1e-5)


def test_pairs_are_half_as_many_as_pictures_and_drawn_by_their_seed():
    one, other = (random_pairs(9, torch.Generator().manual_seed(3)) for _ in range(2))
    assert one.shape == (2, 4)
    assert torch.equal(one, other)
    assert random_pairs(1, torch.Generator()).shape == (2, 0)


def test_padding_of_the_release_is_among_its_tokens_and_ours_has_none():
    x = torch.randn(2, 10, 12, generator=torch.Generator().manual_seed(0))
    for faithful, count in ((True, 6), (False, 5)):
        assert made(faithful=faithful).mix(x)[1].shape[1] == count


def test_carriers_between_scales_are_zeros_in_the_release_and_learned_in_ours():
    assert made(faithful=True).fuse.first is None
    first = made().fuse.first
    assert first is not None
    assert first.abs().sum() > 0


@BOTH
def test_heads_are_the_same_whoever_stands_beside_them(faithful):
    config, names = replace(SMALL, dropout=0.3, faithful=faithful), ["seed 0 fold 0", "seed 0 fold 1"]
    both, alone = (CrossPVTHeads(config, 12, own, 5).draw() for own in (names, names[1:]))
    for seed in (None, 5):
        assert_close(both(features(), seed).numbers[:, 1:], alone(features(), seed).numbers)
        assert_close(both.part(1, 2)(features(), seed).numbers, alone(features(), seed).numbers)
    assert not torch.equal(both(features()).numbers[:, 0], both(features()).numbers[:, 1])
    assert not torch.equal(both(features(), 5).numbers, both(features(), 6).numbers)
    assert torch.equal(both(features(), 5).numbers, both(features(), 5).numbers)


def test_heads_say_what_the_network_says():
    heads = CrossPVTHeads(SMALL, 12, ["one"], 5).draw()
    model = made()
    model.load_state_dict(
        {what.replace("stacked.", "").replace("/", "."): v[0] for what, v in heads.state_dict().items()}
    )
    assert_close(heads(features()).numbers[:, 0], model.eval()(features()).numbers)


def test_a_part_learns_for_the_whole():
    heads = CrossPVTHeads(SMALL, 12, ["one", "other"], 5).draw()
    for weight in heads.parameters():
        weight.grad = torch.zeros_like(weight)
    heads.part(1, 2)(features()).numbers.sum().backward()
    grad = heads.stacked["gates/0/weight"].grad
    assert grad is not None
    assert grad[0].abs().sum() == 0
    assert grad[1].abs().sum() > 0


def test_answers_begin_at_the_mean_unless_faithful():
    mean = torch.tensor([[20.0, 10.0, 5.0, 25.0, 35.0]])
    for faithful, middle in ((False, mean), (True, 0.7 * torch.tensor([[1.0, 1, 1, 2, 3]]))):
        heads = CrossPVTHeads(replace(SMALL, faithful=faithful), 12, ["one"], 5).draw()
        heads.start_at(mean)
        found = heads(features(20)).numbers.mean(0)
        assert_close(found, middle, rtol=0.35, atol=0.0)


@BOTH
def test_saved_and_loaded_by_safetensors(tmp_path, faithful):
    config = replace(SMALL, faithful=faithful)
    heads = CrossPVTHeads(config, 12, ["one", "other"], 5).draw()
    heads.start_at(grams(2))
    save_file({name: value.contiguous() for name, value in heads.state_dict().items()}, tmp_path / "m.safetensors")
    again = CrossPVTHeads(CrossPVTConfig.of(json.loads(json.dumps(asdict(config)))), 12, ["one", "other"], 5)
    again.load_state_dict(load_file(tmp_path / "m.safetensors"), strict=True)
    assert torch.equal(heads(features()).numbers, again(features()).numbers)


def test_it_learns_where_things_are():
    """Green is told by the small tiles of the left half, dead by the big tiles of the right one."""
    x = torch.randn(24, 2, 20, 12, generator=torch.Generator().manual_seed(0))
    parts = torch.stack([x[:, 0, :16, 0].mean(1).mul(4).exp(), x[:, 1, 16:, 1].mean(1).exp(), torch.ones(24)], 1) * 10
    true = torch.stack([*parts.T, parts[:, 0] + parts[:, 2], parts.sum(1)], 1)
    heads = CrossPVTHeads(SMALL, 12, ["one"], 5).draw()
    heads.start_at(true.mean(0, keepdim=True))
    step = torch.optim.AdamW(heads.parameters(), 3e-3)
    error = []
    for at in range(80):
        votes = heads(x.flatten(1, 2), at)
        beside = heads.beside(votes, true, at)
        assert beside is not None
        square = (votes.numbers[:, 0] - true).square().mean(0) @ SHARE
        step.zero_grad()
        (square + beside).backward()
        step.step()
        error.append(square.item())
    spread = ((true - (true @ SHARE).mean()).square().mean(0) @ SHARE).item()
    assert error[-1] < 0.1 * spread < error[0]


def test_tiles_of_the_release():
    boxes = tiles(CrossPVTConfig())
    assert len(boxes) == len(set(boxes)) == 40
    assert boxes[0] == (0, 0, 0.125, 0.25)
    assert boxes[16] == (0, 0, 0.25, 0.5)
    assert boxes[20] == (0.5, 0, 0.625, 0.25)
    assert [tile_of(view)[1] for view in tile_views(CrossPVTConfig(), ["identity"])] == list(boxes)
    picture = np.zeros((518, 1036), np.uint8)  # of 518 pixels: 130, 129, 129, 130
    rows = [viewed(picture, view).shape for view in tile_views(CrossPVTConfig(), ["identity"])[:16:4]]
    assert [shape[0] for shape in rows] == [130, 129, 129, 130]


@pytest.mark.parametrize("view", ["identity", "hflip", "vflip", "hvflip", "rot90", "rot270", "hflip+blur:5"])
def test_views_turn_each_half_by_itself(view):
    """Tokens of a turned picture are those of a picture whose halves were turned before it was cut."""
    picture = np.random.default_rng(0).integers(0, 255, (16, 32, 3), np.uint8)
    turns = "+".join(part for part in view.split("+") if "blur" not in part)
    halves = np.concatenate([viewed(half, turns) for half in (picture[:, :16], picture[:, 16:])], 1)
    config = SMALL
    whole = [viewed(halves, crop).mean((0, 1)) for crop in tile_views(config, ["identity"])]
    own = [viewed(picture, crop).mean((0, 1)) for crop in tile_views(config, ["identity"])]
    assert_close(np.stack(own)[seen_at(config, view)], np.stack(whole))


def test_pictures_are_arranged_once():
    config = SMALL
    boxes = tuple(sorted(tiles(config)))
    rows = np.arange(2 * 2 * 40).reshape(2, 2, 40)
    held = Held(torch.zeros(160, 1, 1, 12, dtype=torch.float16))
    pictures = Pictures(held, ["a", "b"], ("identity", "hflip"), boxes, rows, (1, 1, 12))
    heads = CrossPVTHeads(config, 12, ["one"], 5)
    found = heads.arranged(pictures)
    assert found.tiles == tiles(config)
    assert heads.arranged(found) is found
    assert boxes[found.rows[0, 0, 0]] == (0, 0, 0.125, 0.25)
    assert boxes[found.rows[1, 1, 0] - 120] == (0.375, 0, 0.5, 0.25)  # the first column shows the mirrored last
    with pytest.raises(StoreError, match="holds 1 tiles per picture, and crosspvt looks at 40"):
        heads.arranged(Pictures.of_array(np.zeros((2, 4, 4, 12), np.float16)))


def test_a_half_that_is_longer_than_high_cannot_be_turned_aside():
    with pytest.raises(StoreError, match="cannot be turned aside"):
        seen_at(replace(SMALL, small_grid=(2, 4)), "rot90")


def test_settings_that_cannot_be_are_named():
    with pytest.raises(RunError, match="does not divide into 4 heads"):
        replace(CrossPVTConfig(), dims=(382, 512, 640))
    with pytest.raises(RunError, match="one hidden layer"):
        replace(CrossPVTConfig(), depth=2)
    with pytest.raises(RunError, match="odd kernel"):
        replace(CrossPVTConfig(), mamba_kernel=4)
    with pytest.raises(RunError, match="token_dim to a multiple of it, as 96"):
        CrossPVT(CrossPVTConfig(), 98, 5)
    with pytest.raises(FeatureMismatch, match="40 tiles of a picture, and 41 patches"):
        made()(torch.zeros(1, 41, 12))


def test_its_name_leads_to_it():
    assert heads_class("crosspvt") is CrossPVTHeads


@pytest.fixture(scope="module")
def tiled(pasture):
    """Pastures in the release's tiles and in two of its views."""
    return pasture(24, tile_views(SMALL, ["identity", "hflip"]))


def head(**changes):
    config = replace(SMALL, targets=(), sums=(), token_dim=8, **changes)
    return Head("crosspvt", config)


def test_from_a_store_to_a_run_and_back(tiled, tmp_path):
    training = Training(epochs=3, batch_size=8, rho=0.05)
    run = fit(tiled.store, tiled.table, tiled.division(2), tmp_path / "run", head(), training, sums=[SUM])
    again = RegressionRun.load(tmp_path / "run")
    pictures = Pictures.of_store(tiled.store)
    numbers = again.ensemble.predict(pictures)
    assert numbers.shape == (24, 2, 2, 4)  # pictures, views, folds, targets
    assert_close(numbers, run.ensemble.predict(pictures), atol=0, rtol=0)
    assert_close(numbers[..., 3], numbers[..., :3].sum(-1), atol=0, rtol=1e-5)
    config = again.recipe.config
    assert (config["targets"], config["sums"], again.recipe.joint) == (list(TARGETS), [SUM], True)
    assert again.recipe.training["scaling"] == "none"


def test_as_scikit_learn_knows_it(tiled):
    told = [f"{n}={str(v).strip('()').replace(' ', '')}" for n, v in asdict(replace(SMALL, token_dim=8)).items()]
    told = [text for text in told if text.partition("=")[0] not in ("targets", "sums", "depth", "slope", "positive")]
    quick = {"folds": 2, "epochs": 2, "batch_size": 8, "rho": 0.0}
    model = DenseRegressor("crosspvt", settings=told, sums=[SUM], **quick)
    y = pd.DataFrame(tiled.table.y, columns=list(TARGETS))
    said = clone(model).fit(tiled.store, y).predict(tiled.store)
    assert_close(said[:, 3], said[:, :3].sum(1), atol=0, rtol=1e-5)
    with pytest.raises(RunError, match='those of head="crosspvt"'):
        DenseRegressor("patch", sums=[SUM], **quick).fit(tiled.store, y)


def test_a_backbone_that_learns_is_refused_with_the_reason():
    with pytest.raises(RunError, match="The backbone of crosspvt stays frozen"):
        CrossPVTConfig.told(["fine_tune=true"])


def test_folds_at_once_learn_what_each_learns_alone(tiled):
    division, training = tiled.division(2), Training(epochs=2, batch_size=8, rho=0.05)
    one, how = whole(head(), training, tiled.table.targets, [SUM])
    members, trains = held_out_by(division.folds)
    pictures, found = Pictures.of_store(tiled.store), []
    for some in (slice(0, 2), slice(1, 2)):
        ensemble = ensemble_for(
            pictures, tiled.table.y.copy(), TARGETS, members[some], trains[some], one, how.scaling, "dataset"
        )
        Learning(ensemble, pictures, tiled.table.y.copy(), trains[some], how).run()
        found.append(ensemble.predict(pictures)[:, :, -1])
    assert_close(*found, atol=1e-5, rtol=1e-5)


def test_settings_of_a_training_that_a_larger_model_cannot_have():
    with pytest.raises(RunError, match="leave out --scaling log1p and --loss mse"):
        whole(head(), Training(scaling="log1p"), TARGETS, [SUM])


def test_small_tiles_may_be_the_big_ones():
    config = replace(SMALL, small_grid=(2, 2))
    assert len(tile_views(config, ["identity", "vflip"])) == 16
    boxes = tuple(dict.fromkeys(tiles(config)))
    held = Held(torch.zeros(8, 1, 1, 12, dtype=torch.float16))
    pictures = Pictures(held, ["a"], ("identity",), boxes, np.arange(8).reshape(1, 1, 8), (1, 1, 12))
    heads = CrossPVTHeads(config, 12, ["one"], 5)
    assert heads.arranged(pictures).rows.tolist() == [[[0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]]]


def test_settings_from_texts():
    found = CrossPVTConfig.told(["faithful=true", "dims=16,32,48", "aside=1", "mixing=scan"])
    assert found == CrossPVTConfig(faithful=True, dims=(16, 32, 48), aside=1.0, mixing="scan")
    for text, said in (("mixin=scan", 'Did you mean "mixing"'), ("dims=8", "kind"), ("width=wide", "kind")):
        with pytest.raises(RunError, match=said):
            CrossPVTConfig.told([text])
