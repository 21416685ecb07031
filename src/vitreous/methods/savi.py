"""SAVi: slots that paint the frames of a clip and are handed on from each to the next; the first may be pointed out.

Paper     Kipf et al., "Conditional Object-Centric Learning from Video", ICLR 2022, arXiv:2111.12594.
Built     encoder, corrector (slot attention without MLP), transformer predictor, broadcast decoder; slots that start
          from the boxes of the first frame, or from nothing.
Left out  optical flow as target, which a store does not hold: pictures are painted, as in the paper's simplest
          variant, and objects that differ from others by how they move are harder to find. ResNet encoders (SAVi L).
          Starts from masks by a convolutional network, or from centres of mass.
Differs   start="ids" (ours): a slot starts from the mean of what is seen at an object's pixels in the first frame.
          spare="absent" (ours): slots for which there is no object own nothing, while in the release they start at the
          background, stay alike and share it; spare="background" is the release. reduce="mean" (ours) is the mean
          squared error; "sum", over all of a clip, the release, for which its gradients are cut at 0.05. The defaults
          start from nothing, with 3 iterations in the first frame.
"""

from dataclasses import dataclass
from math import lcm
from typing import Literal

from torch import Tensor
from torch.nn.functional import mse_loss

from vitreous.blocks.encoders import PictureEncoder, picture_decoder
from vitreous.blocks.grouping import Begun
from vitreous.blocks.hints import BoxStart, IdStart, Spare
from vitreous.blocks.initial import LearnedSlots, SharedGaussian
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.scan import scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SAViConfig:
    """The authors' numbers: 24 slots, 128 wide, 1 iteration in every frame, decoder 64 wide; SAVi S: pictures of 64
    px, encoder 32 wide; SAVi M: 128 px, encoder 64 wide with stride 2.

    start        gaussian and learned need no hints; boxes and ids take them from the first frame's ids
    spare        slots that no object is left for: absent, or at the background, see above
    later        iterations in every frame but the first
    resolution   of the pictures: pixels of the shorter side
    stride       of the encoder's first layer
    encoder_width decoder_width  of the convolutions
    reduce       mean or sum of squared errors
    """

    slots: int = 11  # objects + background
    slot_dim: int = 128
    iterations: int = 3
    later: int = 1
    start: Literal["gaussian", "learned", "boxes", "ids"] = "gaussian"
    spare: Spare = "absent"
    resolution: int = 64
    stride: int = 1
    encoder_width: int = 32
    decoder_width: int = 16
    reduce: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if self.later < 1 or self.stride < 1:
            raise RunError(f"later and stride must be at least 1, not {self.later} and {self.stride}.")


class SAVi(Method):
    Config = SAViConfig
    needs = frozenset({"pictures"})

    def __init__(self, config: SAViConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SAViConfig = config
        k, s, width = config.slots, config.slot_dim, config.encoder_width
        size = self.wants_pictures(config.resolution, lcm(8, config.stride))
        self.encode = PictureEncoder(size, width, width, stride=config.stride)
        self.correct = SlotAttention(width, s, iterations=config.iterations, mlp_dim=0, eps_in="sum")
        self.predict = TransformerPredictor(s, norm="post", hidden=2 * s)
        if config.start == "boxes":
            self.start = BoxStart(k, s, spare=config.spare)
        elif config.start == "ids":
            self.start = IdStart(k, width, s, spare=config.spare)
        else:
            self.start = (SharedGaussian if config.start == "gaussian" else LearnedSlots)(k, s)
        if config.start in ("boxes", "ids"):
            self.needs |= {"first_ids"}
        self.decode = picture_decoder(size, s, config.decoder_width, plain=int(config.stride == 1), last=1)

    def forward(self, batch: Batch, state: Begun | None = None) -> SlotOutput:
        pictures = self.pictures_of(batch)
        clips, size = pictures.shape[:2], pictures.shape[-2:]
        x = self.encode(pictures.flatten(0, 1)).unflatten(0, clips)  # b t n d
        found = scan(
            x,
            self.correct,
            lambda: self.begin(batch, x[:, 0]),
            lambda past, seen, keep: self.predict(past[-1], keep),
            later=self.config.later,
            state=state,
        )
        keep = None if found.keep is None else found.keep.flatten(0, 1)
        colours, masks = self.decode(found.slots.flatten(0, 1), keep)
        return SlotOutput(
            slots=found.slots,
            masks=masks.unflatten(-1, size).unflatten(0, clips),
            rebuilt=self.no_features(batch),
            attention=found.attention.unflatten(-1, self.encode.grid),
            keep=found.keep,
            state=found.state,
            aside={"pictures": colours.mT.unflatten(-1, size).unflatten(0, clips)},
        )

    def begin(self, batch: Batch, x: Tensor) -> Begun:
        """Where the slots of the first frame start; x are its encoded pixels, [b n d]."""
        if isinstance(self.start, BoxStart):
            return self.start(self.first_ids_of(batch))
        if isinstance(self.start, IdStart):
            return self.start(self.first_ids_of(batch), x, self.encode.grid)
        return Begun(self.start(x))

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        pictures = self.pictures_of(batch)
        error = mse_loss(out.aside["pictures"], pictures)
        return {"rebuild": error * (pictures[0].numel() if self.config.reduce == "sum" else 1)}
