import pytest
import torch
from torch.nn.functional import conv2d, layer_norm, linear, relu
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods.slot_attention import SlotAttentionAutoEncoder, SlotAttentionConfig
from vitreous.types import Batch

SMALL = dict(slots=3, slot_dim=8, resolution=24, encoder_width=6, decoder_width=6, mlp_dim=10, iterations=1)


def tiny(**settings):
    torch.manual_seed(0)
    return SlotAttentionAutoEncoder(SlotAttentionConfig(**SMALL | settings), 5, (6, 8))


def batch(frames=1):
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(2, frames, 6, 8, 5, generator=draw)
    return Batch(features, (), torch.rand(2, frames, 3, 24, 32, generator=draw))


def test_a_picture_goes_through_as_the_paper_says():
    """The equations once more, slot by slot."""
    method, seen = tiny(), batch()
    state = {name: p.detach() for name, p in method.named_parameters()}
    torch.manual_seed(1)
    out = method(seen)
    torch.manual_seed(1)
    slots = state["group.start.mean"] + torch.randn(2, 3, 8) * state["group.start.log_std"].exp()

    def norm(x, name):
        return layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def dense(x, name):
        return linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def places(shape):
        return torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape), indexing="ij"), dim=-1)

    x = 2 * seen.pictures[:, 0] - 1
    for i in (0, 2, 4, 6):
        name = f"group.project.convolve.{i}"
        x = relu(conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=2))
    x = x.movedim(1, -1) + dense(places((24, 32)), "group.project.place.project")
    x = dense(relu(dense(norm(x.flatten(1, 2), "group.project.mlp.0"), "group.project.mlp.1")), "group.project.mlp.3")

    x = norm(x, "group.attend.norm_features")
    key, value = dense(x, "group.attend.to_key"), dense(x, "group.attend.to_value")
    query = dense(norm(slots, "group.attend.norm_slots"), "group.attend.to_query")
    share = torch.einsum("bks,bns->bkn", query, key).div(8**0.5).softmax(1)
    weight = (share + 1e-8) / (share + 1e-8).sum(2, keepdim=True)
    gru = method.group.attend.gru
    slots = torch.stack([gru(weight[i] @ value[i], slots[i]) for i in range(2)])
    slots = slots + dense(
        relu(dense(norm(slots, "group.attend.mlp.norm"), "group.attend.mlp.fc1")), "group.attend.mlp.fc2"
    )
    assert_close(out.slots[:, 0], slots, atol=1e-5, rtol=1e-5)
    assert_close(out.attention[:, 0, 0].flatten(2), share, atol=1e-5, rtol=1e-5)

    grid = slots.flatten(0, 1)[:, None, None] + dense(places((12, 16)), "decode.position")
    grid = relu(method.decode.first(grid.movedim(-1, 1)))
    grid = relu(method.decode.rest[0](grid))
    painted = method.decode.last(grid).unflatten(0, (2, 3))
    masks = painted[:, :, 3].softmax(1)
    assert_close(out.masks[:, 0], masks, atol=1e-5, rtol=1e-5)
    picture = (masks[:, :, None] * painted[:, :, :3]).sum(1)
    assert_close(out.aside["pictures"][:, 0], picture, atol=1e-5, rtol=1e-5)
    assert_close(method.loss(out, seen)["rebuild"], (picture - seen.pictures[:, 0]).square().mean())


def test_features_are_not_looked_at():
    method, seen = tiny(), batch(frames=2)
    torch.manual_seed(1)
    out = method(seen)
    torch.manual_seed(1)
    again = method(Batch(torch.zeros_like(seen.features), (), seen.pictures))
    assert_close(out.masks, again.masks, atol=0, rtol=0)
    assert out.rebuilt.isnan().all()
    assert out.rebuilt.shape == seen.features.shape


def test_the_papers_layers_at_its_resolution():
    method = SlotAttentionAutoEncoder(SlotAttentionConfig(7, 64, 3, 128, 64, 64), 5, (16, 16))
    strides = [layer.stride[0] for layer in (method.decode.first, *method.decode.rest)]
    assert method.decode.grid == (8, 8)
    assert strides == [2, 2, 2, 2, 1]
    assert method.group.project.grid == (128, 128)


def test_pictures_that_are_missing_are_asked_for():
    with pytest.raises(RunError, match="holds no pictures"):
        tiny()(Batch(torch.randn(1, 1, 6, 8, 5)))
