import re

import pytest
import torch
from torch.nn.functional import relu
from torch.testing import assert_close

from vitreous.blocks.decoders import AutoregressiveDecoder, PatchMLP, RandomOrderDecoder, SlotMixer, patch_orders
from vitreous.blocks.transformers import TransformerDecoder

RENAMED = [
    (r"^block0\.norm_self|^norm0", "transformer.norm_in"),  # plain blocks are renamed back in `transformer_state`
    (r"^block(\d)", r"transformer.blocks.\1"),
    (r"^norm_out", "transformer.norm_out"),
    (r"^in_proj\.linear", "project_features.0"),
    (r"^in_proj\.norm", "project_features.1"),
    (r"^(slot_proj|cond)\.linear", "project_slots.0"),
    (r"^(slot_proj|cond)\.norm", "project_slots.1"),
    (r"^bos", "begin"),
    (r"^pos_embed", "position"),
    (r"^readout", "output"),
    (r"self_attn", "attend"),
    (r"cross_attn", "to_slots"),
    (r"norm_cross", "norm_slots"),
    (r"norm_ff", "norm_feed"),
    (r"ff1", "feed.0"),
    (r"ff2", "feed.2"),
    (r"to_o\.|out_proj|attn\.out", "to_out."),
    (r"to_q\.", "to_query."),
    (r"to_k\.", "to_key."),
    (r"to_v\.", "to_value."),
]
DIAS = dict(activation="gelu", enter="normed", bias=False, attention_bias=False)  # and its relatives
SPOT = dict(enter="normed", final_norm=True, attention_bias=False)


def renamed(case, renames):
    """The parameters of a case by our names, with query, key and value apart."""
    state = {}
    for name, value in case.under("param.").items():
        for pattern, mine in renames:
            name = re.sub(pattern, mine, name)
        if stacked := re.search(r"in_proj_|qkv\.", name):
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[name.replace(stacked[0], f"to_{part}.")] = rows
        else:
            state[name.replace("..", ".")] = value
    return state


def transformer_of(case, **how):
    """A transformer of the size of a case."""
    config = case.config
    width = case("param.block0.norm_cross.weight").shape[0]
    return TransformerDecoder(
        width,
        layers=config.get("layers", config.get("blocks")),
        heads=config["heads"],
        hidden=case("param.block0.ff1.weight").shape[0],
        slot_heads=config.get("cross_heads"),
        **how,
    )


def load(decoder, case):
    state = renamed(case, RENAMED)
    if isinstance(decoder.transformer.norm_in, torch.nn.Identity):  # the first block has its own norm
        state = {n.replace("transformer.norm_in", "transformer.blocks.0.norm_self"): v for n, v in state.items()}
    if "begin" in state:
        state["begin"] = state["begin"].flatten(0, -3)
    decoder.load_state_dict(state, strict=True)
    return decoder


def close(mine, expected):
    """Tolerance A."""
    assert_close(mine, expected, atol=1e-5, rtol=1e-5)


def close_gradient(mine, expected):
    """Tolerance B."""
    assert_close(mine, expected, atol=1e-5 * max(1.0, expected.abs().max().item()), rtol=1e-4)


# The patch MLP


def patch_mlp(case, **how):
    layers = sorted({n.split(".")[0] for n in case.under("param.mlp.")})
    sizes = [case(f"param.mlp.{n}.weight").shape[0] for n in layers]
    position = case("param.pos_embed").flatten(0, -3)
    if "param.in_proj.weight" in case.tensors:
        how["project"] = position.shape[-1]
    decoder = PatchMLP(case("in.slots").shape[-1], sizes[-1] - 1, position.shape[1], sizes[:-1], **how)
    state = {"position": position}
    state |= {f"project.{part}": value for part, value in case.under("param.in_proj.").items()}
    for i, n in enumerate(layers):
        mine = "first" if i == 0 else f"rest.{i - 1}"
        state |= {f"{mine}.{part}": case(f"param.mlp.{n}.{part}") for part in ("weight", "bias")}
    decoder.load_state_dict(state, strict=True)
    return decoder


@pytest.mark.parametrize(
    "name", ["dec_oclf_patch_mlp", "dec_oclf_patch_mlp_video_proj", "dec_spot_mlp", "dec_videosaur_mlp"]
)
def test_patch_mlp_equals_the_reference(name, golden):
    case = golden(name)
    out = patch_mlp(case)(case("in.slots").flatten(0, -3))
    close(out.features.view_as(case("out.recon")), case("out.recon"))
    close(out.masks.view_as(case("out.masks")), case("out.masks"))


def test_patch_mlp_with_gelu_and_slots_left_out_equals_the_reference(golden):
    case = golden("dec_randsfq_broadcast_mlp_smask")
    keep = case("in.slot_mask").bool()
    out = patch_mlp(case, activation="gelu")(case("in.slots"), keep)
    close(out.features, case("out.recon"))
    close(out.masks, case("out.masks"))
    assert out.masks[~keep].abs().max() == 0


