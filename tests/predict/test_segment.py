import torch
from torch.testing import assert_close

from vitreous.predict.segment import to_pixels


def test_shares_are_enlarged_before_the_decision():
    masks = torch.tensor([[[[0.9, 0.4]], [[0.1, 0.6]]]])  # t k h w: slot 0 wins left, slot 1 narrowly right
    found = to_pixels(masks, (1, 8))
    assert found.shares is not None
    assert_close(found.shares.sum(1), torch.ones(1, 1, 8))
    # along the row slot 0 falls from 0.9 to 0.4 and passes a half at four fifths of the way between patch centres
    assert found.labels[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_sizes_need_not_be_multiples_of_the_grid():
    assert to_pixels(torch.rand(2, 3, 4, 5), (13, 17)).labels.shape == (2, 13, 17)
