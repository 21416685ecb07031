import numpy as np
import torch
from torch.testing import assert_close

from vitreous.report.baselines import ceiling_masks, kmeans_masks, superpixels


def test_superpixels_separate_two_colours():
    picture = np.full((64, 64, 3), 120, np.uint8)
    picture[10:30, 10:30], picture[35:60, 35:60] = (200, 30, 30), (30, 60, 200)
    labels = superpixels(picture)
    assert len({labels[20, 20], labels[50, 50], labels[5, 60]}) == 3
    assert len(np.unique(labels[15:25, 15:25])) == 1


def test_kmeans_masks_find_clusters():
    truth = torch.arange(3).repeat_interleave(4).view(3, 4)
    masks = kmeans_masks(10 * torch.eye(5)[:3][truth], 3)
    assert masks.shape == (3, 3, 4)
    assert_close(masks.sum(0), torch.ones(3, 4))
    assert len({tuple(m.flatten().tolist()) for m in masks}) == 3
    assert kmeans_masks(torch.ones(2, 2, 3), 4).shape == (1, 2, 2)  # one distinct patch: one cluster


def test_the_ceiling_is_the_share_that_each_object_covers():
    ids = torch.zeros(4, 4, dtype=torch.long)
    ids[:2, :3] = 5
    masks = ceiling_masks(ids, (2, 2))
    assert_close(masks[1], torch.tensor([[1.0, 0.5], [0.0, 0.0]]))
    assert_close(masks.sum(0), torch.ones(2, 2))
