import re

import pytest
import torch
from torch.nn.functional import layer_norm, relu
from torch.testing import assert_close

from vitreous.blocks.initial import SharedGaussian
from vitreous.blocks.predictors import ResidualPredictor, TransformerPredictor
from vitreous.blocks.slot_attention import SlotAttention

RENAMED = [
    (r"^block", "blocks."),
    (r"norm1", "norm_attention"),
    (r"norm2", "norm_feed"),
    (r"attn\.", "attention."),
    (r"attention\.out", "attention.to_out"),
    (r"ff1", "feed.0"),
    (r"ff2", "feed.2"),
    (r"norm_inputs", "norm_features"),
    (r"norm_mlp", "mlp.norm"),
    (r"^to_q", "to_query"),
    (r"^to_k", "to_key"),
    (r"^to_v", "to_value"),
]
SLOTS = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
KEEP = torch.tensor([[True, False, True, True], [False, True, True, False]])


def load(module, params):
    """Our names, and query, key and value apart."""
    state = {}
    for name, value in params.items():
        for pattern, mine in RENAMED:
            name = re.sub(pattern, mine, name)
        if "qkv" in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[name.replace("qkv", f"to_{part}")] = rows
        else:
            state[name] = value
    module.load_state_dict(state, strict=True)
    return module


def test_transformer_predictor_equals_videosaurs(golden):
    case = golden("predictor_videosaur_transformer")
    predict = load(TransformerPredictor(16, blocks=2, odd_scale=True), case.under("param."))
    assert_close(predict(case("in.slots")), case("out.slots"), atol=1e-5, rtol=1e-5)


def test_blocks_put_together_are_videosaurs_recurrence(golden):
    case = golden("video_videosaur_scan")
    start = load(SharedGaussian(4, 16), case.under("param.init."))
    group = SlotAttention(12, 16, mlp_dim=0, hidden="normed")
    group = load(group, case.under("param.corrector."))
    predict = load(TransformerPredictor(16, odd_scale=True), case.under("param.predictor."))
    features = case("in.features")
    slots = start(features[:, 0], noise=case("draw.noise"))
    close(slots, case("out.slots_init"))
    for t in range(3):
        slots, attention = group(features[:, t], slots, iterations=2 if t else 3)
        close(slots, case("out.slots")[:, t])
        close(attention[:, -1], case("out.attn")[:, t])
        slots = predict(slots)
        close(slots, case("out.slots_predicted")[:, t])


def test_residual_predictor_carries_the_slots_of_savi_dinosaur(golden):
    case = golden("model_seedproj_video")
    group = SlotAttention(10, 10, iterations=5, mlp_dim=20)
    attention = {n: v for n, v in case.under("param.slot_attention.").items() if not n.startswith("slots_")}
    load(group, attention)
    predict = ResidualPredictor(10)
    names = {"norm_in": "mlp.norm", "fc1": "mlp.fc1", "fc2": "mlp.fc2", "norm_out": "norm"}
    params = case.under("param.predictor.").items()
    predict.load_state_dict({f"{names[n.split('.')[0]]}.{n.split('.')[1]}": v for n, v in params}, strict=True)

    def affine(x, name):
        return x @ case(f"param.project.{name}.weight").mT + case(f"param.project.{name}.bias")

    x = case("in.features").flatten(3).mT  # b t n d
    x = layer_norm(x, (8,), case("param.project.norm.weight"), case("param.project.norm.bias"))
    x = affine(relu(affine(x, "fc1")), "fc2")
    slots = case("param.slot_attention.slots_mu")
    slots = slots + case("draw.noise0") * case("param.slot_attention.slots_log_sigma").exp()
    for t in range(3):
        slots = group(x[:, t], predict(slots) if t else slots).slots
        close(slots, case("out.slots")[:, t])


def close(mine, expected):
    """Tolerance C."""
    assert_close(mine, expected, atol=2e-5, rtol=1e-5)


def test_savis_block_is_normed_after_the_sum():
    torch.manual_seed(0)
    out = TransformerPredictor(8, hidden=16, norm="post")(SLOTS)
    assert_close(out.mean(-1), torch.zeros(2, 4), atol=1e-6, rtol=0)
    assert_close(out.var(-1, correction=0), torch.ones(2, 4), atol=1e-4, rtol=0)


PREDICTORS = {
    "pre": lambda: TransformerPredictor(8, blocks=2),
    "post": lambda: TransformerPredictor(8, norm="post"),
    "odd": lambda: TransformerPredictor(8, odd_scale=True),
    "residual": lambda: ResidualPredictor(8),
}


@pytest.fixture(params=PREDICTORS)
def predict(request):
    torch.manual_seed(0)
    return PREDICTORS[request.param]()


def test_permuting_the_slots_permutes_the_prediction(predict):
    order = torch.tensor([2, 0, 3, 1])
    assert_close(predict(SLOTS[:, order], KEEP[:, order]), predict(SLOTS, KEEP)[:, order], atol=1e-6, rtol=1e-5)


def test_slots_left_out_are_inert(predict):
    there = predict(SLOTS.where(KEEP[..., None], 100.0), KEEP)
    assert_close(there[KEEP], predict(SLOTS, KEEP)[KEEP], atol=1e-6, rtol=1e-5)
    assert_close(predict(SLOTS, torch.ones_like(KEEP)), predict(SLOTS), atol=1e-6, rtol=1e-5)


def test_a_sample_that_keeps_no_slot_stays_finite(predict):
    slots = SLOTS.clone().requires_grad_()
    out = predict(slots, torch.zeros_like(KEEP))
    assert out.isfinite().all()
    assert torch.autograd.grad(out.square().sum(), slots)[0].isfinite().all()


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 10 does not divide into 4 heads"):
        TransformerPredictor(10)
