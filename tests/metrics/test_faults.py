import pytest
import torch

from vitreous.metrics.faults import BLEED, CUT, LEAK, MERGED, MISSED, RIGHT, TORN, error_map, faults

TRUE = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 0], [0, 2, 2, 0], [0, 0, 0, 0]])


def judged(rows, true=TRUE, **how):
    return faults(torch.tensor([rows]), true[None], **how)


def counts(pred, true=TRUE, reach=0):
    """Pixels per cause, without those that are right."""
    found = error_map(torch.as_tensor(pred)[None], true[None], reach=reach)
    names, number = found.unique(return_counts=True)
    return {name: n for name, n in zip(names.tolist(), number.tolist(), strict=True) if name != RIGHT}


def test_nothing_wrong():
    found = judged(TRUE.tolist())
    assert not (found.missed | found.merged | found.split).any()
    assert found.kept.item() == 1
    assert found.main.tolist() == [[1, 2]]
    assert counts(TRUE) == {}


def test_two_objects_in_one_segment():
    pred = [[0, 0, 0, 0], [0, 5, 5, 0], [0, 5, 5, 0], [0, 0, 0, 0]]
    found = judged(pred)
    assert found.merged.tolist() == [[True, True]]
    assert found.share("merged").item() == 1
    assert not (found.missed | found.split).any()
    assert counts(pred) == {MERGED: 2}  # one of them keeps the segment


def test_an_object_in_the_backgrounds_segment():
    pred = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    found = judged(pred)
    assert found.missed.tolist() == [[False, True]]
    assert found.share("missed").item() == 0.5
    assert counts(pred) == {MISSED: 2}
    assert counts(pred, reach=1) == {MISSED: 2}  # as a whole, though all of it lies at its border


def test_an_object_in_two_segments_and_a_background_in_two():
    pred = [[0, 0, 0, 3], [0, 1, 4, 3], [0, 2, 2, 3], [0, 0, 0, 3]]
    found = judged(pred)
    assert found.split.tolist() == [[True, False]]
    assert found.kept.item() == pytest.approx(8 / 12)
    assert counts(pred) == {CUT: 1, TORN: 4}


def test_a_segment_that_spills_over_the_background():
    pred = torch.zeros(9, 9, dtype=torch.int64)
    true = pred.clone()
    true[3:6, 3:6], pred[3:6, 1:6] = 1, 1
    assert counts(pred, true) == {LEAK: 6}
    assert counts(pred, true, reach=1) == {BLEED: 3, LEAK: 3}
    assert counts(pred, true, reach=2) == {BLEED: 6}


def test_the_border_is_on_both_sides_of_it():
    true = torch.zeros(9, 9, dtype=torch.int64)
    true[3:6, 3:6] = 1
    pred = torch.where(true == 1, 1, 0)
    pred[2, 4] = pred[6, 4] = pred[4, 2] = pred[4, 6] = 1
    pred[3, 4] = pred[5, 4] = pred[4, 3] = pred[4, 5] = 0
    assert counts(pred, true, reach=1) == {BLEED: 8}
    assert counts(pred, true) == {LEAK: 4, MISSED: 4}


def test_small_objects_and_ignored_points_are_not_judged():
    true = TRUE.clone()
    true[1, 1] = -1
    pred = [[0, 0, 0, 0], [0, 2, 2, 0], [0, 2, 2, 0], [0, 0, 0, 0]]
    assert judged(pred, true, least=2.0).there.tolist() == [[False, True]]
    assert not judged(pred, true, least=2.0).merged.any()
    assert error_map(torch.tensor([pred]), true[None], reach=0)[0, 1, 1].item() == -1


def test_without_background_or_without_objects():
    found = judged([[1, 1], [2, 2]], torch.tensor([[1, 1], [2, 2]]))
    assert found.kept.isnan().all()
    assert not found.missed.any()
    none = judged([[1, 1], [2, 2]], torch.zeros(2, 2, dtype=torch.int64))
    assert none.share("missed").isnan().all()
    assert none.kept.item() == 0.5
    assert counts([[1, 1], [2, 2]], torch.zeros(2, 2, dtype=torch.int64)) == {TORN: 2}


def test_samples_do_not_mix_and_labels_may_be_any():
    draw = torch.Generator().manual_seed(0)
    pred, true = torch.randint(0, 4, (3, 8, 8), generator=draw), torch.randint(0, 3, (3, 8, 8), generator=draw)
    together, moved = faults(pred, true), faults(pred * 1000 - 7, true)
    for i in range(3):
        alone = faults(pred[i : i + 1], true[i : i + 1])
        assert together.split[i].tolist() == moved.split[i].tolist() == alone.split[0].tolist()
        assert together.kept[i].item() == alone.kept[0].item()
    found = error_map(pred, true, reach=1)
    assert (found == error_map(pred * 1000 - 7, true, reach=1)).all()
    assert (found[1] == error_map(pred[1:2], true[1:2], reach=1)[0]).all()
