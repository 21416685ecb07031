import numpy as np
import pytest

from vitreous.errors import VitreousError
from vitreous.predict.regions import check_area, without_small

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
