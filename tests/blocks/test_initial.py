import torch
from torch.testing import assert_close

from vitreous.blocks.initial import FarthestPatches, SharedGaussian


def test_shared_gaussian_equals_the_references(golden):
    for case, prefix, out in (
        (golden("init_oclf_random"), "", "out.slots"),
        (golden("init_dias_gaussian"), "shared.", "out.shared.eval"),
    ):
        noise = case(f"draw.{prefix}noise")
        start = SharedGaussian(noise.shape[1], noise.shape[2])
        start.load_state_dict(case.under(f"param.{prefix}"))
        assert_close(start(torch.zeros(len(noise), 3, 3), noise=noise), case(out), atol=1e-5, rtol=1e-5)


def test_shared_gaussian_draws_in_evaluation_too():
    start = SharedGaussian(4, 8).eval()
    x = torch.zeros(2, 3, 8)
    assert (start(x) - start(x)).abs().max() > 0.1


def test_farthest_patches_picks_one_of_each_cluster():
    centres = 10 * torch.eye(5)
    x = centres.repeat_interleave(6, 0) + 0.1 * torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        picked = FarthestPatches(5).train(training)(x[None].repeat(3, 1, 1))
        assert (torch.cdist(picked, centres).argmin(2).sort(1).values == torch.arange(5)).all()


def test_farthest_patches_is_the_same_every_time_at_test_and_not_while_training():
    x = torch.randn(4, 50, 8, generator=torch.Generator().manual_seed(0))
    start = FarthestPatches(3)
    assert_close(start.eval()(x), start(x), atol=0, rtol=0)
    start.train()
    assert any((start(x) - start(x)).abs().max() > 0 for _ in range(5))


def test_more_slots_than_patches_repeats_some():
    x = torch.randn(1, 2, 4)
    assert FarthestPatches(5).eval()(x).shape == (1, 5, 4)
