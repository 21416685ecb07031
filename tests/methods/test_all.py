"""What every paper owes us; a new name in METHODS is tested by being there."""

import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods import METHODS, method_class
from vitreous.types import Batch

MLP = dict(decoder="mlp", decoder_width=32, decoder_layers=2)
PIXELS = dict(resolution=24, encoder_width=8, decoder_width=8)
WORDS = dict(resolution=24, codes=8, decoder_width=32, decoder_layers=1)
DIFFUSION = dict(resolution=24, codes=16, coder_width=8, width=8, levels=2, until=1.0)
PAINT = dict(decoder_width=32, decoder_layers=2)
LAYERS = dict(decoder_layers=2, decoder_heads=2)
ROLLOUT = dict(rollout_dim=16, rollout_layers=1, rollout_heads=2)
SMALL = {
    "dias": [
        {},
        MLP | dict(again="restart"),
        LAYERS | dict(start="gaussian", masks="decoder", again="none", hand_on="transformer"),
    ],
    "dinosaur": [{}, MLP, MLP | dict(codes=16, code_dim=16, until=1.0), MLP | dict(start="gaussian", masks="decoder")],
    "randsfq": [
        LAYERS,
        LAYERS | dict(start="gaussian", masks="decoder", centre=False),
        LAYERS | dict(start="boxes", masks="decoder"),
    ],
    "savi": [PIXELS, PIXELS | dict(start="boxes", stride=2), PIXELS | dict(start="ids", spare="background")],
    "savi_dinosaur": [{}, dict(decoder="broadcast", decoder_width=16)],
    "slate": [
        WORDS,
        WORDS | dict(look="words", start="gaussian"),
        WORDS | dict(words="features", code_dim=8, until=1.0),
    ],
    "slot_attention": [PIXELS | dict(mlp_dim=16)],
    "slotcontrast": [PAINT, PAINT | dict(start="learned", masks="decoder", hidden="normed", odd_scale=True)],
    "slotdiffusion": [DIFFUSION, DIFFUSION | dict(start="learned", latents="features", latent_dim=4)],
    "slotformer": [PAINT | ROLLOUT, PAINT | ROLLOUT | dict(start="learned", masks="decoder")],
    "smoothsa": [
        LAYERS,
        LAYERS | dict(start="gaussian", masks="decoder", centre=False),
        LAYERS | dict(start="boxes", masks="decoder"),
    ],
    "spot": [LAYERS, LAYERS | dict(start="learned", masks="decoder", orders="all", centre=False)],
    "steve": [
        WORDS,
        WORDS | dict(look="pictures", start="gaussian", encoder_width=8),
        WORDS | dict(words="features", code_dim=8, until=1.0, start="boxes"),
    ],
    "videosaur": [
        PAINT,
        PAINT | dict(start="gaussian", masks="decoder", hidden="normed", odd_scale=True, similarity_of="keys"),
    ],
}
CASES = [pytest.param((name, case), id=f"{name}-{i}") for name in METHODS for i, case in enumerate(SMALL[name])]


def tiny(case):
    torch.manual_seed(0)
    name, settings = case
    if name == "slotdiffusion":
        pytest.importorskip("diffusers")
    kind = method_class(name)
    return kind(kind.Config(**(dict(slots=3, slot_dim=16) | settings)), 12, (6, 8))


def two_blobs(frames=1):
    """A floor and two objects with a feature direction each, a little noise: [4 t 6 8 12]. In the pictures, four pixels
    to a patch, each has a colour.
    """
    draw = torch.Generator().manual_seed(0)
    labels = torch.zeros(4, frames, 6, 8, dtype=torch.long)
    labels[:, :, 1:4, 1:3], labels[:, :, 2:5, 5:8] = 1, 2
    directions = torch.randn(4, 3, 12, generator=draw)
    x = torch.stack([d[v] for d, v in zip(directions, labels, strict=True)])
    x = x + 0.05 * torch.randn(x.shape, generator=draw)
    ids = labels.repeat_interleave(4, 2).repeat_interleave(4, 3)
    pictures = torch.rand(4, 3, 3, generator=draw)[torch.arange(4)[:, None, None, None], ids].movedim(-1, 2)
    return Batch(x, (), pictures, ids[:, 0]), labels