def test_patch_mlp_paints_every_slot_everywhere_and_mixes_the_features():
    torch.manual_seed(0)
    decoder, slots = PatchMLP(6, 5, 9, (8, 7)), torch.randn(2, 3, 6, requires_grad=True)
    x = slots[:, :, None] + decoder.position[:, None]  # as printed in the paper: k·n rows through every layer
    for layer in (decoder.first, *decoder.rest[:-1]):
        x = relu(layer(x))
    x = decoder.rest[-1](x)
    masks = x[..., -1].softmax(1)
    features = (masks[..., None] * x[..., :-1]).sum(1)
    out = decoder(slots)
    close(out.features, features)
    close(out.masks, masks)
    leaves = [slots, *decoder.parameters()]
    expected = torch.autograd.grad((features.square().sum() + masks[:, 0].sum()), leaves)
    mine = torch.autograd.grad((out.features.square().sum() + out.masks[:, 0].sum()), leaves)
    for a, b in zip(mine, expected, strict=True):
        close_gradient(a, b)


# The slot mixer


def test_slot_mixer_equals_the_reference(golden):
    case = golden("dec_videosaur_slotmixer")
    renames = [
        (r"^allocator\.block", "allocate."),
        (r"norm1", "norm_attention"),
        (r"norm2", "norm_feed"),
        (r"attn\.", "attention."),
        (r"attention\.out", "attention.to_out"),
        (r"ff1", "feed.0"),
        (r"ff2", "feed.2"),
        (r"^to_q", "to_query"),
        (r"^to_k", "to_key"),
        (r"^norm_q", "norm_query"),
        (r"^norm_k", "norm_key"),
        (r"^pos_embed", "position"),
        (r"^renderer\.fc1", "render.0"),
        (r"^renderer\.fc2", "render.1"),
        (r"^renderer\.fc3", "render.2"),
    ]
    decoder = SlotMixer(16, 12, 16, (24, 24, 24), blocks=2, heads=4, odd_scale=True)
    decoder.load_state_dict(renamed(case, renames), strict=True)
    out = decoder(case("in.slots"))
    close(out.features, case("out.recon"))
    close(out.masks, case("out.masks"))


# The autoregressive decoder


def test_autoregressive_decoder_equals_dinosaurs(golden):
    case = golden("dec_oclf_autoregressive")
    decoder = load(AutoregressiveDecoder(12, transformer_of(case), (4, 4)), case)
    out = decoder(case("in.slots"), case("in.target"))
    close(out.features, case("out.recon"))
    close(out.masks, case("out.attn"))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("dec_spot_autoregressive_order5", SPOT),
        ("dec_spot_autoregressive_all", SPOT),
        ("dec_smoothsa_ar9_spiral", DIAS),
        ("dec_smoothsa_ar9_all", DIAS),
    ],
)
def test_autoregressive_decoder_in_nine_orders_equals_the_references(name, how, golden):
    case = golden(name)
    slots, grid = case("in.slots"), tuple(case.config.get("grid", (4, 4)))
    decoder = load(AutoregressiveDecoder(slots.shape[-1], transformer_of(case, **how), grid, orders=9), case)
    assert_close(decoder.orders, case("out.permutations"))
    order = "all" if case.config["order"] is None else case.config["order"]
    out = decoder(slots, case("in.target"), order=order)
    close(out.features, case("out.recon"))
    close(out.masks if "smoothsa" in name else out.masks.mT, case("out.attn"))  # SPOT keeps patches before slots


def test_autoregressive_decoder_over_codes_equals_slates(golden):
    case = golden("dec_vvo_slate_ar")
    transformer = transformer_of(case, **DIAS | dict(activation="relu"))
    decoder = AutoregressiveDecoder(12, transformer, (4, 4), project=False, position=True, outputs=14)
    out = load(decoder, case)(case("in.slots"), case("in.target"))
    close(out.features, case("out.logits"))


@pytest.mark.parametrize("order", range(9))
def test_autoregressive_decoder_knows_of_a_patch_only_what_came_before(order):
    torch.manual_seed(0)
    decoder = AutoregressiveDecoder(6, TransformerDecoder(8, layers=2, heads=2), (3, 4), orders=9, position=True)
    slots, target = torch.randn(1, 3, 6), torch.randn(1, 12, 8)
    way, before = patch_orders(3, 4)[order], decoder(slots, target, order=order)
    target[:, way[5]] += 1.0
    after = decoder(slots, target, order=order)
    changed = (after.features - before.features).abs().amax((0, 2))[way] > 1e-6
    assert changed.tolist() == [False] * 6 + [True] * 6


