import pytest
import torch
from torch.nn.functional import conv2d, relu
from torch.testing import assert_close

from vitreous.blocks.broadcast import BroadcastDecoder


def test_equals_the_seed_project(golden):
    case = golden("dec_seedproj_feature")
    decoder = BroadcastDecoder(8, 8, (5, 5), (6, 6), temperature=0.5, clamp=10.0)
    names = {"conv1": "first", "conv2": "rest.0", "conv3": "last"}
    decoder.load_state_dict(renamed(case, names), strict=True)
    out = decoder(case("in.slots"))
    assert_close(out.features, case("out.recon").flatten(2).mT, atol=1e-5, rtol=1e-5)
    assert_close(out.masks, case("out.masks").flatten(2), atol=1e-5, rtol=1e-5)


def test_equals_videosaur(golden):
    case = golden("dec_videosaur_spatial_broadcast")
    decoder = BroadcastDecoder(8, 5, (4, 4), (8, 6), (5, 5, 1), strides=(2, 1), position="added")
    state = renamed(case, {"deconv1": "first", "deconv2": "rest.0", "output": "last", "pos_proj": "position"})
    state["position.weight"] = state["position.weight"].flatten(1)
    # a transposed convolution of stride 1 is a convolution with the kernel turned around
    state["rest.0.weight"] = state["rest.0.weight"].transpose(0, 1).flip(2, 3)
    decoder.load_state_dict(state, strict=True)
    assert_close(decoder.places, case("in.grid"))
    out = decoder(case("in.slots"))
    assert_close(out.features, case("out.recon").flatten(2).mT, atol=1e-5, rtol=1e-5)
    assert_close(out.masks, case("out.masks").flatten(2), atol=1e-5, rtol=1e-5)


def renamed(case, names):
    return {f"{names[n.split('.')[0]]}.{n.split('.')[1]}": value for n, value in case.under("param.").items()}


def written_out(decoder, slots, keep):
    """The plain form: every layer, for every slot, on the whole grid."""
    b, k = slots.shape[:2]
    x = slots.flatten(0, 1)[:, :, None, None].expand(-1, -1, *decoder.grid)
    x = torch.cat([x, decoder.places.expand(b * k, -1, -1, -1)], dim=1)
    for layer in (decoder.first, *decoder.rest):
        x = relu(layer(x))
    x = conv2d(x, decoder.last.weight, decoder.last.bias, padding=decoder.last.padding).unflatten(0, (b, k))
    logits = (x[:, :, -1] / decoder.temperature).clamp(-decoder.clamp, decoder.clamp)
    masks = logits.masked_fill(~keep[..., None, None], -torch.inf).softmax(1)
    return (masks[:, :, None] * x[:, :, :-1]).sum(1).flatten(2).mT, masks.flatten(2)


@pytest.mark.parametrize("grid", [(9, 6), (2, 7), (3, 3), (1, 1)])
@pytest.mark.parametrize("kernels", [(5, 5, 3), (3, 1, 5)])
@pytest.mark.parametrize("dim", [4, 12])
def test_savings_change_neither_numbers_nor_gradients(grid, kernels, dim):
    torch.manual_seed(0)
    decoder = BroadcastDecoder(7, dim, grid, (8, 6), kernels, temperature=0.5, clamp=10.0)
    slots, keep = torch.randn(2, 5, 7, requires_grad=True), torch.ones(2, 5, dtype=torch.bool)
    keep[0, 2:] = keep[1, 0] = False
    weight, inputs = torch.randn(2, grid[0] * grid[1], dim), [slots, *decoder.parameters()]
    mine, plain = decoder(slots, keep), written_out(decoder, slots, keep)
    assert_close(tuple(mine), plain, atol=1e-5, rtol=1e-5)
    found, expected = (torch.autograd.grad((out[0] * weight).sum(), inputs) for out in (mine, plain))
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b, atol=1e-5 * max(1, b.abs().max().item()), rtol=1e-4)
    everyone = torch.ones_like(keep)
    assert_close(tuple(decoder(slots)), written_out(decoder, slots, everyone), atol=1e-5, rtol=1e-5)


def test_slots_left_out_paint_nothing_and_masks_sum_to_one():
    torch.manual_seed(0)
    decoder, keep = BroadcastDecoder(4, 3, (6, 6), (8,), (3, 3)), torch.tensor([[True, False, True]])
    out = decoder(torch.randn(1, 3, 4), keep)
    assert out.masks[0, 1].abs().max() == 0
    assert_close(out.masks.sum(1), torch.ones(1, 36))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="2 hidden layers need 3 kernels, not 2"):
        BroadcastDecoder(4, 3, (6, 6), (8, 8), (3, 3))
    with pytest.raises(ValueError, match="odd sides"):
        BroadcastDecoder(4, 3, (6, 6), (8,), (4, 3))
