"""SlotContrast: a slot finds itself in the frame before, among all the slots of all clips.

Paper     Manasyan et al., "Temporally Consistent Object-Centric Learning by Contrasting Slots", CVPR 2025,
          arXiv:2412.14295.
Built     all of it: learned first slots, recurrence with a transformer predictor, MLP decoder to features, contrast of
          slots over time with the whole batch as negatives.
Left out  nothing.
Differs   start="warm" and masks="attention" (ours, the defaults), as in dinosaur.py; the predictor then starts as the
          identity, and is given the running means of what slots won, as in savi_dinosaur.py. centre=True (ours): the
          mean of a frame's patches need not be rebuilt. The paper's own are start="learned", masks="decoder",
          centre=False. hidden="normed" and odd_scale=True are oddities that the release has from VideoSAUR's, for its
          numbers only. On stills the contrast is 0: this is DINOSAUR then. On several devices each contrasts the slots
          of its own clips.
"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from vitreous.blocks.contrast import slot_contrast
from vitreous.blocks.decoders import PatchMLP
from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.initial import LearnedSlots, PatchGroups
from vitreous.blocks.losses import rebuild_loss
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.scan import check_scan, scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SlotContrastConfig:
    """The authors' numbers: slots 64 wide (128 on MOVi-E), 3 iterations in the first frame and 2 later, a decoder of
    3 layers, 1024 wide, contrast 0.5 at a temperature of 0.1.

    later                 iterations in every frame but the first
    contrast              weight of the contrast
    contrast_temperature  divides its cosines
    hidden odd_scale      oddities of the release, see above
    memory                of warm slots in clips, in [0, 1): see `scan`
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    later: int = 2
    start: Literal["warm", "learned"] = "warm"
    hidden: Literal["raw", "normed"] = "raw"
    odd_scale: bool = False
    contrast: float = 0.5
    contrast_temperature: float = 0.1
    decoder_width: int = 256
    decoder_layers: int = 3
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    memory: float = 0.7
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        check_scan(self.later, self.memory)
        if not self.contrast_temperature > 0:
            raise RunError(f"contrast_temperature must be above 0, not {self.contrast_temperature}.")


class SlotContrast(Method):
    Config = SlotContrastConfig

    def __init__(self, config: SlotContrastConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SlotContrastConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        self.memory = config.memory if config.start == "warm" else None
        self.predict = TransformerPredictor(s, odd_scale=config.odd_scale)
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            how: dict[str, Any] = {"iterations": config.iterations, "temperature": config.temperature}
            self.group = Grouping.warm(d, s, start, **how)
            self.predict.start_as_identity()
        else:
            attend = SlotAttention(s, s, iterations=config.iterations, hidden=config.hidden)
            self.group = Grouping(mlp((d, 2 * d, s)), LearnedSlots(k, s), attend)
        self.decode = PatchMLP(s, d, grid[0] * grid[1], (config.decoder_width,) * config.decoder_layers)

    def forward(self, batch: Batch, state: Begun | None = None) -> SlotOutput:
        clips, grid = batch.features.shape[:2], self.grid
        features = batch.features.flatten(2, 3)  # b t n d
        x = self.group.project(features)
        found = scan(
            x,
            self.group.attend,
            lambda: self.group.begin(features[:, 0], x[:, 0]),
            lambda past, seen, keep: self.predict(past[-1], keep),
            later=self.config.later,
            memory=self.memory,
            state=state,
        )
        keep = None if found.keep is None else found.keep.flatten(0, 1)
        rebuilt, masks = (v.unflatten(0, clips) for v in self.decode(found.slots.flatten(0, 1), keep))
        return SlotOutput(
            slots=found.slots,
            masks=(found.attention[:, :, -1] if self.config.masks == "attention" else masks).unflatten(-1, grid),
            rebuilt=(rebuilt + features.mean(2, keepdim=True) * self.config.centre).unflatten(2, grid),
            attention=found.attention.unflatten(-1, grid),
            keep=found.keep,
            state=found.state,
        )

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        contrast = slot_contrast(out.slots, out.keep, temperature=self.config.contrast_temperature)
        return {
            "rebuild": rebuild_loss(out.rebuilt, batch.features, "mse"),
            "contrast": self.config.contrast * contrast,
        }