@pytest.mark.parametrize("order", range(9))
def test_another_order_is_row_by_row_over_patches_that_were_moved(order):
    torch.manual_seed(0)
    how = dict(slot_dim=6, transformer=TransformerDecoder(8, layers=2, heads=2), grid=(3, 4), position=True)
    decoder, moved, way = (
        AutoregressiveDecoder(**how, orders=9),
        AutoregressiveDecoder(**how),
        patch_orders(3, 4)[order],
    )
    own = dict(begin=decoder.begin[[order]], position=decoder.position[:, way])  # positions belong to patches
    moved.load_state_dict(decoder.state_dict() | own)
    slots, target = torch.randn(2, 3, 6), torch.randn(2, 12, 8)
    here, there = decoder(slots, target, order=order), moved(slots, target[:, way])
    close(here.features[:, way], there.features)
    close(here.masks[..., way], there.masks)


def test_autoregressive_decoder_draws_an_order_in_training_and_goes_row_by_row_at_test():
    torch.manual_seed(0)
    decoder = AutoregressiveDecoder(6, TransformerDecoder(8, layers=1, heads=2), (3, 4), orders=9)
    slots, target = torch.randn(1, 3, 6), torch.randn(1, 12, 8)
    each = torch.stack([decoder(slots, target, order=i).features for i in range(9)])
    drawn = [decoder(slots, target).features for _ in range(100)]
    assert {int((each - x).abs().amax((1, 2, 3)).argmin()) for x in drawn} == set(range(9))
    assert_close(decoder.eval()(slots, target).features, each[0])


def test_the_nine_orders_of_three_by_three_patches():
    assert patch_orders(3, 3).tolist() == [
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
        [0, 3, 6, 1, 4, 7, 2, 5, 8],
        [2, 5, 8, 1, 4, 7, 0, 3, 6],
        [2, 1, 0, 5, 4, 3, 8, 7, 6],
        [8, 5, 2, 7, 4, 1, 6, 3, 0],
        [8, 7, 6, 5, 4, 3, 2, 1, 0],
        [6, 3, 0, 7, 4, 1, 8, 5, 2],
        [6, 7, 8, 3, 4, 5, 0, 1, 2],
        [4, 1, 0, 3, 6, 7, 8, 5, 2],
    ]


@pytest.mark.parametrize("grid", [(1, 1), (1, 5), (5, 1), (2, 7), (6, 4)])
def test_every_order_visits_every_patch_once(grid):
    orders = patch_orders(*grid)
    assert (orders.sort(1).values == torch.arange(grid[0] * grid[1])).all()


# The random-order decoder


@pytest.mark.parametrize("name", ["dec_dias_arrand_train", "dec_dias_arrand_eval", "dec_dias_arrand_eval_smask"])
def test_random_order_decoder_equals_dias_forward_and_backward(name, golden):
    case = golden(name)
    slots, target = case("in.slots").requires_grad_(), case("in.target").requires_grad_()
    decoder = load(RandomOrderDecoder(slots.shape[-1], transformer_of(case, **DIAS), target.shape[1]), case)
    draws = {}
    if case.config["train"]:
        draws = dict(order=case("draw.permutation"), seen=case("draw.keep")[:, 0])
    keep = case("in.slot_mask").bool() if "in.slot_mask" in case.tensors else None
    out = decoder.train(case.config["train"])(slots, target, keep=keep, **draws)
    close(out.features, case("out.recon"))
    close(out.masks, case("out.attn"))
    loss = (out.features * case("in.loss_w_recon")).sum() + (out.masks * case("in.loss_w_attn")).sum()
    assert_close(loss, case("out.loss"), atol=1e-4, rtol=1e-5)
    loss.backward()
    close_gradient(slots.grad, case("grad.slots"))
    close_gradient(target.grad, case("grad.target"))


def random_order(patches=36, **how):
    torch.manual_seed(0)
    return RandomOrderDecoder(6, TransformerDecoder(8, layers=1, heads=2, **DIAS), patches, **how)


def test_random_order_decoder_sees_what_it_was_told_and_nothing_else():
    decoder, slots = random_order(), torch.randn(2, 3, 6)
    target = torch.randn(2, 36, 8, requires_grad=True)
    order = torch.stack([torch.randperm(36), torch.randperm(36)])
    out = decoder(slots, target, order=order, seen=torch.tensor([5, 0]))
    seen = torch.autograd.grad(out.features.square().sum(), target)[0].abs().sum(2) > 0
    assert seen[0].nonzero()[:, 0].tolist() == order[0, :5].sort().values.tolist()
    assert not seen[1].any()


def test_random_order_decoder_draws_in_training_only():
    decoder, slots, target = random_order(), torch.randn(2, 3, 6), torch.randn(2, 36, 8)
    assert (decoder(slots, target).features - decoder(slots, target).features).abs().max() > 1e-3
    decoder.eval()
    assert_close(decoder(slots, target), decoder(slots, target), atol=0, rtol=0)


