import numpy as np
import pytest
import torch

from vitreous.errors import VitreousError
from vitreous.predict.regions import check_area, separated, without_small
from vitreous.types import Segmentation

LABELS = np.array(
    [
        [0, 0, 0, 0, 2, 2],
        [0, 1, 0, 0, 2, 2],
        [0, 0, 0, 0, 2, 2],
        [0, 0, 0, 3, 3, 0],
    ]
)


def test_small_regions_go_to_their_neighbours():
    found = without_small(LABELS, 3)
    assert found[1, 1] == 0
    assert set(found[3, 3:5].tolist()) <= {0, 2}
    assert found[3, 5] == 2  # a region of its own, though its label is that of the large one
    assert (found[:3, 4:] == 2).all()


def test_a_share_of_the_picture_is_as_good_as_pixels():
    assert (without_small(LABELS, 3 / 24) == without_small(LABELS, 3)).all()
    assert (without_small(LABELS, 1) == LABELS).all()


def test_the_largest_region_stays_whatever_was_asked():
    assert (without_small(LABELS, 0.99) == 0).all()
    assert (without_small(np.full((3, 4), -1), 100) == -1).all()


def test_undecided_pixels_are_a_region_like_any_other():
    labels = np.zeros((4, 6), int)
    labels[:, :2], labels[0, 0] = -1, 5
    assert without_small(labels, 2)[0, 0] == -1


def test_what_is_no_area_is_refused():
    with pytest.raises(VitreousError, match="min_area is -1"):
        check_area(-1)
    with pytest.raises(VitreousError, match="apart is -1"):
        check_area(-1, "apart")


def test_regions_apart_are_segments_of_their_own():
    shares = torch.rand(1, 4, 4, 6) * 0.1
    labels = torch.from_numpy(LABELS)[None]
    shares = (shares + torch.nn.functional.one_hot(labels, 4).movedim(-1, 1)) / (shares.sum(1, keepdim=True) + 1)
    found, origin = separated(Segmentation(labels, shares), 1)
    assert origin == [0, 1, 2, 3, 0]
    assert found.labels[0, 3, 5] == 4  # the corner; the large region keeps its number
    assert (found.labels[0][labels[0] > 0] == labels[0][labels[0] > 0]).all()
    assert (found.labels == 0).sum() == (labels == 0).sum() - 1
    assert torch.equal(found.shares.argmax(1), found.labels)
    torch.testing.assert_close(found.shares.sum(1), torch.ones(1, 4, 6))
    small, origin = separated(Segmentation(labels, shares), 2)
    assert origin == [0, 1, 2, 3]
    assert torch.equal(small.labels, labels)


def test_small_regions_go_with_the_nearest_of_their_slot():
    labels = torch.tensor([[[0, 0, 1, 1, 0, 1, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0]]])
    found, origin = separated(Segmentation(labels), 4 / 16)
    assert origin == [0, 1, 0]
    assert found.labels[0, 0].tolist() == [0, 0, 1, 1, 2, 1, 2, 2]
    undecided, origin = separated(Segmentation(torch.full((1, 2, 3), -1)), 1)
    assert origin == []
    assert (undecided.labels == -1).all()
