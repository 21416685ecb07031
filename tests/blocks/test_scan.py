"""Projection, start and slot attention of a picture, and the way through a clip."""

import pytest
import torch
from torch.nn.functional import layer_norm
from torch.testing import assert_close

from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.scan import check_scan, running_mean, scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.transition import RandomPairTransition
from vitreous.errors import RunError


def warm(**how):
    torch.manual_seed(0)
    return Grouping.warm(12, 8, PatchGroups(5), **how).eval()


def clip(frames=5):
    return torch.randn(2, frames, 20, 12, generator=torch.Generator().manual_seed(0))


def test_warm_slots_are_means_of_groups_and_then_soft_k_means():
    group, x = warm(iterations=1, temperature=0.5), clip()[:, 0]
    groups = group.start(x)
    seen = group.project(x)
    first, keep = group.begin(x, seen)
    assert keep.tolist() == (groups.sum(-1) > 0).tolist()
    mean = torch.stack([seen[0, g > 0].mean(0) for g in groups[0] if g.any()])
    assert_close(first[0, keep[0]], mean)
    unit, centre = layer_norm(seen[0], (8,)), layer_norm(mean, (8,))
    share = (centre @ unit.mT / 8**0.5 / 0.5).softmax(0) + 1e-8
    (slots, attention), _ = group(x)
    assert_close(slots[0, keep[0]], share / share.sum(1, keepdim=True) @ unit, atol=1e-5, rtol=1e-5)
    assert attention[0, 0, ~keep[0]].sum() == 0


def test_drawn_slots_are_all_there():
    group = Grouping(mlp((12, 20, 8), "gelu"), SharedGaussian(5, 8), SlotAttention(8, 8))
    (slots, attention), keep = group(clip()[:, 0])
    assert slots.shape == (2, 5, 8)
    assert attention.shape == (2, 3, 5, 20)
    assert keep is None


def through(group, x, hand_on, state=None, later=2, memory=None):
    seen = group.project(x)

    def begin():
        return group.begin(x[:, 0], seen[:, 0])

    return scan(seen, group.attend, begin, hand_on, later=later, memory=memory, state=state)


def test_frame_by_frame_by_hand():
    group, x = warm(), clip(3)
    predict = TransformerPredictor(8)
    found = through(group, x, lambda past, seen, keep: predict(past[-1], keep))
    seen = group.project(x)
    slots, keep = group.begin(x[:, 0], seen[:, 0])
    for t in range(3):
        slots, attention = group.attend(seen[:, t], slots, iterations=2 if t else 3, keep=keep)
        assert_close(found.slots[:, t], slots)
        assert_close(found.attention[:, t], attention[:, -2:])
        assert (found.keep[:, t] == keep).all()
        slots = predict(slots, keep)


def test_warm_slots_hand_on_the_running_mean_of_what_they_won():
    group, x, handed = warm(), clip(3), []
    found = through(group, x, lambda past, seen, keep: handed.append(past[-1]) or past[-1], memory=0.6)
    seen, (slots, _) = group.project(x), group.begin(x[:, 0], group.project(x[:, 0]))
    for t in range(2):
        owner = found.attention[:, t, -1].argmax(1)
        expected = slots.clone()
        for b in range(2):
            for k in owner[b].unique():
                expected[b, k] = 0.6 * slots[b, k] + 0.4 * seen[b, t, owner[b] == k].mean(0)
        assert_close(handed[t], expected)
        slots = expected
    assert (
        running_mean(slots, torch.eye(5)[[0] * 20].T.expand(2, 5, 20), seen[:, 0], 0.6)[:, 1:] == slots[:, 1:]
    ).all()
    for later, memory in ((0, 0.5), (1, 1.0)):
        with pytest.raises(RunError, match=f"not {later} and {memory}"):
            check_scan(later, memory)


@pytest.mark.parametrize("memory", [None, 0.7])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_clip_can_be_seen_in_chunks(size, memory):
    group, x = warm(), clip()
    torch.manual_seed(0)
    transit = RandomPairTransition(8, 8).eval()
    whole, state, parts = through(group, x, transit, later=1, memory=memory), None, []
    for chunk in x.split(size, dim=1):
        parts.append(through(group, chunk, transit, state, later=1, memory=memory))
        state = parts[-1].state
    for name in ("slots", "attention", "keep"):
        assert_close(torch.cat([getattr(p, name) for p in parts], 1), getattr(whole, name), atol=1e-6, rtol=1e-5)


def test_what_hands_on_sees_all_that_was_and_the_frame_that_is():
    group, x, told = warm(), clip(4), []

    def hand_on(past, seen, keep):
        told.append((len(past), len(seen)))
        assert_close(seen[-1], group.project(x)[:, len(past)])
        return past[-1]

    through(group, x, hand_on)
    assert told == [(1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_predictor_started_as_identity_changes_nothing(norm):
    slots = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    predicted = TransformerPredictor(8, blocks=2, norm=norm).start_as_identity()(slots)
    expected = slots if norm == "pre" else layer_norm(slots, (8,))
    assert_close(predicted, expected, atol=1e-3, rtol=1e-3)


def test_begun_slots_are_all_there_unless_said_otherwise():
    assert Begun(torch.zeros(1, 2, 3)).keep is None
