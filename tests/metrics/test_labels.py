import pytest
import torch

from vitreous.metrics.iou import mean_best_overlap
from vitreous.metrics.labels import class_map, from_masks


def test_masks_to_labels():
    masks = torch.tensor([[[1, 1, 0, 0], [0, 1, 1, 0]]]).bool()
    assert from_masks(masks).tolist() == [[0, -1, 1, -1]]
    assert from_masks(masks, gap=9, overlap=8).tolist() == [[0, 8, 1, 9]]


def test_class_overlap_by_hand():
    cats_and_dog = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 3, 3], [0, 0, 3, 3]])[None]
    by_kind = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 2, 2], [0, 0, 2, 2]])[None]
    kinds = class_map(cats_and_dog, torch.tensor([[0, 1, 1, 2]]))
    assert (kinds == by_kind).all()
    assert mean_best_overlap(by_kind, cats_and_dog).item() == pytest.approx(2 / 3)
    assert mean_best_overlap(by_kind, kinds).item() == 1
    assert mean_best_overlap(cats_and_dog, kinds).item() == 0.75


def test_points_that_do_not_score_have_no_class():
    assert class_map(torch.tensor([[-1, 0, 1], [1, 1, 0]]), torch.tensor([[0, 4], [0, 5]])).tolist() == [
        [-1, 0, 4],
        [5, 5, 0],
    ]
