"""VideoSAUR: slots that tell where each patch will be found in the next frame.

Paper     Zadaianchuk et al., "Object-Centric Learning for Real-World Videos by Predicting Temporal Feature
          Similarities", NeurIPS 2023, arXiv:2306.04829.
Built     the temporal similarity loss, of keys or of the features themselves; the slot mixer; recurrence with a
          transformer predictor.
Left out  nothing.
Differs   start="warm" and masks="attention" (ours, the defaults), as in dinosaur.py; the predictor then starts as the
          identity, and is given the running means of what slots won, as in savi_dinosaur.py. centre=True (ours): the
          mean of a frame's patches need not be rebuilt. The paper's own are start="gaussian", masks="decoder",
          centre=False. Two oddities of the release, for its numbers only: hidden="normed" (the GRU carries slots from
          after the layer norm) and odd_scale=True (attention logits of predictor and mixer grow with the width of a
          head). A store of facet token+key holds what similarity_of="keys" needs; the keys are then rebuilt along with
          the tokens. A still has no next frame: its similarity loss is 0.
"""

from dataclasses import dataclass
from math import log
from typing import Any, Literal

from torch import Tensor, nn

from vitreous.blocks.decoders import SlotMixer
from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.losses import rebuild_loss
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.scan import check_scan, scan
from vitreous.blocks.similarity import likeness, likeness_loss
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class VideoSAURConfig:
    """The authors' numbers: slots 128 wide (64 on YouTube-VIS), 3 iterations in the first frame and 2 later, a decoder
    of 4 layers, 1024 wide (3 there), similarity 0.1; on MOVi rebuild 0, on YouTube-VIS 1.

    later                   iterations in every frame but the first
    rebuild similarity      weights of the two losses; with rebuild 0 nothing is learnt from stills
    similarity_of           what is compared: the features, or keys beside them (facet token+key)
    similarity_temperature  below 1 sharper; 0.075 on MOVi, 0.25 on YouTube-VIS, 0.15 there for DINOv2
    similarity_threshold    cosines below it count for nothing; null: all count
    decoder_blocks          in which positions look at the slots; 3 on YouTube-VIS
    hidden odd_scale        oddities of the release, see above
    memory                of warm slots in clips, in [0, 1): see `scan`
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    later: int = 2
    start: Literal["warm", "gaussian"] = "warm"
    hidden: Literal["raw", "normed"] = "raw"
    odd_scale: bool = False
    rebuild: float = 1.0
    similarity: float = 0.1
    similarity_of: Literal["features", "keys"] = "features"
    similarity_temperature: float = 0.15
    similarity_threshold: float | None = 0.0
    decoder_width: int = 256
    decoder_layers: int = 3
    decoder_blocks: int = 2
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    memory: float = 0.7
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        check_scan(self.later, self.memory)
        if min(self.rebuild, self.similarity) < 0 or not self.rebuild + self.similarity:
            raise RunError(
                f"rebuild and similarity weigh the two losses, so none may be below 0 and one must be above: not "
                f"{self.rebuild} and {self.similarity}."
            )
        if not self.similarity_temperature > 0:
            raise RunError(f"similarity_temperature must be above 0, not {self.similarity_temperature}.")


class VideoSAUR(Method):
    Config = VideoSAURConfig

    def __init__(self, config: VideoSAURConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: VideoSAURConfig = config
        k, s = config.slots, config.slot_dim
        self.memory = config.memory if config.start == "warm" else None
        keys = config.similarity > 0 and config.similarity_of == "keys"
        self.seen = feature_dim // 2 if keys else feature_dim  # channels that slots look at
        self.compared = slice(self.seen, None) if keys else slice(None)
        self.needs |= {"keys"} if keys else set()
        self.needs |= set() if config.rebuild else {"frames"}
        self.predict = TransformerPredictor(s, odd_scale=config.odd_scale)
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            how: dict[str, Any] = {"iterations": config.iterations, "temperature": config.temperature}
            self.group = Grouping.warm(self.seen, s, start, **how)
            self.predict.start_as_identity()
        else:
            start = SharedGaussian(k, s)
            nn.init.zeros_(start.mean)
            nn.init.constant_(start.log_std, -0.5 * log(s))
            attend = SlotAttention(s, s, iterations=config.iterations, mlp_dim=0, hidden=config.hidden)
            self.group = Grouping(mlp((self.seen, 2 * self.seen, s)), start, attend)
        patches = grid[0] * grid[1]
        self.outputs = [feature_dim if config.rebuild else 0, patches if config.similarity else 0]
        widths, blocks = (config.decoder_width,) * config.decoder_layers, config.decoder_blocks
        self.decode = SlotMixer(s, sum(self.outputs), patches, widths, blocks=blocks, odd_scale=config.odd_scale)

    def forward(self, batch: Batch, state: Begun | None = None) -> SlotOutput:
        clips, grid = batch.features.shape[:2], self.grid
        features = batch.features.flatten(2, 3)  # b t n d
        looked = features[..., : self.seen]
        x = self.group.project(looked)
        found = scan(
            x,
            self.group.attend,
            lambda: self.group.begin(looked[:, 0], x[:, 0]),
            lambda past, seen, keep: self.predict(past[-1], keep),
            later=self.config.later,
            memory=self.memory,
            state=state,
        )
        keep = None if found.keep is None else found.keep.flatten(0, 1)
        told, masks = (v.unflatten(0, clips) for v in self.decode(found.slots.flatten(0, 1), keep))
        rebuilt, logits = told.split(self.outputs, dim=-1)
        if self.config.rebuild:
            rebuilt = (rebuilt + features.mean(2, keepdim=True) * self.config.centre).unflatten(2, grid)
        else:
            rebuilt = self.no_features(batch)
        return SlotOutput(
            slots=found.slots,
            masks=(found.attention[:, :, -1] if self.config.masks == "attention" else masks).unflatten(-1, grid),
            rebuilt=rebuilt,
            attention=found.attention.unflatten(-1, grid),
            keep=found.keep,
            state=found.state,
            aside={"likeness_logits": logits},
        )

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        terms, config = {}, self.config
        if config.rebuild:
            terms["rebuild"] = config.rebuild * rebuild_loss(out.rebuilt, batch.features, "mse")
        if config.similarity:
            compared = batch.features.flatten(2, 3)[..., self.compared]
            target = likeness(compared, config.similarity_temperature, config.similarity_threshold)
            terms["similarity"] = config.similarity * likeness_loss(out.aside["likeness_logits"], target)
        return terms
