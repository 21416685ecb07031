import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from torch.testing import assert_close

from vitreous.blocks.initial import (
    BoxSlots,
    LearnedSlots,
    PatchGroups,
    SharedGaussian,
    SlotGaussian,
    boxes_of,
    groups_of,
)


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


def clusters(spread: float = 0.1) -> torch.Tensor:
    """Five groups of 10, 8, 6, 4, 2 patches around axes, shuffled alike in three pictures."""
    draw = torch.Generator().manual_seed(0)
    which = torch.arange(5).repeat_interleave(torch.tensor([10, 8, 6, 4, 2]))
    x = 10 * torch.eye(5)[which] + spread * torch.randn(30, 5, generator=draw)
    return x[torch.randperm(30, generator=draw)].repeat(3, 1, 1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("slots", [5, 9])
def test_groups_are_as_many_as_there_are_and_the_largest_is_first(slots, training):
    groups = PatchGroups(slots).train(training)(clusters())
    assert groups.sum(-1).tolist() == [[10.0, 8.0, 6.0, 4.0, 2.0] + [0.0] * (slots - 5)] * 3
    assert (groups.sum(1) == 1).all()
    assert (groups[:, :5] @ clusters() / groups[:, :5].sum(-1, keepdim=True)).round().unique().tolist() == [0, 10]


def test_fewer_slots_than_groups_merges_what_is_most_alike():
    x = torch.tensor([[1.0, 0, 0], [1, 0.5, 0], [0, 0, 1], [0, 0, 1]])[None]
    groups = PatchGroups(2, merge=0.0).eval()(x)[0]
    assert (groups.argmax(0) == groups.argmax(0)[0]).tolist() == [True, True, False, False]


def test_merging_is_average_linkage_as_in_scikit_learn():
    x = torch.randn(5, 20, 6, generator=torch.Generator().manual_seed(0)) + 1.0
    for merge in (0.2, 0.5, 0.8):
        groups = PatchGroups(20, candidates=20, merge=merge).eval()(x)
        for found, patches in zip(groups, x, strict=True):
            true = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=merge).fit(
                patches.numpy()
            )
            assert adjusted_rand_score(true.labels_, found.argmax(0).numpy()) == 1


def test_groups_do_not_care_about_scale_and_order():
    x = clusters(spread=3.0)
    start = PatchGroups(4).eval()
    assert_close(start(1000.0 * x), start(x), atol=0, rtol=0)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    assert_close(start(x[:, order]), start(x)[..., order], atol=0, rtol=0)


def test_groups_are_the_same_every_time_at_test_and_not_while_training():
    x = torch.randn(4, 50, 8, generator=torch.Generator().manual_seed(0))
    start = PatchGroups(3)
    assert_close(start.eval()(x), start(x), atol=0, rtol=0)
    start.train()
    assert any((start(x) - start(x)).abs().max() > 0 for _ in range(5))


@pytest.mark.parametrize("x", [torch.ones(1, 6, 4), torch.zeros(1, 6, 4), torch.randn(1, 1, 4)])
def test_patches_that_are_all_alike_are_one_group(x):
    assert PatchGroups(3).eval()(x).sum(-1).tolist() == [[float(x.shape[1]), 0.0, 0.0]]


def test_a_gaussian_per_slot_equals_the_reference_and_is_its_mean_at_test(golden):
    case = golden("init_dias_gaussian")
    start = SlotGaussian(4, 8)
    start.load_state_dict(case.under("param.separate."))
    x, noise = torch.zeros(2, 3, 3), case("draw.separate.noise")
    assert_close(start(x, noise=noise), case("out.separate.train"), atol=1e-5, rtol=1e-5)
    assert_close(start.eval()(x, noise=noise), case("out.separate.eval"), atol=1e-5, rtol=1e-5)


def test_slots_of_the_seed_project_are_drawn_at_test_too(golden):
    case = golden("model_seedproj_video")
    start, noise = SlotGaussian(4, 10, "shared").eval(), case("draw.noise0")
    mean, log_std = (case(f"param.slot_attention.slots_{name}") for name in ("mu", "log_sigma"))
    start.load_state_dict({"mean": mean, "log_std": log_std})
    assert_close(start(torch.zeros(2, 3, 3), noise=noise), mean + noise * log_std.exp())
    assert (start(torch.zeros(2, 3, 3)) - start(torch.zeros(2, 3, 3))).abs().max() > 0.1


def test_starts_have_the_spread_of_the_public_code():
    torch.manual_seed(0)
    own, shared, learned = SlotGaussian(400, 100), SlotGaussian(400, 100, "shared"), LearnedSlots(400, 100)
    for found, bound in (  # Xavier: (6 / (in + out))^1/2
        (own.mean, (6 / 500) ** 0.5),
        (shared.mean, (6 / (100 * 401)) ** 0.5),
        (shared.log_std, (3 / 100) ** 0.5),
    ):
        assert 0.95 * bound < found.abs().max().item() <= bound
    assert_close(own.log_std.exp(), torch.full((1, 400, 100), 0.1))
    assert learned.slots.std().item() == pytest.approx(0.1, rel=0.01)
    assert_close(learned(torch.zeros(2, 3, 3))[1], learned.slots[0])


def test_boxes_and_groups_of_ids_by_hand():
    ids = torch.tensor([[[0, 0, 1, 1], [0, 3, 3, 1]]])
    expected = torch.zeros(1, 5, 4)
    expected[0, 1] = torch.tensor([0, 2 / 4, 1, 1])
    expected[0, 3] = torch.tensor([1 / 2, 1 / 4, 1, 3 / 4])
    assert_close(boxes_of(ids, 5), expected)
    assert groups_of(ids.flatten(1), 3)[0].tolist() == [
        [1, 1, 0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
    slots = BoxSlots(6)(boxes_of(ids, 5))
    assert_close(slots[0, 0], slots[0, 2])  # no box, no difference
    assert (slots[0, 1] - slots[0, 3]).abs().max() > 1e-3
