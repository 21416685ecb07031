import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from vitreous.blocks.redundancy import AUTO, cosine_distance, distinct, joined, merge_tree

LINKAGES = ["single", "average", "complete"]


def directions(*degrees, lengths=1.0):
    angle = torch.tensor(degrees).deg2rad()
    return (torch.stack([angle.cos(), angle.sin()], 1) * torch.as_tensor(lengths).reshape(-1, 1))[None]


def groups(keep_or_labels):
    """Sets of members, whatever the clusters are called."""
    labels = keep_or_labels.tolist()
    return {frozenset(i for i, name in enumerate(labels) if name == one) for one in labels}


FIVE = directions(0.0, 20.0, 35.0, 90.0, 95.0, lengths=[1.0, 2.0, 0.5, 3.0, 1.0])
HEIGHTS = {  # worked out by hand: see reference/methods.md, section 22
    "single": [0.003805, 0.034074, 0.060307, 0.426424],
    "average": [0.003805, 0.034074, 0.120578, 0.735457],
    "complete": [0.003805, 0.034074, 0.180848, 1.087156],
}


@pytest.mark.parametrize("kind", LINKAGES)
def test_five_directions_by_hand(kind):
    tree = merge_tree(cosine_distance(FIVE), torch.ones(1, 5), kind)
    assert_close(tree.heights[0], torch.tensor(HEIGHTS[kind]), atol=1e-6, rtol=1e-4)
    low, chained, some = {0}, {0, 1, 2}, {1, 2}
    expected = {
        0.05: [low, some, {3, 4}],
        0.10: [chained, {3, 4}] if kind == "single" else [low, some, {3, 4}],
        0.20: [chained, {3, 4}],
        0.50: [{0, 1, 2, 3, 4}] if kind == "single" else [chained, {3, 4}],
    }
    for threshold, clusters in expected.items():
        assert groups(tree.cut(tree.below(threshold))[0]) == set(map(frozenset, clusters))


@pytest.mark.parametrize("kind", LINKAGES)
@pytest.mark.parametrize("k", [1, 2, 3, 11, 32])
def test_heights_are_those_of_scipy(kind, k):
    x = torch.randn(6, k, 8, generator=torch.Generator().manual_seed(k))
    tree = merge_tree(cosine_distance(x), torch.ones(6, k), kind)
    assert tree.heights.shape == (6, k - 1)
    for mine, distance in zip(tree.heights, cosine_distance(x), strict=True):
        if k > 1:
            theirs = linkage(distance.double().numpy()[np.triu_indices(k, 1)], kind)
            assert_close(mine.double(), torch.from_numpy(theirs[:, 2]), atol=1e-5, rtol=1e-5)
    assert (tree.labels[:, -1] == 0).all()
    assert [len(names.unique()) for names in tree.labels[0]] == list(range(k, 0, -1))


def test_members_weigh_in_averages_and_those_of_no_size_stay_alone():
    distance = torch.tensor([[[0.0, 1, 4, 9], [1, 0, 2, 9], [4, 2, 0, 9], [9, 9, 9, 0]]])
    tree = merge_tree(distance, torch.tensor([[3.0, 1, 1, 0]]))
    assert tree.heights[0].tolist() == [1.0, (3 * 4 + 1 * 2) / 4, torch.inf]
    assert tree.labels[0].tolist() == [[0, 1, 2, 3], [0, 0, 2, 3], [0, 0, 0, 3], [0, 0, 0, 3]]
    assert tree.top().tolist() == [3.5]


def test_members_that_must_not_meet_do_not():
    d = cosine_distance(FIVE)
    d[0, 3, 4] = d[0, 4, 3] = torch.inf
    tree = merge_tree(d, torch.ones(1, 5))
    assert groups(tree.cut(tree.below(2.0))[0]) in ({frozenset({0, 1, 2, 3}), frozenset({4})},)
    assert tree.heights[0, -1] == torch.inf


