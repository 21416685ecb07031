"""Slot attention (Locatello et al. 2020, Algorithm 1, arXiv:2006.15055), with the variants that papers need."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu, relu


class Looks(NamedTuple):
    """slots after the last iteration; attention of every iteration, before it is normalised over the patches."""

    slots: Float[Tensor, "b k s"]
    attention: Float[Tensor, "b i k n"]


class Seen(NamedTuple):
    """What slots look at: keys and values of the patches, in heads. They are the same for every look at a frame."""

    key: Float[Tensor, "b a n e"]
    value: Float[Tensor, "b a n e"]


class ResidualMLP(nn.Module):
    """x + fc2(act(fc1(norm(x)))), slot by slot."""

    def __init__(self, dim: int, hidden: int, activation: Literal["relu", "gelu"] = "relu") -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.activation = {"relu": relu, "gelu": gelu}[activation]

    def forward(self, x: Float[Tensor, "*rows s"]) -> Float[Tensor, "*rows s"]:
        return x + self.fc2(self.activation(self.fc1(self.norm(x))))


class SlotAttention(nn.Module):
    """Slots compete for patches, then each becomes the mean of what it won.

    The variants, each with the projects that use it (reference: the papers' public code):

    mlp_dim   width of the residual MLP after the update; 0: none (SAVi, VideoSAUR)
    mlp_last  False: not after the last update (STEVE)
    gru       False: the update *is* the new slot (our warm start; then one step is one step of soft k-means)
    hidden    what the GRU carries on: "raw" slots, as printed, or "normed", after the layer norm (VideoSAUR)
    eps_in    "share": eps is added to every share, so a slot that wins nothing averages everything (Locatello 2020);
              "sum": to the sum only, so such a slot gets an update of zero (SAVi, DIAS)
    heads     the softmax runs over slots and heads together (OCLF, SPOT); reported attention sums over the heads
    truncate  "none"; "last": only the last iteration is differentiated; "bilevel": that, and the gradient goes
              straight through to the initial slots (Jia et al. 2023, arXiv:2210.08990)
    """

    def __init__(
        self,
        feature_dim: int,
        slot_dim: int,
        *,
        iterations: int = 3,
        mlp_dim: int | None = None,
        mlp_last: bool = True,
        activation: Literal["relu", "gelu"] = "relu",
        gru: bool = True,
        hidden: Literal["raw", "normed"] = "raw",
        eps: float = 1e-8,
        eps_in: Literal["share", "sum"] = "share",
        heads: int = 1,
        truncate: Literal["none", "last", "bilevel"] = "none",
    ) -> None:
        super().__init__()
        if slot_dim % heads:
            raise ValueError(f"slot width {slot_dim} does not divide into {heads} heads")
        self.iterations, self.eps, self.eps_in = iterations, eps, eps_in
        self.hidden, self.heads, self.truncate, self.mlp_last = hidden, heads, truncate, mlp_last
        self.norm_features, self.norm_slots = nn.LayerNorm(feature_dim), nn.LayerNorm(slot_dim)
        self.to_key = nn.Linear(feature_dim, slot_dim, bias=False)
        self.to_value = nn.Linear(feature_dim, slot_dim, bias=False)
        self.to_query = nn.Linear(slot_dim, slot_dim, bias=False)
        self.gru = nn.GRUCell(slot_dim, slot_dim) if gru else None
        mlp_dim = 4 * slot_dim if mlp_dim is None else mlp_dim
        self.mlp = ResidualMLP(slot_dim, mlp_dim, activation) if mlp_dim else None

    def forward(
        self,
        features: Float[Tensor, "b n d"] | Seen,
        slots: Float[Tensor, "b k s"],
        *,
        iterations: int | None = None,
        keep: Bool[Tensor, "b k"] | None = None,
    ) -> Looks:
        """Refine `slots` by looking at `features`, or at what `see` made of them, which saves doing so twice. Slots
        that `keep` leaves out win no patch.
        """
        key, value = features if isinstance(features, Seen) else self.see(features)
        first, attention = slots, []
        count = self.iterations if iterations is None else iterations
        for step in range(count):
            if step == count - 1 and self.truncate != "none":
                slots = slots.detach()
                if self.truncate == "bilevel":
                    slots = slots + first - first.detach()  # value unchanged, gradient straight to the start
            slots, share = self.step(key, value, slots, keep)
            if self.mlp is not None and (self.mlp_last or step < count - 1):
                slots = self.mlp(slots)
            attention.append(share)
        return Looks(slots, torch.stack(attention, dim=1))

    def see(self, features: Float[Tensor, "b n d"]) -> Seen:
        """Keys and values of patches."""
        x = self.norm_features(features)
        return Seen(self.split(self.to_key(x)), self.split(self.to_value(x)))

    def step(
        self,
        key: Float[Tensor, "b a n e"],
        value: Float[Tensor, "b a n e"],
        slots: Float[Tensor, "b k s"],
        keep: Bool[Tensor, "b k"] | None,
    ) -> tuple[Float[Tensor, "b k s"], Float[Tensor, "b k n"]]:
        """One iteration: compete, gather, update."""
        normed = self.norm_slots(slots)
        query = self.split(self.to_query(normed)) * key.shape[-1] ** -0.5
        logits = query @ key.mT  # b a k n
        if keep is not None:
            logits = logits.masked_fill(~keep[:, None, :, None], -torch.inf)
        share = logits.flatten(1, 2).softmax(dim=1).view_as(logits)  # over heads and slots: patches are divided up
        if self.eps_in == "share":
            weight = share + self.eps
            weight = weight / weight.sum(dim=-1, keepdim=True)
        else:
            weight = share / (share.sum(dim=-1, keepdim=True) + self.eps)
        update = (weight @ value).transpose(1, 2).flatten(2)  # b k s: heads side by side again
        if self.gru is None:
            slots = update
        else:
            carried = normed if self.hidden == "normed" else slots
            slots = self.gru(update.flatten(0, 1), carried.flatten(0, 1)).view_as(slots)
        return slots, share.sum(1)

    def split(self, x: Float[Tensor, "b m s"]) -> Float[Tensor, "b a m e"]:
        """Cut the channels into heads."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    @torch.no_grad()
    def start_as_kmeans(self, temperature: float = 1.0) -> "SlotAttention":
        """Make the module soft k-means at step 0: identity projections, zero-started MLP. Needs gru=False, d = s.

        temperature divides the logits. Every later change of the weights is then an improvement on k-means, or
        training undoes it.
        """
        if self.gru is not None or self.to_key.in_features != self.to_key.out_features:
            raise ValueError("start_as_kmeans needs gru=False and features as wide as the slots")
        for layer in (self.to_key, self.to_value, self.to_query):
            nn.init.eye_(layer.weight)
        self.to_query.weight /= temperature
        if self.mlp is not None:
            nn.init.zeros_(self.mlp.fc2.weight)
            nn.init.zeros_(self.mlp.fc2.bias)
        return self
