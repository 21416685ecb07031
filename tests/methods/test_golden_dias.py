"""One training step of DIAS' release, from features to gradients."""

from functools import partial

from torch import nn
from torch.testing import assert_close

from vitreous.methods.dias import DIAS, DIASConfig
from vitreous.types import Batch

RELEASE = dict(start="gaussian", decoder="random", masks="decoder", centre=False, same=0.0, double_softmax=True)
HEADS = {  # what the file calls a part -> what we call it
    "project.norm": "project.0",
    "project.fc1": "project.1",
    "project.fc2": "project.3",
    "init": "start",
    "aggregator.norm_inputs": "attend.norm_features",
    "aggregator.norm_slots": "attend.norm_slots",
    "aggregator.norm_mlp": "attend.mlp.norm",
    "aggregator.to_q": "attend.to_query",
    "aggregator.to_k": "attend.to_key",
    "aggregator.to_v": "attend.to_value",
    "aggregator.gru": "attend.gru",
    "aggregator.mlp": "attend.mlp",
}
IN_THE_DECODER = {
    "in_proj.linear": "project_features.0",
    "in_proj.norm": "project_features.1",
    "slot_proj.linear": "project_slots.0",
    "slot_proj.norm": "project_slots.1",
    "norm0": "transformer.norm_in",
    "block": "transformer.blocks.",
    "norm_cross": "norm_slots",
    "norm_ff": "norm_feed",
    "self_attn.out_proj": "attend.to_out",
    "cross_attn.out_proj": "to_slots.to_out",
    "self_attn": "attend",
    "cross_attn": "to_slots",
    "ff1": "feed.0",
    "ff2": "feed.2",
    "pos_embed": "position",
}


def ours(name):
    """Our name of a parameter."""
    if name.startswith("decoder."):
        for theirs, mine in IN_THE_DECODER.items():
            name = name.replace(theirs, mine, 1)
        return "decode." + name.removeprefix("decoder.")
    head = next(head for head in HEADS if name.startswith(head + "."))
    return "group." + HEADS[head] + name.removeprefix(head)


def state_of(case):
    state = {}
    for name, value in case.under("param.").items():
        mine = ours(name)
        if mine.endswith("in_proj_weight"):  # query, key and value in one
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[mine.replace("in_proj_weight", f"to_{part}.weight")] = rows
        else:
            state[mine] = value
    return state


def test_a_training_step_equals_the_release_forward_and_backward(golden):
    case = golden("model_dias_train_step")
    config, features = case.config, case("in.features").movedim(1, -1)[:, None]
    _b, _, h, w, d = features.shape
    k, s = case("draw.noise").shape[1:]
    about = dict(iterations=config["iters"], later=config["iters"], distill=config["distill_weight"])
    layers = dict(decoder_layers=config["layers"], decoder_heads=config["heads"])
    method = DIAS(DIASConfig(slots=k, slot_dim=s, **RELEASE, **about, **layers), d, (h, w))
    attend, blocks = method.group.attend, method.decode.transformer.blocks
    attend.mlp.fc1, attend.mlp.fc2 = nn.Linear(s, 2 * s), nn.Linear(2 * s, s)  # narrower than the release's own 4·s
    for block in blocks:
        block.feed[0], block.feed[2] = nn.Linear(d, 2 * d, bias=False), nn.Linear(2 * d, d, bias=False)
    method.load_state_dict(state_of(case), strict=True)
    method.group.start.forward = partial(method.group.start.forward, noise=case("draw.noise"))
    drawn = dict(order=case("draw.permutation"), seen=case("draw.keep")[:, 0])
    method.decode.forward = partial(method.decode.forward, **drawn)
    out = method.train()(Batch(features))

    close = partial(assert_close, atol=2e-5, rtol=1e-5)
    close(out.slots[:, 0], case("out.slots"))
    close(out.rebuilt[:, 0].movedim(-1, 1), case("out.recon"))
    close(out.masks[:, 0], case("out.attn_decoder"))
    for i in range(config["iters"]):
        close(out.attention[:, 0, i], case(f"out.attn_iter{i + 1}"))
    terms = method.loss(out, Batch(features))
    close(terms["rebuild"], case("out.loss_recon"))
    close(terms["distill"], config["distill_weight"] * case("out.loss_distill"))
    loss = sum(terms.values())
    close(loss, case("out.loss"))
    loss.backward()
    assert len(case.under("grad.param.")) > 20
    for name, expected in case.under("grad.param.").items():
        most = max(1.0, expected.abs().max().item())
        assert_close(method.get_parameter(ours(name)).grad, expected, atol=1e-5 * most, rtol=1e-3, msg=name)