def test_how_many_patches_are_seen():
    x = torch.zeros(4000, 36, 8)
    assert random_order(256).seen == 24  # the release's constant, at its grid
    assert random_order(p=0.0).draw(x).unique().tolist() == [24 * 36 // 256]
    assert random_order(p=1.0).draw(x).unique().tolist() == list(range(35))
    assert (random_order(p=0.5).draw(x) == 3).float().mean().item() == pytest.approx(0.5 + 0.5 / 35, abs=0.03)
    assert random_order(1)(torch.randn(2, 3, 6), torch.randn(2, 1, 8)).masks.shape == (2, 3, 1)


# What every decoder owes us


def on_target(decoder):
    return lambda slots, keep=None: decoder(slots, TARGET, keep=keep)


TARGET = torch.randn(2, 12, 8, generator=torch.Generator().manual_seed(1))
DECODERS = {
    "mlp": lambda: PatchMLP(6, 8, 12, (16, 16)),
    "mixer": lambda: SlotMixer(6, 8, 12, (16, 16), heads=2),
    "autoregressive": lambda: on_target(AutoregressiveDecoder(6, TransformerDecoder(8, heads=2), (3, 4))),
    "random": lambda: on_target(RandomOrderDecoder(6, TransformerDecoder(8, heads=2), 12).eval()),
}


@pytest.fixture(params=DECODERS)
def decoder(request):
    torch.manual_seed(0)
    return DECODERS[request.param]()


SLOTS = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
KEEP = torch.tensor([[True, False, True, True], [False, True, True, False]])


@pytest.mark.parametrize("keep", [None, KEEP])
def test_masks_divide_every_patch(decoder, keep):
    out = decoder(SLOTS, keep)
    assert out.features.shape == (2, 12, 8)
    assert out.masks.min() >= 0
    assert_close(out.masks.sum(1), torch.ones(2, 12))


def test_slots_left_out_are_inert(decoder):
    with_one, with_another = decoder(SLOTS, KEEP), decoder(SLOTS.where(KEEP[..., None], 100.0), KEEP)
    close(with_one.features, with_another.features)
    close(with_one.masks, with_another.masks)
    assert with_one.masks[~KEEP].abs().max() == 0
    alone = decoder(SLOTS[:, 1:3], torch.ones(2, 2, dtype=torch.bool))
    same = decoder(SLOTS, torch.tensor([[False, True, True, False]] * 2))
    close(same.features, alone.features)
    close(same.masks[:, 1:3], alone.masks)


def test_keeping_all_slots_is_leaving_out_none(decoder):
    close(decoder(SLOTS, torch.ones(2, 4, dtype=torch.bool)).features, decoder(SLOTS).features)


def test_a_sample_that_keeps_no_slot_stays_finite(decoder):
    slots = SLOTS.clone().requires_grad_()
    out = decoder(slots, torch.tensor([[False] * 4, [True] * 4]))
    assert_close(out.masks.sum(1), torch.ones(2, 12))
    close(out.features[1], decoder(SLOTS).features[1])
    assert torch.autograd.grad(out.features.sum(), slots)[0].isfinite().all()


def test_permuting_the_slots_permutes_the_masks_and_keeps_the_features(decoder):
    order = torch.tensor([2, 0, 3, 1])
    here, there = decoder(SLOTS, KEEP), decoder(SLOTS[:, order], KEEP[:, order])
    close(there.features, here.features)
    close(there.masks, here.masks[:, order])


def test_what_cannot_be_is_refused():
    transformer = TransformerDecoder(8, heads=2)
    with pytest.raises(ValueError, match="patch MLP needs at least one hidden layer"):
        PatchMLP(4, 4, 4, ())
    with pytest.raises(ValueError, match="slot mixer needs at least one hidden layer"):
        SlotMixer(4, 4, 4, ())
    with pytest.raises(ValueError, match="orders is 1 to 9, not 10"):
        AutoregressiveDecoder(6, transformer, (3, 4), orders=10)
    with pytest.raises(ValueError, match="slots \\(6 wide\\) must be as wide as the transformer \\(8\\)"):
        AutoregressiveDecoder(6, transformer, (3, 4), project=False)
    decoder = AutoregressiveDecoder(6, transformer, (3, 4))
    with pytest.raises(ValueError, match="no order 1: this decoder has 1"):
        decoder(SLOTS, TARGET, order=1)
    with pytest.raises(ValueError, match="the target has 11 patches, the decoder's grid has 12"):
        decoder(SLOTS, TARGET[:, :11])
    with pytest.raises(ValueError, match="p is a probability, not 2.0"):
        RandomOrderDecoder(6, transformer, 12, p=2.0)
