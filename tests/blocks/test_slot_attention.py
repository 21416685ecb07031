import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.slot_attention import SlotAttention

RENAMED = {"norm_inputs": "norm_features", "to_k": "to_key", "to_q": "to_query", "to_v": "to_value"}
VARIANTS = {  # case -> (settings, what the file calls the attention that enters its loss)
    "sa_dias_allattn": (dict(activation="gelu", eps=1e-5, eps_in="sum"), 0),
    "sa_dias_smask": (dict(activation="gelu", eps=1e-5, eps_in="sum"), -1),
    "sa_oclf": ({}, -1),
    "sa_seedproj": (dict(iterations=5), None),
    "sa_smoothsa_bilevel": (dict(activation="gelu", eps=1e-5, eps_in="sum", truncate="bilevel"), -1),
    "sa_smoothsa_bilevel_single": (
        dict(activation="gelu", eps=1e-5, eps_in="sum", truncate="bilevel", iterations=1),
        -1,
    ),
    "sa_spot_bilevel": (dict(truncate="bilevel"), -1),
    "sa_videosaur_mlp": (dict(hidden="normed"), -1),
    "sa_videosaur_nomlp": (dict(hidden="normed", iterations=2), -1),
}


def from_golden(case, settings):
    params = {}
    for name, value in case.under("param.").items():
        head, _, rest = name.partition(".")
        if head.startswith("slots_"):
            continue
        name = f"mlp.norm.{rest}" if head == "norm_mlp" else f"{RENAMED.get(head, head)}.{rest}"
        params[name] = value
    hidden = params["mlp.fc1.weight"].shape[0] if "mlp.fc1.weight" in params else 0
    d = case("in.features").shape[-1]
    module = SlotAttention(d, case("in.slots_init").shape[-1], mlp_dim=hidden, **settings)
    module.load_state_dict(params, strict=True)
    return module


@pytest.mark.parametrize("name", VARIANTS)
def test_equals_the_reference_forward_and_backward(name, golden):
    case, (settings, which) = golden(name), VARIANTS[name]
    module = from_golden(case, settings)
    x, slots = case("in.features").requires_grad_(), case("in.slots_init").requires_grad_()
    keep = case("in.slot_mask").bool() if name == "sa_dias_smask" else None
    out = module(x, slots, keep=keep)
    assert_close(out.slots, case("out.slots"), atol=1e-5, rtol=1e-5)
    loss = (out.slots * case("in.loss_w_slots")).sum()
    if which is not None:
        attention, weight = out.attention[:, which], case("in.loss_w_attn")
        if name == "sa_spot_bilevel":  # that project keeps patches before slots
            weight = weight.mT
        loss = loss + (attention * weight).sum()
    for key, expected in case.under("out.attn_iter").items():
        assert_close(out.attention[:, int(key) - 1], expected, atol=1e-5, rtol=1e-5)
    if "out.attn" in case.tensors:
        expected = case("out.attn").mT if name == "sa_spot_bilevel" else case("out.attn")
        assert_close(out.attention[:, -1], expected, atol=1e-5, rtol=1e-5)
    assert_close(loss, case("out.loss"), atol=1e-4, rtol=1e-5)
    loss.backward()
    close_gradient(x.grad, case("grad.features"))
    close_gradient(slots.grad, case("grad.slots_init"))
    for key, expected in case.under("grad.param.").items():
        head, _, rest = key.partition(".")
        mine = f"mlp.norm.{rest}" if head == "norm_mlp" else f"{RENAMED.get(head, head)}.{rest}"
        close_gradient(module.get_parameter(mine).grad, expected)


def close_gradient(mine, expected):
    assert_close(mine, expected, atol=1e-5 * max(1.0, expected.abs().max().item()), rtol=1e-4)


def test_masked_slots_win_nothing(golden):
    case = golden("sa_dias_smask")
    keep = case("in.slot_mask").bool()
    out = from_golden(case, VARIANTS["sa_dias_smask"][0])(case("in.features"), case("in.slots_init"), keep=keep)
    assert out.attention.mT[~keep[:, None].expand(-1, 3, -1)[..., None, :].expand_as(out.attention.mT)].abs().max() == 0
    assert_close(out.attention.sum(2), torch.ones(2, 3, 16))


@pytest.mark.parametrize("heads", [1, 4])
def test_permuting_the_initial_slots_permutes_the_result(heads):
    torch.manual_seed(0)
    module = SlotAttention(12, 8, heads=heads)
    x, slots, order = torch.randn(2, 10, 12), torch.randn(2, 5, 8), torch.randperm(5)
    there, here = module(x, slots[:, order]), module(x, slots)
    assert_close(there.slots, here.slots[:, order], atol=1e-5, rtol=1e-4)
    assert_close(there.attention, here.attention[:, :, order], atol=1e-5, rtol=1e-4)


def test_truncation_changes_gradients_not_values():
    x, slots = torch.randn(2, 10, 12), torch.randn(2, 5, 8, requires_grad=True)
    values, gradients = [], []
    for truncate in ("none", "bilevel", "last"):
        torch.manual_seed(0)
        out = SlotAttention(12, 8, truncate=truncate)(x, slots)
        values.append(out.slots.detach())
        gradients.append(torch.autograd.grad(out.slots.square().sum(), slots, allow_unused=True)[0])
    assert_close(values[0], values[1])
    assert_close(values[0], values[2])
    assert gradients[2] is None  # "last" cuts the initial slots off
    assert (gradients[0] - gradients[1]).abs().max() > 1e-3


def test_warm_start_is_soft_k_means_on_normalised_patches():
    torch.manual_seed(0)
    x, slots = torch.randn(2, 30, 8), torch.randn(2, 4, 8)
    out = SlotAttention(8, 8, gru=False, iterations=2).start_as_kmeans()(x, slots)
    unit = torch.nn.functional.layer_norm(x, (8,))
    for _ in range(2):
        centre = torch.nn.functional.layer_norm(slots, (8,))
        share = (centre @ unit.mT / 8**0.5).softmax(1) + 1e-8
        slots = share / share.sum(2, keepdim=True) @ unit
    assert_close(out.slots, slots, atol=1e-6, rtol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="does not divide into 3 heads"):
        SlotAttention(8, 8, heads=3)
    with pytest.raises(ValueError, match="gru=False"):
        SlotAttention(8, 8).start_as_kmeans()
