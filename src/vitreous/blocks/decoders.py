"""From slots back to features: what is rebuilt, and which slot rebuilt it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, relu

from vitreous.blocks.transformers import EncoderBlock, TransformerDecoder, leave_out


class Rebuilt(NamedTuple):
    """features: what the slots rebuild together; masks: the share of each slot in it, summing to 1 over k."""

    features: Float[Tensor, "b n d"]
    masks: Float[Tensor, "b k n"]


class PatchMLP(nn.Module):
    """Every slot paints every patch, a softmax over slots decides (Seitzer et al. 2023, DINOSAUR, arXiv:2209.14860).

    Slot + learned position -> MLP -> d features and a mask logit. The first layer is linear in slot + position, so it
    is applied to slots and positions apart and added; the last one is linear and the masks sum to 1, so what goes
    into it is mixed first. The same numbers, without b·k·n rows of either.

    hidden        (2048,)·3 for COCO and VOC, (1024,)·3 for MOVi
    activation    "relu"; "gelu" (exact) in RandSF.Q and relatives
    project       width of a linear layer before the position is added (OCLF's option); None: slots as they are
    position_std  of the position table at the start: 0.02 (OCLF), s^-0.5 (VideoSAUR), 1 (RandSF.Q)
    """

    def __init__(
        self,
        slot_dim: int,
        feature_dim: int,
        patches: int,
        hidden: Sequence[int] = (1024,) * 3,
        *,
        activation: Literal["relu", "gelu"] = "relu",
        project: int | None = None,
        position_std: float = 0.02,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("the patch MLP needs at least one hidden layer")
        width = slot_dim if project is None else project
        self.project = nn.Identity() if project is None else nn.Linear(slot_dim, width)
        self.position = nn.Parameter(torch.randn(1, patches, width) * position_std)
        sizes = [width, *hidden, feature_dim + 1]
        self.first, *rest = (nn.Linear(a, b) for a, b in pairwise(sizes))
        self.rest = nn.ModuleList(rest)
        self.activation = {"relu": relu, "gelu": gelu}[activation]

    def forward(self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None) -> Rebuilt:
        """Rebuild the features. Slots that `keep` leaves out paint nothing."""
        position = linear(self.position, self.first.weight)  # 1 n hidden
        x = self.activation(self.first(self.project(slots))[:, None] + position[:, :, None])  # b n k hidden
        *middle, last = self.rest
        for layer in middle:
            x = self.activation(layer(x))
        weight, bias = last.parameters()
        logits = linear(x, weight[-1:], bias[-1:])[..., 0]
        masks = leave_out(logits, keep if keep is None else keep[:, None]).softmax(dim=2)  # b n k
        mixed = (masks[:, :, None] @ x)[:, :, 0]
        return Rebuilt(linear(mixed, weight[:-1], bias[:-1]), masks.mT)


class Mixture(nn.Module):
    """Every patch is the mean of the slots that share it, painted by one linear layer (ours, for the warm start).

    The shares are those of slot attention, so rebuilding teaches the very masks that are used. `like` starts the layer
    as the transpose of the projection into the slots: if that is orthogonal, step 0 rebuilds what soft k-means of the
    layer-normed features would.
    """

    def __init__(self, slot_dim: int, feature_dim: int) -> None:
        super().__init__()
        self.paint = nn.Linear(slot_dim, feature_dim)

    def forward(self, slots: Float[Tensor, "b k s"], masks: Float[Tensor, "b k n"]) -> Rebuilt:
        """Rebuild the features. Slots that share nothing paint nothing."""
        return Rebuilt(masks.mT @ self.paint(slots), masks)

    @torch.no_grad()
    def like(self, projection: nn.Linear) -> "Mixture":
        """Start as the inverse of an orthogonal projection of features into slots."""
        self.paint.weight.copy_(projection.weight.T)
        nn.init.zeros_(self.paint.bias)
        return self


class SlotMixer(nn.Module):
    """Every patch mixes a slot of its own, which is painted once (Sajjadi et al. 2022, OSRT, arXiv:2206.06922).

    As in VideoSAUR (Zadaianchuk et al. 2023, arXiv:2306.04829): learned positions look at the slots, but not at each
    other, then claim shares of them; mixture + position -> MLP, relu also after its last hidden layer -> d features.
    n rows are painted, not k·n. 2 blocks and hidden = (1024,)·4 for MOVi; 3 and (1024,)·3 for YouTube-VIS.

    odd_scale  of the allocator's attention, as in that release: see Attention
    """

    def __init__(
        self,
        slot_dim: int,
        feature_dim: int,
        patches: int,
        hidden: Sequence[int] = (1024,) * 4,
        *,
        blocks: int = 2,
        heads: int = 4,
        odd_scale: bool = False,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("the slot mixer needs at least one hidden layer")
        self.position = nn.Parameter(torch.randn(1, patches, slot_dim) * slot_dim**-0.5)
        self.norm_memory, self.norm_query, self.norm_key = (nn.LayerNorm(slot_dim) for _ in range(3))
        self.allocate = nn.ModuleList(
            EncoderBlock(slot_dim, heads, 4 * slot_dim, odd_scale=odd_scale) for _ in range(blocks)
        )
        self.to_query = nn.Linear(slot_dim, slot_dim, bias=False)
        self.to_key = nn.Linear(slot_dim, slot_dim, bias=False)
        for layer in (self.to_query, self.to_key):
            nn.init.xavier_uniform_(layer.weight)
        self.render = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([slot_dim, *hidden]))
        self.output = nn.Linear(hidden[-1], feature_dim)

    def forward(self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None) -> Rebuilt:
        """Rebuild the features. Slots that `keep` leaves out are mixed into nothing."""
        query, memory = self.position.expand(slots.shape[0], -1, -1), self.norm_memory(slots)
        for block in self.allocate:
            query = block(query, memory, keep)
        key = self.to_key(self.norm_key(slots)) * slots.shape[-1] ** -0.5
        logits = self.to_query(self.norm_query(query)) @ key.mT
        masks = leave_out(logits, keep if keep is None else keep[:, None]).softmax(dim=2)  # b n k
        x = masks @ slots + self.position
        for layer in self.render:
            x = relu(layer(x))
        return Rebuilt(self.output(x), masks.mT)


class AutoregressiveDecoder(nn.Module):
    """A transformer tells each patch from those before it and from the slots; its last look at them is the mask.

    Seitzer et al. 2023 (DINOSAUR, arXiv:2209.14860): in = [begin, x_1 .. x_{n-1}],
    y = transformer(LN(in·W), LN(slots·V)) with a causal mask, y near x. It is fed the true features, at test too.
    Kakogeorgiou et al. 2024 (SPOT, arXiv:2312.00648) train with nine orders, each with a begin token of its own.

    orders    how many of `patch_orders`: 1 row by row (DINOSAUR, SLATE), 9 all of them (SPOT)
    project   False: features and slots go in as they are, both as wide as the transformer (SLATE)
    position  True: a learned table is added to what goes in, at the patch that is to be told (SLATE)
    outputs   width of a linear layer after the transformer, say logits over codes (SLATE); None: none
    """

    orders: Int[Tensor, "o n"]

    def __init__(
        self,
        slot_dim: int,
        transformer: TransformerDecoder,
        grid: tuple[int, int],
        *,
        orders: int = 1,
        project: bool = True,
        position: bool = False,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        dim, patches = transformer.dim, grid[0] * grid[1]
        if not 1 <= orders <= 9:
            raise ValueError(f"there are nine orders of the patches, so orders is 1 to 9, not {orders}")
        if not project and slot_dim != dim:
            raise ValueError(f"without projection slots ({slot_dim} wide) must be as wide as the transformer ({dim})")
        self.register_buffer("orders", patch_orders(*grid)[:orders], persistent=False)
        self.begin = nn.Parameter(torch.randn(orders, 1, dim) * dim**-0.5)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, patches, dim))) if position else None
        self.project_features = projection(dim, dim) if project else nn.Identity()
        self.project_slots = projection(slot_dim, dim) if project else nn.Identity()
        self.transformer = transformer
        self.output = nn.Identity() if outputs is None else nn.Linear(dim, outputs, bias=False)

    def forward(
        self,
        slots: Float[Tensor, "b k s"],
        target: Float[Tensor, "b n d"],
        *,
        keep: Bool[Tensor, "b k"] | None = None,
        order: int | Literal["all"] | None = None,
    ) -> Rebuilt:
        """Rebuild the target. Nobody looks at slots that `keep` leaves out. The target may carry a gradient.

        order  "all": the mean over the orders; None: one drawn for the batch while training, row by row at test
        """
        if order == "all":
            each = [self(slots, target, keep=keep, order=i) for i in range(len(self.orders))]
            return Rebuilt(*(torch.stack(values).mean(0) for values in zip(*each, strict=True)))
        if order is None:
            order = int(torch.randint(len(self.orders), ())) if self.training else 0
        if not 0 <= order < len(self.orders):
            raise ValueError(f"no order {order}: this decoder has {len(self.orders)}, counted from 0")
        way = self.orders[order]
        if target.shape[1] != len(way):
            raise ValueError(f"the target has {target.shape[1]} patches, the decoder's grid has {len(way)}")
        x = torch.cat([self.begin[order].expand(target.shape[0], -1, -1), target[:, way[:-1]]], dim=1)
        x = self.project_features(x)
        if self.position is not None:
            x = x + self.position[:, way]
        x, masks = self.transformer(x, self.project_slots(slots), causal=True, keep=keep)
        back = way.argsort()
        return Rebuilt(self.output(x)[:, back], masks[..., back])


class RandomOrderDecoder(nn.Module):
    """A transformer sees some patches and tells all of them from these and the slots; its last look is the mask.

    Zhao et al. 2025 (DIAS, arXiv:2507.23755): the first few of a random order are seen, a mask token stands for the
    others, no mask is causal. The release shuffles the sequence and back; positions are shuffled along, so nothing
    depends on the order except which patches are seen, and nothing is moved here. At test all are seen: the masks
    are of use then, but the features come out near the target whatever the slots are.

    p     of drawing how many are seen evenly from 0 .. n-2; otherwise it is
    seen  of 256 patches, in proportion on other grids (the release: 24 on every grid)
    """

    def __init__(
        self, slot_dim: int, transformer: TransformerDecoder, patches: int, *, p: float = 0.5, seen: int = 24
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, not {p}")
        dim = transformer.dim
        self.p, self.seen = p, seen * patches // 256
        self.mask_token = nn.Parameter(torch.randn(1, 1, dim) * dim**-0.5)
        self.position = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, patches, dim)))
        self.project_features, self.project_slots = projection(dim, dim), projection(slot_dim, dim)
        self.transformer = transformer

    def forward(
        self,
        slots: Float[Tensor, "b k s"],
        target: Float[Tensor, "b n d"],
        *,
        keep: Bool[Tensor, "b k"] | None = None,
        order: Int[Tensor, "b n"] | None = None,
        seen: Int[Tensor, " b"] | None = None,
    ) -> Rebuilt:
        """Rebuild the target. Nobody looks at slots that `keep` leaves out.

        order seen  the first `seen` patches of each order are seen; drawn while training where not given
        """
        x = self.project_features(target)
        if self.training or order is not None or seen is not None:
            order = torch.rand(x.shape[:2], device=x.device).argsort(1) if order is None else order
            seen = self.draw(x) if seen is None else seen
            x = torch.where((order.argsort(1) < seen[:, None])[..., None], x, self.mask_token)
        return Rebuilt(*self.transformer(x + self.position, self.project_slots(slots), keep=keep))

    def draw(self, x: Float[Tensor, "b n d"]) -> Int[Tensor, " b"]:
        """How many patches of each sample are seen."""
        b, n = x.shape[:2]
        even = torch.randint(max(n - 1, 1), (b,), device=x.device)
        return even.where(torch.rand(b, device=x.device) < self.p, self.seen)


def projection(dim: int, width: int) -> nn.Module:
    """What stands before the transformer of every decoder here."""
    return nn.Sequential(nn.Linear(dim, width, bias=False), nn.LayerNorm(width))


def patch_orders(h: int, w: int) -> Int[Tensor, "9 n"]:
    """The nine orders of SPOT, as indices into patches that are counted row by row.

    0 rows from the top, left to right     3 the same, right to left     7 5 rows from the bottom, the same two
    1 columns from the left, downwards     6 the same, upwards           2 4 columns from the right, the same two
    8 the spiral from the centre that ends at the top right corner, up the right edge
    """
    grid = torch.arange(h * w).view(h, w)
    rest, peeled = grid, []
    while rest.numel():
        rest = rest.rot90()
        peeled.append(rest[0])
        rest = rest[1:]
    across, down, both = grid.flip(1), grid.flip(0), grid.flip(0, 1)
    ways = [grid, grid.T, across.T, across, both.T, both, down.T, down]
    return torch.stack([*(way.flatten() for way in ways), torch.cat(peeled).flip(0)])
