import re

import pytest
import torch
from jaxtyping import config
from torch.testing import assert_close

from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.contingency import contingency
from vitreous.metrics.iou import correct_localisation, matched_iou, mean_best_overlap, recovery, same_label_iou

METRICS = (
    adjusted_rand_index, mean_best_overlap, matched_iou, same_label_iou, recovery, correct_localisation,
)  # fmt: skip


@pytest.fixture
def untyped():
    """As in use: the shapes in the signatures are not enforced."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def test_by_hand():
    table = contingency(torch.tensor([[-1, 0, 0, 2]]), torch.tensor([[0, 1, 3, -1]]), ignore=3)
    assert table.pred_labels.tolist() == [-1, 0, 1, 2]
    assert table.true_labels.tolist() == [0, 1, 2]
    assert table.shared.tolist() == [[[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]]
    assert table.area.tolist() == [[1, 2, 0, 0]]  # the point that is ignored is in an area, the one that is out is not


def test_masks_count_a_point_once_in_each():
    masks = torch.tensor([[[1, 1, 0, 0], [0, 1, 1, 0]]]).bool()
    table = contingency(torch.tensor([[5, 5, 7, 7]]), masks)
    assert table.shared.tolist() == [[[2, 1], [0, 0], [0, 1]]]
    assert table.area.tolist() == [[2, 0, 2]]  # with the point that is in no mask
    assert mean_best_overlap(torch.tensor([[5, 5, 7, 7]]), masks, ignore=None).item() == pytest.approx((1 + 1 / 3) / 2)


def test_labels_far_apart_are_renumbered():
    near = torch.randint(0, 5, (3, 40), generator=torch.Generator().manual_seed(0))
    far = torch.tensor([0, 7, 10**9, 10**12, 3])
    for metric in METRICS[:3]:
        assert_close(metric(far[near], far[near.flip(1)], ignore=10**9), metric(near, near.flip(1), ignore=2))


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_to_score_is_what_the_caller_says(metric):
    nothing, truth = torch.zeros(2, 3, 3, dtype=torch.long), torch.full((2, 3, 3), -1)
    for true in (truth, nothing, torch.zeros(2, 0, 3, 3, dtype=torch.bool)):
        assert metric(nothing, true, ignore=0).isnan().all()
        assert metric(nothing, true, ignore=0, empty=1.0).tolist() == [1, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_one_segment_is_found_by_one(metric):
    one = torch.ones(2, 3, 3, dtype=torch.long)
    assert metric(one, one).tolist() == [1, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_batch_has_no_values_and_empty_pictures_no_score(metric):
    assert metric(*torch.zeros(2, 0, 3, 3).long()).shape == (0,)
    assert metric(*torch.zeros(2, 4, 0, 3).long()).isnan().tolist() == [True] * 4


@pytest.mark.parametrize("metric", METRICS)
def test_shapes_that_do_not_match_are_named(metric, untyped):
    labels = torch.zeros(2, 4, 4, dtype=torch.long)
    message = "Predicted labels [2, 4, 4] and true labels [samples, points ...] [2, 4, 5] do not match."
    with pytest.raises(ValueError, match=re.escape(message)):
        metric(labels, torch.zeros(2, 4, 5, dtype=torch.long))
    with pytest.raises(ValueError, match="true masks"):
        metric(labels, torch.zeros(2, 3, 4, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="true labels"):
        metric(labels[0, 0], labels[0, 0])


@pytest.mark.parametrize("metric", METRICS)
def test_masks_that_share_out_all_points_are_labels(metric):
    g = torch.Generator().manual_seed(3)
    pred, true = (torch.randint(0, 4, (3, 6, 6), generator=g) for _ in range(2))
    masks = true[:, None] == torch.arange(4)[:, None, None]
    assert_close(metric(pred, masks, ignore=0), metric(pred, true, ignore=0))
