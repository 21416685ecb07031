"""RandSF.Q: where slots go next is learnt from any past slots and any frame seen since.

Paper     Zhao et al., "Predicting Video Slot Attention Queries from Random Slot-Feature Pairs", 2025, arXiv:2508.01345.
Built     the transition from random slot-feature pairs, one iteration after the first frame, random-order decoder,
          contrast of slots over time; first slots that are drawn (YouTube-VIS) or come from true boxes (MOVi).
Left out  the variant that predicts temporal similarities as well ("-tsim").
Differs   start="warm" and masks="attention" (ours, the defaults), as in dinosaur.py; the transition then starts by
          handing on the running means of what slots won, as in savi_dinosaur.py. centre=True (ours): the mean of a
          frame's patches is kept out of the decoder. The paper's own are start="gaussian", masks="decoder",
          centre=False. start="boxes" has a slot for the background too, and spare ones are absent; in
          the release there are as many slots as the batch has objects at most. On stills there is no transition and the
          contrast is 0.
"""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from vitreous.blocks.contrast import slot_contrast
from vitreous.blocks.decoders import RandomOrderDecoder
from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.hints import BoxStart
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.losses import rebuild_loss
from vitreous.blocks.scan import check_scan, scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.transformers import TransformerDecoder
from vitreous.blocks.transition import RandomPairTransition
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class RandSFQConfig:
    """The authors' numbers: slots 256 wide, 3 iterations in the first frame and 1 later, 4 layers of 4 heads, contrast
    0.5 at a temperature of 0.1, window as long as the clips of the training (6; 5 on YouTube-VIS).

    later                 iterations in every frame but the first
    start                 warm; gaussian; boxes: from the ids of each clip's first frame
    window                frames that the transition may look back on, the one of now included
    dropout               of the transition
    contrast              weight of the contrast
    contrast_temperature  divides its cosines
    memory                of warm slots in clips, in [0, 1): see `scan`
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    later: int = 1
    start: Literal["warm", "gaussian", "boxes"] = "warm"
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
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        check_scan(self.later, self.memory)
        if self.window < 2 or not self.contrast_temperature > 0:
            raise RunError(
                f"window must be at least 2 and contrast_temperature above 0, not {self.window} and "
                f"{self.contrast_temperature}."
            )


class RandSFQ(Method):
    Config = RandSFQConfig

    def __init__(self, config: RandSFQConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: RandSFQConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        self.memory = config.memory if config.start == "warm" else None
        how: dict[str, Any] = {"window": config.window, "dropout": config.dropout}
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            self.group = Grouping.warm(d, s, start, iterations=config.iterations, temperature=config.temperature)
            self.transit = RandomPairTransition(s, s, **how).start_as_identity()
        else:
            attend = SlotAttention(d, s, iterations=config.iterations, activation="gelu", eps=1e-5, eps_in="sum")
            start = BoxStart(k, s) if config.start == "boxes" else SharedGaussian(k, s)
            self.needs |= {"first_ids"} if config.start == "boxes" else set()
            self.group = Grouping(mlp((d, d, d), "gelu"), start, attend)
            self.transit = RandomPairTransition(s, d, **how)
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
        found = scan(
            x,
            self.group.attend,
            lambda: self.begin(batch, features[:, 0], x[:, 0]),
            self.transit,
            later=self.config.later,
            memory=self.memory,
            state=state,
        )
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
        )

    def begin(self, batch: Batch, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n e"]) -> Begun:
        """Where the slots of the first frame start."""
        if isinstance(self.group.start, BoxStart):
            return self.group.start(self.first_ids_of(batch))
        return self.group.begin(features, x)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        contrast = slot_contrast(out.slots, out.keep, temperature=self.config.contrast_temperature)
        return {
            "rebuild": rebuild_loss(out.rebuilt, batch.features, "mse"),
            "contrast": self.config.contrast * contrast,
        }
