"""From pictures to a vector per cell, and from slots to pictures, for methods that look at pixels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vitreous.blocks.broadcast import BroadcastDecoder
from vitreous.blocks.grouping import mlp


class Places(nn.Module):
    """Adds to the vector of each cell a linear map of where it lies, (y, x) from -1 to 1.

    Slot Attention takes four coordinates from 0 to 1, two of them counted from the far side, STEVE the same of the
    cells' centres, SAVi two from -1 to 1: a linear layer with a bias makes the same maps of all of them.
    """

    places: Tensor

    def __init__(self, dim: int, grid: tuple[int, int]) -> None:
        super().__init__()
        y, x = (torch.linspace(-1, 1, side) for side in grid)
        places = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1)
        self.register_buffer("places", places.flatten(0, 1), persistent=False)
        self.project = nn.Linear(2, dim)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        return x + self.project(self.places)


class PictureEncoder(nn.Module):
    """Convolutions of 5x5, then the place is added, then layer norm and an MLP of each cell.

    Locatello et al. 2020 (arXiv:2006.15055, appendix): four layers 64 wide, none of them strided, at 128 px. SAVi S
    (arXiv:2111.12594) is 32 wide at 64 px; SAVi M and STEVE (arXiv:2205.14065) take every second pixel in the first
    layer at 128 px.

    size    of the pictures (y, x), multiples of the stride; `grid` is what comes out
    stride  of the first layer
    """

    def __init__(self, size: tuple[int, int], width: int, dim: int, *, layers: int = 4, stride: int = 1) -> None:
        super().__init__()
        self.grid = size[0] // stride, size[1] // stride
        convolutions = []
        for i in range(layers):
            convolutions += [nn.Conv2d(width if i else 3, width, 5, 1 if i else stride, padding=2), nn.ReLU()]
        for layer in convolutions[::2]:  # as the public code: torch's own start lets pictures fade from layer to layer
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.convolve, self.place = nn.Sequential(*convolutions), Places(width, self.grid)
        self.mlp = mlp((width, width, dim))

    def forward(self, pictures: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b n d"]:
        """Of pictures in [0, 1]."""
        x = (2 * pictures - 1).contiguous(memory_format=torch.channels_last)
        return self.mlp(self.place(self.convolve(x).flatten(2).mT))


def picture_decoder(
    size: tuple[int, int], slot_dim: int, width: int, *, plain: int = 1, last: int = 3
) -> BroadcastDecoder:
    """From slots to colours of a picture and masks, by layers of 5x5 that double the grid.

    It starts from about 8 cells on the shorter side: four doublings to 128 px, three to 64.

    plain  layers of the same kind that double nothing, before the last
    last   side of the last layer's kernel
    """
    grid, doublings = size, 0
    while min(grid) >= 16 and grid[0] % 2 == grid[1] % 2 == 0:
        grid, doublings = (grid[0] // 2, grid[1] // 2), doublings + 1
    strides = (2,) * doublings + (1,) * plain
    hidden, kernels = (width,) * len(strides), (5,) * len(strides) + (last,)
    return BroadcastDecoder(slot_dim, 3, grid, hidden, kernels, strides, position="added")
