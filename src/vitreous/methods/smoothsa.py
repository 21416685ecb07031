"""SmoothSA: the first slots know the picture before slot attention begins, and later frames need one look.

Paper     Zhao et al., "Smoothing Slot Attention Iterations and Recurrences", 2025, arXiv:2508.05417.
Built     preheated first slots, three iterations in the first frame and one later, RandSF.Q's transition between
          frames, random-order decoder, contrast of slots over time; first slots that are drawn (stills, YouTube-VIS) or
          come from true boxes (MOVi). Stills and clips are one model: a still has a first frame only.
Left out  nothing.
Differs   start="warm" (ours, the default): what is preheated are groups of like patches instead of drawn slots; the
          preheater starts as the identity, and no noise is added, since groups vary in training by themselves. The
          transition starts by handing on the running means of what slots won, as in savi_dinosaur.py. masks="attention"
          and centre=True (ours, the defaults), as in dinosaur.py. The paper's own are start="gaussian",
          masks="decoder", centre=False. start="boxes" has a slot for the background too, and spare ones are absent; in
          the release there are as many slots as the batch has objects at most, and noise at test too.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vitreous.blocks.contrast import slot_contrast
from vitreous.blocks.decoders import RandomOrderDecoder
from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.hints import BoxStart
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.losses import rebuild_loss
from vitreous.blocks.preheat import Preheat, Preheated, preheat_loss
from vitreous.blocks.scan import check_scan, scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.transformers import TransformerDecoder
from vitreous.blocks.transition import RandomPairTransition
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SmoothSAConfig:
    """The authors' numbers: slots 256 wide, 3 iterations in the first frame and 1 later, 4 layers of 4 heads, preheat
    100, detach 0.1, contrast 0.5 at a temperature of 0.1, window as long as the clips of the training.

    later                 iterations in every frame but the first
    start                 warm; gaussian; boxes: from the ids of each clip's first frame, with noise of a learned width
    truncate              what is differentiated: all iterations (their clips), or the last and straight to the start
                          (their stills, which do not converge otherwise)
    preheat               weight of what the preheater's guess misses the final slots by
    detach                share of the training in which this does not teach the projection of the features
    window dropout        of the transition, as in randsfq.py
    contrast              weight of the contrast
    contrast_temperature  divides its cosines
    memory                of warm slots in clips, in [0, 1): see `scan`
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 256
    iterations: int = 3
    later: int = 1
    start: Literal["warm", "gaussian", "boxes"] = "warm"
    truncate: Literal["none", "bilevel"] = "bilevel"
    preheat: float = 100.0
    detach: float = 0.1
    window: int = 6
    dropout: float = 0.5
    contrast: float = 0.5
    contrast_temperature: float = 0.1
    decoder_layers: int = 4
    decoder_heads: int = 4
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    memory: float = 0.7
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_scan(self.later, self.memory)
        if self.window < 2 or not self.contrast_temperature > 0:
            raise RunError(
                f"window must be at least 2 and contrast_temperature above 0, not {self.window} and "
                f"{self.contrast_temperature}."
            )


class SpreadBoxes(BoxStart):
    """A slot per box, normed, and while training spread by a learned deviation of 1 at the start."""

    def __init__(self, slots: int, slot_dim: int) -> None:
        super().__init__(slots, slot_dim)
        self.norm, self.log_std = nn.LayerNorm(slot_dim), nn.Parameter(torch.zeros(1, 1, slot_dim))

    def forward(self, ids: Int[Tensor, "b y x"]) -> Begun:
        slots, keep = super().forward(ids)
        slots = self.norm(slots)
        return Begun(slots + torch.randn_like(slots) * self.log_std.exp() if self.training else slots, keep)


class SmoothSA(Method):
    Config = SmoothSAConfig

    def __init__(self, config: SmoothSAConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SmoothSAConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        self.memory = config.memory if config.start == "warm" else None
        how: dict[str, Any] = {"iterations": config.iterations, "truncate": config.truncate}
        window: dict[str, Any] = {"window": config.window, "dropout": config.dropout}
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            self.group = Grouping.warm(d, s, start, temperature=config.temperature, **how)
            self.preheat = Preheat(s, s, noise=False).start_as_identity()
            self.transit = RandomPairTransition(s, s, **window).start_as_identity()
        else:
            if config.start == "boxes":
                start, self.needs = SpreadBoxes(k, s), self.needs | {"first_ids"}
            else:
                start = SharedGaussian(k, s)
                nn.init.zeros_(start.mean)
                nn.init.zeros_(start.log_std)
            attend = SlotAttention(d, s, activation="gelu", eps=1e-5, eps_in="sum", **how)
            self.group = Grouping(mlp((d, d, d), "gelu"), start, attend)
            self.preheat = Preheat(s, d)
            self.transit = RandomPairTransition(s, d, **window)
        transformer = TransformerDecoder(
            d,
            layers=config.decoder_layers,
            heads=config.decoder_heads,
            activation="gelu",
            enter="normed",
            bias=False,
            attention_bias=False,
        )
        self.decode = RandomOrderDecoder(s, transformer, grid[0] * grid[1])

    def forward(self, batch: Batch, state: Begun | None = None) -> SlotOutput:
        clips, grid = batch.features.shape[:2], self.grid
        features = batch.features.flatten(2, 3)  # b t n d
        x = self.group.project(features)
        aside: dict[str, Tensor] = {}

        def begin() -> Begun:
            drawn = self.begin(batch, features[:, 0], x[:, 0])
            heated = self.heat(drawn, x[:, 0])
            aside["guess"] = heated.guess
            return Begun(heated.slots, drawn.keep)

        how: dict[str, Any] = {"later": self.config.later, "memory": self.memory, "state": state}
        found = scan(x, self.group.attend, begin, self.transit, **how)
        shared = features.mean(2, keepdim=True) * self.config.centre
        keep = None if found.keep is None else found.keep.flatten(0, 1)
        told = self.decode(found.slots.flatten(0, 1), (features - shared).flatten(0, 1), keep=keep)
        rebuilt, masks = (v.unflatten(0, clips) for v in told)
        return SlotOutput(
            slots=found.slots,
            masks=(found.attention[:, :, -1] if self.config.masks == "attention" else masks).unflatten(-1, grid),
            rebuilt=(rebuilt + shared).unflatten(2, grid),
            attention=found.attention.unflatten(-1, grid),
            keep=found.keep,
            state=found.state,
            aside=aside,
        )

    def begin(self, batch: Batch, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n e"]) -> Begun:
        """What is preheated."""
        if isinstance(self.group.start, BoxStart):
            return self.group.start(self.first_ids_of(batch))
        return self.group.begin(features, x)

    def heat(self, drawn: Begun, x: Float[Tensor, "b n e"]) -> Preheated:
        """The first slots. Early in the training what the preheater wants does not reach the projection."""
        early = self.training and self.progress < self.config.detach
        return self.preheat(drawn.slots, x.detach() if early else x, drawn.keep)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        """Of frames that go on from others `preheat` is 0."""
        terms = {
            "rebuild": rebuild_loss(out.rebuilt, batch.features, "mse"),
            "contrast": slot_contrast(out.slots, out.keep, temperature=self.config.contrast_temperature),
            "preheat": batch.features.new_zeros(()),
        }
        if "guess" in out.aside:
            keep = None if out.keep is None else out.keep[:, 0]
            terms["preheat"] = self.config.preheat * preheat_loss(out.aside["guess"], out.slots[:, 0], keep)
        return terms | {"contrast": self.config.contrast * terms["contrast"]}
