import torch
from torch.testing import assert_close

from vitreous.blocks.encoders import PictureEncoder, Places


def test_a_linear_map_of_two_coordinates_makes_the_maps_of_four_others():
    """Slot Attention takes (y, x, 1 - y, 1 - x) from 0 to 1, through a linear layer with bias."""
    torch.manual_seed(0)
    theirs, ours = torch.nn.Linear(4, 7), Places(7, (3, 5))
    y, x = torch.meshgrid(torch.linspace(0, 1, 3), torch.linspace(0, 1, 5), indexing="ij")
    grid = torch.stack([y, x, 1 - y, 1 - x], dim=-1).flatten(0, 1)
    with torch.no_grad():
        w = theirs.weight
        ours.project.weight.copy_((w[:, :2] - w[:, 2:]) / 2)
        ours.project.bias.copy_(theirs.bias + w.sum(1) / 2)
    assert_close(ours(torch.zeros(1, 15, 7))[0], theirs(grid))


def test_a_cell_sees_its_neighbourhood_and_where_it_is():
    torch.manual_seed(0)
    encoder = PictureEncoder((16, 24), width=8, dim=5, layers=2, stride=2)
    assert encoder.grid == (8, 12)
    picture = torch.rand(1, 3, 16, 24)
    before = encoder(picture)
    picture[:, :, 8, 12] += 1.0
    changed = ((encoder(picture) - before).abs().amax(2) > 1e-6).view(8, 12)
    rows, columns = changed.nonzero().T
    assert changed[4, 6]
    assert rows.min() >= 1
    assert rows.max() <= 7
    assert columns.min() >= 3
    assert columns.max() <= 9
    plain = encoder(torch.zeros(1, 3, 16, 24))[0]
    assert (plain[40:44] - plain[40]).abs().amax(1)[1:].min() > 1e-4  # alike but for where they are
