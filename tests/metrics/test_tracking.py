import pytest
import torch

from vitreous.metrics.tracking import keeps_object, object_overlap, slot_overlap


def moving(steps, label=1, size=8):
    """A 4x4 square that moves right by `steps` pixels per frame, three frames: [1 t y x]."""
    frames = torch.zeros(1, 3, size, 4 + 2 * steps + 1, dtype=torch.long)
    for t in range(3):
        frames[:, t, :4, t * steps : t * steps + 4] = label
    return frames


def test_what_stands_still_overlaps_itself():
    still = moving(0)
    assert slot_overlap(still).item() == object_overlap(still, still).item() == keeps_object(still, still).item() == 1


def test_motion_costs_overlap_of_pixels_but_not_of_objects():
    ids = moving(2)
    # square: 8 of 24 shared; background: all 72 pixels but 16, 16 of which the square takes and leaves
    assert slot_overlap(ids).item() == pytest.approx((8 / 24 + 48 / 64) / 2)
    assert object_overlap(ids, ids).item() == 1
    assert keeps_object(ids, ids).item() == 1


def test_slots_that_trade_objects_are_lost():
    ids = moving(1)
    labels = ids.clone()
    labels[:, 1] = 1 - labels[:, 1]  # the slots of square and background trade in the middle frame
    assert object_overlap(labels, ids).item() == 0
    assert keeps_object(labels, ids, ignore=None).item() == 0
    assert keeps_object(labels, ids).item() == 0


def test_by_hand_for_a_slot_that_loses_half_its_object():
    ids = torch.tensor([[[[0, 0, 1, 1]], [[0, 0, 1, 1]]]])
    labels = torch.tensor([[[[5, 5, 6, 6]], [[5, 5, 5, 6]]]])
    # slot 5 covers (1, 0) then (1, 1/2); slot 6 (0, 1) then (0, 1/2)
    assert object_overlap(labels, ids).item() == pytest.approx((1 / 1.5 + 1 / 2) / 2)
    assert slot_overlap(labels).item() == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert keeps_object(labels, ids).item() == 1


def test_objects_out_of_sight_are_not_asked_for():
    ids = torch.tensor([[[[0, 0, 1, 2]], [[0, 0, 0, 2]], [[0, 0, 1, 2]]]])
    labels = torch.tensor([[[[0, 0, 1, 2]], [[0, 0, 0, 2]], [[0, 0, 1, 2]]]])
    assert keeps_object(labels, ids).item() == object_overlap(labels, ids).item() == 1
    vanished = labels.where(labels != 2, 0)
    vanished[:, 0] = labels[:, 0]
    assert keeps_object(vanished, ids).item() == pytest.approx(0)  # slot 2 is gone, and was the only one asked


@pytest.mark.parametrize("metric", [slot_overlap, lambda x: object_overlap(x, x), lambda x: keeps_object(x, x)])
def test_nothing_to_follow(metric):
    assert metric(moving(1)[:, :1]).isnan().all()
    assert metric(moving(1)[:0]).shape == (0,)


def test_nothing_scored_is_not_a_number():
    labels = moving(1)
    assert keeps_object(labels, torch.full_like(labels, -1)).isnan().all()
    assert object_overlap(labels, torch.full_like(labels, -1)).isnan().all()
    assert keeps_object(labels, torch.zeros_like(labels)).isnan().all()  # no object


def test_clips_do_not_mix():
    a, b = moving(1), moving(1).flip(1)
    both = keeps_object(torch.cat([a, b]), torch.cat([a, a]))
    assert both.tolist() == [keeps_object(a, a).item(), keeps_object(b, a).item()]
