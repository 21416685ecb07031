import numpy as np
import torch

from vitreous.report.pictures import PALETTE, overlay, paint, principal_colours, sheet


def test_paint_gives_every_label_its_colour_and_white_to_none():
    painted = paint(np.array([[0, 1], [-1, len(PALETTE)]]))
    assert painted[0, 0].tolist() == PALETTE[0].tolist() == painted[1, 1].tolist()
    assert painted[1, 0].tolist() == [255, 255, 255]
    assert len({tuple(c) for c in PALETTE.tolist()}) == len(PALETTE)


def test_overlay_draws_borders():
    labels = np.zeros((8, 8), int)
    labels[:, 4:] = 1
    mixed = overlay(np.zeros((8, 8, 3), np.uint8), labels)
    assert (mixed[:, 4] == 255).all()
    assert (mixed[:, 2] < 255).any()


def test_principal_colours_tell_kinds_of_patches_apart_alike_in_all_pictures():
    kinds = torch.tensor([[[0, 1], [2, 0]], [[2, 2], [1, 0]]])
    colours = principal_colours(torch.randn(3, 8, generator=torch.Generator().manual_seed(0))[kinds])
    assert colours.shape == (2, 2, 2, 3)
    assert (colours[0, 0, 0] == colours[1, 1, 1]).all()
    assert np.abs(colours[0, 0, 0].astype(int) - colours[0, 0, 1]).max() > 50


def test_principal_colours_of_few_channels():
    assert principal_colours(torch.rand(1, 3, 3, 2)).shape == (1, 3, 3, 3)


def test_sheet_holds_pictures_of_any_shape():
    wide, tall = np.zeros((10, 20, 3), np.uint8), np.zeros((300, 100, 3), np.uint8)
    page = sheet([("a", [wide, tall]), ("b", [tall, wide])], side=64)
    assert page.size == (2 * 70 + 6, 22 + 2 * 70 + 6)
