"""The spatial broadcast decoder (Watters et al. 2019, arXiv:1901.07017), to features and at the cost of its middle.

Written out, every layer runs once per slot. Two of them need not, and the numbers stay the same:

first   is linear in slot + position. The position's part is the same for all slots and samples. The slot's part is the
        same all over the grid but for the borders, so it is worked out on the smallest grid that has every kind of
        border and its middle is repeated.
last    is linear, and so is the mixture over slots after it. Mixing what the last layer sees, tap by tap of its
        kernel, and applying it once gives what mixing its answers gives. Only the mask logit is needed per slot. Where
        its answers are few, as the colours of pixels, they are mixed as they are.

Slots that are left out are not computed at all.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad, relu, unfold

from vitreous.blocks.decoders import Rebuilt

FEW = 8  # answers of the last layer up to which each slot gives its own


def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Conv2d | nn.ConvTranspose2d:
    """Of the same size, or `stride` times as large."""
    if stride == 1:
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=kernel // 2, output_padding=stride - 1)


class BroadcastDecoder(nn.Module):
    """Every slot paints the whole grid by convolutions that know where they are; a softmax over slots decides.

    hidden strides  channels and upsampling of each layer but the last; a stride above 1 is a transposed convolution,
                    so the features come out on a larger grid
    kernels         odd sides, one per layer, the last one's included
    position        coordinates from -1 to 1 are two more channels, (x, y) ("channels": the seed project), or a linear
                    map of (y, x) is added to the slot ("added": VideoSAUR)
    temperature     divides the mask logits: below 1 slots compete harder
    clamp           bound of the logits after that; a slot that is sure is not pushed further
    """

    places: Tensor

    def __init__(
        self,
        slot_dim: int,
        feature_dim: int,
        grid: tuple[int, int],
        hidden: Sequence[int] = (384, 384),
        kernels: Sequence[int] = (5, 5, 3),
        strides: Sequence[int] | None = None,
        *,
        position: Literal["channels", "added"] = "channels",
        temperature: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        strides = (1,) * len(hidden) if strides is None else strides
        if not hidden or len(kernels) != len(hidden) + 1 or len(strides) != len(hidden):
            raise ValueError(f"{len(hidden)} hidden layers need {len(hidden) + 1} kernels, not {len(kernels)}")
        if any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"kernels must have odd sides, not {tuple(kernels)}")
        self.slot_dim, self.grid, self.temperature, self.clamp = slot_dim, grid, temperature, clamp
        y, x = (torch.linspace(-1, 1, size) for size in grid)
        places = torch.stack(torch.meshgrid(y, x, indexing="ij"))
        self.register_buffer("places", places if position == "added" else places.flip(0), persistent=False)
        self.position = nn.Linear(2, slot_dim) if position == "added" else None
        sizes = [slot_dim + 2 * (position == "channels"), *hidden]
        layers = map(convolution, sizes[:-1], hidden, kernels[:-1], strides)
        self.first, self.rest = next(layers), nn.ModuleList(layers)
        self.last = nn.Conv2d(hidden[-1], feature_dim + 1, kernels[-1], padding=kernels[-1] // 2)

    def forward(self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None) -> Rebuilt:
        """Rebuild the features. Slots that `keep` leaves out paint nothing."""
        b, k = slots.shape[:2]
        there = torch.arange(b * k, device=slots.device) if keep is None else keep.flatten().nonzero()[:, 0]
        x = self.spread(slots.flatten(0, 1)[there])
        for layer in self.rest:
            x = layer(relu(x))
        x = relu(x)
        few = self.last.out_channels <= FEW
        if few:
            x = self.last(x)
            logits = x[:, -1:] / self.temperature
        else:
            weight, bias = self.last.weight[-1:], self.last.get_parameter("bias")[-1:]
            logits = conv2d(x, weight, bias, padding=self.last.padding) / self.temperature
        if self.clamp is not None:
            logits = logits.clamp(-self.clamp, self.clamp)
        shape = (b * k, *x.shape[-2:])
        masks = logits.new_full(shape, -torch.inf).index_copy(0, there, logits[:, 0]).unflatten(0, (b, k)).softmax(1)
        if keep is not None:
            x = x.new_zeros(b * k, *x.shape[1:]).index_copy(0, there, x)
        x = x.unflatten(0, (b, k))
        mixed = (x[:, :, :-1] * masks[:, :, None]).sum(1).flatten(2).mT if few else self.mix(x, masks)
        return Rebuilt(mixed, masks.flatten(2))

    def spread(self, slots: Float[Tensor, "m s"]) -> Float[Tensor, "m c y x"]:
        """The first layer: of slots on the smallest grid with every kind of border, stretched, plus that of places."""
        places = self.places
        if self.position is None:  # as many channels for both: the slot's are empty here, the places' there
            slots, places = pad(slots, (0, 2)), pad(places, (0, 0, 0, 0, self.slot_dim, 0))
        else:
            places = self.position(places.movedim(0, -1)).movedim(-1, 0)
        stride = self.first.stride[0]
        reach = -(-(self.first.kernel_size[0] // 2) // stride)  # cells from which a border is felt
        small = [min(size, 2 * reach + 1) for size in self.grid]
        x = slots[:, :, None, None].expand(-1, -1, *small).contiguous(memory_format=torch.channels_last)
        x = self.first(x) - self.first.get_parameter("bias")[:, None, None]  # it comes with the places
        for dim, size, have in zip((2, 3), self.grid, small, strict=True):
            if have < size:
                low, middle, high = x.split([reach * stride, stride, reach * stride], dim)
                x = torch.cat([low, *[middle] * (size - 2 * reach), high], dim)
        return x + self.first(places[None].contiguous(memory_format=torch.channels_last))

    def mix(self, x: Float[Tensor, "b k c y x"], masks: Float[Tensor, "b k y x"]) -> Float[Tensor, "b n d"]:
        """The mixture over slots of the last layer's answers, mask logit aside."""
        (height, width), side = x.shape[-2:], self.last.kernel_size[0]
        # at each place, how much each slot counts for the neighbours that see this place through tap 0, 1, ...
        shares = unfold(masks, side, padding=side // 2).unflatten(1, (x.shape[1], -1)).flip(2)  # b k taps n
        mixed = shares.permute(0, 3, 2, 1) @ x.flatten(3).permute(0, 3, 1, 2)  # b n taps c
        mixed = pad(mixed.unflatten(1, (height, width)), (0, 0, 0, 0, *[side // 2] * 4))
        seen = [mixed[:, i : i + height, j : j + width, i * side + j] for i in range(side) for j in range(side)]
        weight = self.last.weight[:-1].permute(0, 2, 3, 1).flatten(1)
        return linear(torch.cat(seen, dim=-1), weight, self.last.get_parameter("bias")[:-1]).flatten(1, 2)
