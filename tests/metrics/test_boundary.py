import numpy as np
import pytest
import torch
from skimage.morphology import dilation, disk

from vitreous.metrics.boundary import boundary_f


def square(top, left, side=4, size=12):
    labels = torch.zeros(1, size, size, dtype=torch.long)
    labels[:, top : top + side, left : left + side] = 1
    return labels


def test_by_hand():
    halves, thirds = torch.zeros(2, 1, 4, 12, dtype=torch.long)
    halves[..., 6:], thirds[..., 6:], thirds[..., 10:] = 1, 1, 2
    assert boundary_f(thirds, halves).item() == pytest.approx(2 / 3)  # precision 1/2, recall 1
    assert boundary_f(square(4, 4), square(4, 5)).item() == 1  # within one pixel: 0.008 of 17, rounded up
    assert boundary_f(square(4, 4), square(4, 6)).item() < 1


def test_agrees_with_the_measure_of_davis():
    """One object each: borders dilated by a disk, as the DAVIS toolkit does, written with scikit-image."""
    g = torch.Generator().manual_seed(0)
    pred, true = (torch.nn.functional.avg_pool2d(torch.rand(3, 40, 60, generator=g), 7, 1) > 0.5 for _ in range(2))
    expected = []
    for p, t in zip(pred.numpy(), true.numpy(), strict=True):
        edges = []
        for m in (p, t):
            e, s, se = np.zeros_like(m), np.zeros_like(m), np.zeros_like(m)
            e[:, :-1], s[:-1], se[:-1, :-1] = m[:, 1:], m[1:], m[1:, 1:]
            edge = (m ^ e) | (m ^ s) | (m ^ se)
            edge[-1], edge[:, -1], edge[-1, -1] = m[-1] ^ e[-1], m[:, -1] ^ s[:, -1], False
            edge[-1, :-1], edge[:-1, -1] = m[-1, :-1] ^ m[-1, 1:], m[:-1, -1] ^ m[1:, -1]
            edges.append(edge)
        radius = int(np.ceil(0.05 * np.hypot(*p.shape)))
        precision = (edges[0] & dilation(edges[1], disk(radius))).sum() / edges[0].sum()
        recall = (edges[1] & dilation(edges[0], disk(radius))).sum() / edges[1].sum()
        expected.append(2 * precision * recall / (precision + recall))
    assert boundary_f(pred.long(), true.long(), tolerance=0.05).tolist() == pytest.approx(expected)


def test_where_there_is_no_border():
    plain, one = torch.zeros(1, 12, 12, dtype=torch.long), square(4, 4)
    assert boundary_f(plain, plain).item() == 1
    assert boundary_f(plain, one).item() == boundary_f(one, plain).item() == 0
    assert boundary_f(one, torch.full_like(one, -1)).isnan()
    assert boundary_f(one[:0], one[:0]).shape == (0,)


def test_borders_beside_what_does_not_score_do_not_count():
    true = square(4, 4)
    true[:, :, 8:] = -1  # its right border lies there
    pred = square(4, 4, side=4)
    pred[:, :, 9] = 2
    assert boundary_f(pred, true).item() == 1


def test_a_background_cut_in_two_costs_precision_only():
    pred = square(4, 4)
    pred[:, :2] = 2
    assert 0.5 < boundary_f(pred, square(4, 4)).item() < 0.9
