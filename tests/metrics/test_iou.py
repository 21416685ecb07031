import pytest
import torch

from vitreous.metrics.iou import matched_iou, mean_best_overlap

TRUE = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 0], [0, 2, 2, 0], [0, 0, 0, 0]])
EXPECTED = {  # name -> (labels, mBO fg, mBO with background, mIoU fg, mIoU with background), worked by hand
    "perfect": (TRUE, 1, 1, 1, 1),
    "merged": (TRUE.clamp(max=1), 0.5, 0.666667, 0.25, 0.5),
    "bgsplit": (torch.tensor([[0, 0, 3, 3], [0, 1, 1, 3], [0, 2, 2, 3], [0, 0, 3, 3]]), 1, 0.833333, 1, 0.833333),
    "allone": (torch.zeros_like(TRUE), 0.125, 0.333333, 0.0625, 0.25),
    "columns": (torch.arange(4).expand(4, 4), 0.2, 0.244444, 0.2, 0.244444),
    "leaky": (torch.tensor([[0, 1, 1, 0], [0, 1, 1, 0], [0, 2, 2, 0], [0, 2, 2, 0]]), 0.5, 0.555556, 0.5, 0.555556),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_worked_examples(name):
    pred, *numbers = EXPECTED[name]
    pred, true = pred[None], TRUE[None]
    mine = [
        metric(pred, true, ignore=ignore).item() for metric in (mean_best_overlap, matched_iou) for ignore in (0, None)
    ]
    assert mine == pytest.approx(numbers, abs=1e-6)


def test_fewer_predictions_than_objects():
    pred = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 2, 2], [0, 0, 2, 2]])[None]
    true = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 3, 3], [0, 0, 3, 3]])[None]
    assert mean_best_overlap(pred, true).item() == pytest.approx(2 / 3)
    assert matched_iou(pred, true).item() == pytest.approx(0.5)


def test_points_that_do_not_score_leave_both_areas():
    true = torch.tensor([[0, 0, 0, 0], [0, 1, 1, -1], [0, 2, 2, -1], [0, 0, 0, 0]])[None]
    pred = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 1], [0, 2, 2, 2], [0, 0, 0, 0]])[None]
    assert mean_best_overlap(pred, true).item() == matched_iou(pred, true).item() == 1


def test_no_object_is_not_a_number():
    nothing = torch.zeros(2, 3, 3, dtype=torch.long)
    assert mean_best_overlap(nothing, nothing).isnan().all()
    assert matched_iou(nothing, nothing).isnan().all()
