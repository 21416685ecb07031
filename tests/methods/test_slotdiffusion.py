import sys

import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import MissingExtra, RunError
from vitreous.methods.slotdiffusion import STEPS, SlotDiffusion, SlotDiffusionConfig
from vitreous.types import Batch

pytest.importorskip("diffusers")
SMALL = dict(slots=3, slot_dim=8, resolution=24, codes=7, coder_width=8, width=8, levels=2)


def tiny(**settings):
    torch.manual_seed(0)
    return SlotDiffusion(SlotDiffusionConfig(**SMALL | settings), 5, (6, 8))


def batch():
    draw = torch.Generator().manual_seed(0)
    return Batch(torch.randn(2, 1, 6, 8, 5, generator=draw), (), torch.rand(2, 1, 3, 24, 32, generator=draw))


def test_noise_is_the_papers():
    """Square roots of the variances rise evenly from that of 0.0015 to that of 0.0195."""
    betas = torch.linspace(0.0015**0.5, 0.0195**0.5, STEPS, dtype=torch.float64) ** 2
    left = (1 - betas).cumprod(0).float()
    noise, clean = tiny().noise, torch.ones(3, 1)
    for step in (0, 499, 999):
        noisy = noise.add_noise(clean, 2 * torch.ones(3, 1), torch.full((3,), step))
        assert_close(noisy, (left[step].sqrt() + 2 * (1 - left[step]).sqrt()) * torch.ones(3, 1), atol=1e-5, rtol=1e-5)


def test_what_is_told_of_the_noise_depends_on_the_slots_that_are_there():
    method = tiny().eval()
    x, slots, step = torch.randn(1, 3, 6, 8), torch.randn(1, 3, 8), torch.tensor([300])
    keep = torch.tensor([[True, True, False]])
    told, other = method.denoised(x, step, slots, keep), slots.clone()
    other[:, 2] += 10.0
    assert_close(method.denoised(x, step, other, keep), told, atol=0, rtol=0)
    other[:, 0] += 10.0
    assert (method.denoised(x, step, other, keep) - told).abs().max() > 1e-4


def test_slots_learn_from_the_denoiser_and_its_target_does_not():
    method, seen = tiny(), batch()
    method.progress = 0.1
    rebuild = method.loss(method(seen), seen)["rebuild"]
    rebuild.backward()
    parts = {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert parts == {"group", "denoise"}


@pytest.mark.parametrize(("latents", "shape"), [("pictures", (3, 24, 32)), ("features", (5, 6, 8))])
def test_paints_from_slots(latents, shape):
    method, seen = tiny(latents=latents).eval(), batch()
    out = method(seen)
    torch.manual_seed(1)
    painted = method.paint(out.slots[:, 0], out.keep[:, 0], steps=3)
    assert painted.shape == (2, *shape)
    assert painted.isfinite().all()
    torch.manual_seed(1)
    assert_close(method.paint(out.slots[:, 0], out.keep[:, 0], steps=3), painted, atol=0, rtol=0)
    if latents == "pictures":
        assert painted.min() >= 0
        assert painted.max() <= 1


def test_needs_follow_from_what_is_painted():
    assert tiny().needs == {"pictures"}
    assert tiny(latents="features").needs == frozenset()


def test_the_published_u_net_looks_at_slots_at_all_grids_but_the_finest():
    config = SlotDiffusionConfig(slot_dim=192, width=32, levels=4, blocks=2)
    net = SlotDiffusion(config, 5, (6, 8)).denoise
    looks = [hasattr(block, "attentions") for block in net.down_blocks]
    assert looks == [False, True, True, True]
    assert [block.resnets[0].conv1.out_channels for block in net.down_blocks] == [32, 64, 96, 128]


def test_the_library_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vitreous\[diffusion\]'"):
        tiny()


def test_what_cannot_be_is_refused():
    with pytest.raises(RunError, match="width be a multiple of 8"):
        SlotDiffusionConfig(width=12)