def test_one_slot_of_each_cluster_is_kept_the_one_that_owns_most():
    own = torch.tensor([[5.0, 1.0, 2.0, 3.0, 4.0]])
    found = distinct(FIVE, own, 0.1)
    assert found.keep.tolist() == [[True, False, True, False, True]]
    assert found.members[0].tolist() == [[1, 0, 0, 0, 0], [0] * 5, [0, 1, 1, 0, 0], [0] * 5, [0, 0, 0, 1, 1]]
    expected = torch.zeros(5, 2)
    expected[0], expected[2] = FIVE[0, 0], (1 * FIVE[0, 1] + 2 * FIVE[0, 2]) / 3
    expected[4] = (3 * FIVE[0, 3] + 4 * FIVE[0, 4]) / 7
    assert_close(found.slots(FIVE, own)[0], expected)


def test_slots_that_were_not_there_stay_away_and_double_nobody():
    found = distinct(FIVE, torch.ones(1, 5), 0.1, keep=torch.tensor([[True, False, True, True, False]]))
    assert found.keep.tolist() == [[True, False, True, True, False]]
    assert_close(found.members.sum(-1), found.keep.float())


def test_slots_apart_are_kept_and_stand_for_newcomers_that_double_them():
    apart = torch.tensor([[False, True, True, False, False]])
    found = distinct(FIVE, torch.tensor([[9.0, 1.0, 1.0, 9.0, 8.0]]), 0.1, apart=apart)
    assert found.keep.tolist() == [[False, True, True, True, False]]  # 0 doubles 1; 4 doubles 3, which is new
    assert found.members[0, 1].tolist() == [1, 1, 0, 0, 0]
    assert found.members[0, 3].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("same", [0.0, 0.1, "auto"])
def test_every_slot_is_stood_for_once(same):
    slots = torch.randn(8, 7, 5, generator=torch.Generator().manual_seed(0))
    own = torch.rand(8, 7, generator=torch.Generator().manual_seed(1))
    found = distinct(slots, own, same)
    assert (found.members.sum(1) == 1).all()
    assert (found.members.sum(2) > 0).equal(found.keep)
    if same == 0.0:
        assert found.keep.all()


def test_identical_slots_are_one_and_one_slot_is_one():
    same = torch.ones(2, 6, 4)
    assert distinct(same, torch.ones(2, 6), 1e-3).keep.sum(1).tolist() == [1, 1]
    assert distinct(torch.randn(2, 1, 4), torch.ones(2, 1), "auto").keep.all()


def test_auto_follows_the_spread_of_the_picture_whatever_its_scale():
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(1, 4, 32, generator=draw)
    copies = centres[:, [0, 0, 0, 1, 1, 2, 3]] + 0.1 * torch.randn(1, 7, 32, generator=draw)
    near = cosine_distance(copies)[0, 0, 1]
    for offset in (0.0, 1.0, 5.0):  # shared by all slots, it shrinks every cosine distance alike
        slots = 7 * copies + 7 * offset
        found = distinct(slots, torch.ones(1, 7), "auto")
        assert groups(found.members[0].argmax(0)) == {frozenset(g) for g in ((0, 1, 2), (3, 4), (5,), (6,))}
    assert cosine_distance(slots)[0, 0, 3] < AUTO < 1  # so no fixed threshold does it
    assert near < AUTO


def test_permuting_the_slots_permutes_what_is_kept():
    draw = torch.Generator().manual_seed(0)
    slots, own, order = torch.randn(4, 9, 3, generator=draw), torch.rand(4, 9, generator=draw), torch.randperm(9)
    here, there = distinct(slots, own, 0.3), distinct(slots[:, order], own[:, order], 0.3)
    assert there.keep.equal(here.keep[:, order])
    assert there.members.equal(here.members[:, order][:, :, order])


def test_bfloat16_outside_does_not_round_distances_inside():
    x = torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(0)) + 10  # all point almost the same way
    expected = 1 - cosine_similarity(x[:, :, None].double(), x[:, None].double(), dim=-1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(cosine_distance(x).double(), expected, atol=1e-6, rtol=0)


def test_labels_become_rows_of_members():
    assert joined(torch.tensor([[0, 0, 2]]))[0].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