def fit(method, batch, steps):
    optimiser = torch.optim.Adam(method.parameters(), 3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        sum(method.loss(method(batch), batch).values()).backward()
        optimiser.step()
    with torch.no_grad():
        return sum(method.loss(method(batch), batch).values()).item()


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_shapes_and_masks_that_divide_every_patch(case, frames):
    batch, _ = two_blobs(frames)
    method = tiny(case)
    out = method(batch)
    assert out.slots.shape == (4, frames, 3, 16)
    assert out.rebuilt.shape == batch.features.shape
    assert out.masks.min() >= 0
    assert out.masks.shape[:3] == (4, frames, 3)
    assert_close(out.masks.sum(dim=2), torch.ones_like(out.masks[:, :, 0]))


@pytest.mark.parametrize("case", CASES)
def test_learns_two_blobs(case):
    batch, _ = two_blobs()
    assert fit(tiny(case), batch, steps=100) < 0.5 * fit(tiny(case), batch, steps=0)


@pytest.mark.parametrize("case", CASES)
def test_gradients_reach_every_parameter_and_no_feature(case):
    batch, _ = two_blobs(3)  # what leads from frame to frame is silent on stills
    method = tiny(case)
    fit(method, batch, steps=2)  # a zero-started layer hides what stands before it from the first gradient
    method.zero_grad()
    sum(method.loss(method(batch), batch).values()).backward()
    silent = [n for n, p in method.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert not silent
    assert not batch.features.requires_grad


@pytest.mark.parametrize("case", CASES)
def test_training_leaves_the_frozen_features_as_they_are(case):
    batch, _ = two_blobs()
    before = batch.features.clone()
    fit(tiny(case), batch, steps=2)
    assert_close(batch.features, before, atol=0, rtol=0)
    assert batch.features.grad_fn is None


ORDER = torch.tensor([2, 0, 1])


def reordered(start, inputs, begun):
    """What a start answers, slots (and which there are) in another order."""
    if isinstance(begun, torch.Tensor):
        return begun[:, ORDER]
    return type(begun)(*(value if value is None else value[:, ORDER] for value in begun))


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_permuting_the_initial_slots_permutes_the_slots_and_masks(case, frames):
    batch, _ = two_blobs(frames)
    method = tiny(case).eval()
    (start,) = [module for name, module in method.named_modules() if name.split(".")[-1] == "start"]
    torch.manual_seed(1)
    here = method(batch)
    start.register_forward_hook(reordered)
    torch.manual_seed(1)
    there = method(batch)
    assert (here.slots - here.slots[:, :, ORDER]).abs().max() > 1e-3  # else nothing is tested
    close = dict(atol=1e-5, rtol=1e-4)
    assert_close(there.slots, here.slots[:, :, ORDER], **close)
    assert_close(there.masks, here.masks[:, :, ORDER], **close)
    assert_close(there.rebuilt, here.rebuilt, **close, equal_nan=True)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_slots_that_are_not_there_change_nothing(case, frames):
    batch, _ = two_blobs(frames)
    name, settings = case
    few, many = tiny(case).eval(), tiny((name, settings | dict(slots=6))).eval()
    if (there := many(batch).keep) is None or there[..., 3:].any():
        pytest.skip("all slots are there, whatever the picture")
    many.load_state_dict(few.state_dict())
    torch.manual_seed(1)
    one = few(batch)
    torch.manual_seed(1)
    other = many(batch)
    assert not other.keep[..., 3:].any()
    close = dict(atol=1e-5, rtol=1e-4)
    assert other.masks[:, :, 3:].abs().max() == 0
    assert_close(other.masks[:, :, :3], one.masks, **close)
    assert_close(other.rebuilt, one.rebuilt, **close, equal_nan=True)
    losses = []
    for method, found in ((few, one), (many, other)):
        torch.manual_seed(1)  # of what the loss draws
        losses.append(method.loss(found, batch))
    assert_close(losses[1], losses[0], **close)


@pytest.mark.parametrize("case", CASES)
def test_saves_and_loads(case):
    batch, _ = two_blobs()
    method = tiny(case).eval()
    other = tiny(case).eval()
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)
    other.load_state_dict(method.state_dict())
    torch.manual_seed(1)
    mine = method(batch).masks
    torch.manual_seed(1)
    assert_close(other(batch).masks, mine, atol=0, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_bfloat16_agrees_with_float32(case):
    batch, _ = two_blobs()
    method = tiny(case).eval()
    torch.manual_seed(1)
    full = method(batch)
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = method(batch)
    assert_close(half.masks.float(), full.masks, atol=0.05, rtol=0.1)


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(RunError, match='Did you mean "dinosaur"'):
        method_class("dinosuar")
