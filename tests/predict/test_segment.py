import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vitreous.predict.segment import refine, to_pixels


def test_shares_are_enlarged_before_the_decision():
    masks = torch.tensor([[[[0.9, 0.4]], [[0.1, 0.6]]]])  # t k h w: slot 0 wins left, slot 1 narrowly right
    found = to_pixels(masks, (1, 8))
    assert found.shares is not None
    assert_close(found.shares.sum(1), torch.ones(1, 1, 8))
    # along the row slot 0 falls from 0.9 to 0.4 and passes a half at four fifths of the way between patch centres
    assert found.labels[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_sizes_need_not_be_multiples_of_the_grid():
    assert to_pixels(torch.rand(2, 3, 4, 5), (13, 17)).labels.shape == (2, 13, 17)


def halves(border: int, size: int) -> np.ndarray:
    """A red left and a blue right part, with a little noise."""
    picture = np.random.default_rng(0).integers(0, 12, (1, size, size, 3), dtype=np.uint8)
    picture[:, :, :border, 0] += 200
    picture[:, :, border:, 2] += 200
    return picture


@pytest.mark.parametrize(("border", "size"), [(70, 128), (34, 61), (561, 1024)])
def test_refined_borders_follow_the_picture(border, size):
    picture = halves(border, size)
    left = torch.zeros(1, 8, 8)
    left[:, :, :4], left[:, :, 4] = 1, 0.4  # patches know roughly: the border is in the fifth column
    masks = torch.stack([left, 1 - left], dim=1)
    truth = torch.arange(size).expand(size, size) >= border
    plain, refined = to_pixels(masks, (size, size)), refine(masks, picture)
    assert refined.shares is not None
    assert_close(refined.shares.sum(1), torch.ones(1, size, size))
    wrong, before = ((s.labels[0].bool() != truth).float().mean() for s in (refined, plain))
    assert wrong < 0.005
    assert before > 0.001 + 3 * wrong


def test_a_plain_picture_changes_little():
    masks = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).softmax(1)
    masks = torch.nn.functional.interpolate(masks[..., ::4, ::4], size=(8, 8), mode="nearest")
    grey = np.full((2, 64, 64, 3), 90, np.uint8)
    assert (refine(masks, grey).labels == to_pixels(masks, (64, 64)).labels).float().mean() > 0.9


def test_refining_works_for_oblong_pictures_and_a_single_patch():
    assert refine(torch.rand(1, 3, 4, 6), np.zeros((1, 50, 90, 3), np.uint8)).labels.shape == (1, 50, 90)
    assert refine(torch.ones(1, 2, 1, 1), np.zeros((1, 5, 5, 3), np.uint8)).labels.unique().tolist() == [0]
