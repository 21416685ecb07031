"""STEVE: slots that follow a clip, and from which a transformer tells its frames word by word.

Paper     Singh et al., "Simple Unsupervised Object-Centric Learning for Complex and Naturalistic Videos", NeurIPS
          2022, arXiv:2205.14065.
Built     encoder of pictures; slot attention whose MLP rests in a frame's last iteration; transformer predictor;
          discrete VAE with its temperature schedule, trained along; autoregressive transformer over its words. Slots
          from frozen features (look="features") and codes of these as words (words="features"), as slate.py has them;
          slots that start from boxes (start="boxes"), as VQ-VFM-OCL has them for videos.
Left out  dropout; halving the rate every 250,000 steps is --half-life.
Differs   look="features" and start="warm" (ours, the defaults): slots of the first frame start as groups of like
          patches, as in dinosaur.py, and the predictor as the identity, so that slots are handed on as they are; the
          paper's own are look="pictures", start="gaussian". Losses are means over words and pixels, not sums. At test
          the likeliest word is taken and none drawn. Codes of features as in slate.py. The predictor's block is an
          ordinary one, without the layer norms that the release has at its entrance and exit.
"""

from dataclasses import dataclass
from math import lcm
from typing import Any, Literal

from torch import Tensor

from vitreous.blocks.encoders import PictureEncoder
from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.hints import BoxStart
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.scan import scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.words import FeatureWords, PictureWords, Teller
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class STEVEConfig:
    """The authors' numbers (MOVi-D and E, pictures of 128 px): 15 slots, 192 wide, 2 iterations in every frame, 4096
    codes, an encoder 64 wide with stride 2, a transformer 192 wide of 8 layers and 4 heads, clips of 3 frames; the
    temperature falls in 30,000 of 200,000 steps.

    look            what slots look at: frozen features, or pictures through an encoder of their own
    start           warm, of features only; gaussian; boxes, from the ids of the first frame
    later           iterations in every frame but the first
    words           what is told: a word for 4x4 pixels, or a code for each patch of the features
    codes           different words
    code_dim        width of codes of features
    coder_width     of the discrete VAE of pictures
    until           share of the training over which draws get sharper; codes of features stay as they are after it
    resolution      of the pictures: pixels of the shorter side, brought to a multiple of 4 and of the stride
    encoder_width stride  of the encoder of pictures; stride of its first layer
    decoder_width decoder_layers decoder_heads  of the transformer
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 2
    later: int = 2
    look: Literal["features", "pictures"] = "features"
    start: Literal["warm", "gaussian", "boxes"] = "warm"
    words: Literal["pictures", "features"] = "pictures"
    codes: int = 256
    code_dim: int = 32
    coder_width: int = 64
    until: float = 0.3
    resolution: int = 64
    encoder_width: int = 32
    stride: int = 1
    decoder_width: int = 64
    decoder_layers: int = 2
    decoder_heads: int = 4
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        if self.look == "pictures" and self.start == "warm":
            raise RunError(
                'start "warm" is for slots that look at features: with look "pictures" say start "gaussian" or "boxes".'
            )
        if not 0 < self.until <= 1 or self.codes < 2 or self.later < 1 or self.stride < 1:
            raise RunError(
                "until must lie in (0, 1], codes be at least 2, later and stride at least 1, not "
                f"{self.until}, {self.codes}, {self.later} and {self.stride}."
            )


class STEVE(Method):
    Config = STEVEConfig
    rates = {"words": 3.0, "tell": 3.0}  # noqa: RUF012 - 3e-4 beside 1e-4 of the encoder and the slots

    def __init__(self, config: STEVEConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: STEVEConfig = config
        d, k, s = feature_dim, config.slots, config.slot_dim
        self.size = grid  # of what slots look at, in cells
        if "pictures" in (config.words, config.look):
            size = self.wants_pictures(config.resolution, lcm(4, config.stride))
        if config.words == "pictures":
            self.words = PictureWords(size, config.codes, config.coder_width, config.until)
        else:
            self.words = FeatureWords(d, grid, config.codes, config.code_dim, config.until)
        layers, heads = config.decoder_layers, config.decoder_heads
        self.tell = Teller(self.words, s, config.decoder_width, layers=layers, heads=heads)
        self.predict = TransformerPredictor(s)
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            how: dict[str, Any] = {"iterations": config.iterations, "temperature": config.temperature}
            self.group = Grouping.warm(d, s, start, **how)
            self.predict.start_as_identity()
        else:
            project = mlp((d, d, s))
            if config.look == "pictures":
                project = PictureEncoder(size, config.encoder_width, s, stride=config.stride)
                self.size = project.grid
            attend = SlotAttention(s, s, iterations=config.iterations, mlp_last=False)
            start = BoxStart(k, s) if config.start == "boxes" else SharedGaussian(k, s)
            self.group = Grouping(project, start, attend)
        if config.start == "boxes":
            self.needs |= {"first_ids"}

    def forward(self, batch: Batch, state: Begun | None = None) -> SlotOutput:
        clips, features = batch.features.shape[:2], batch.features.flatten(2, 3)  # b t n d
        if self.config.look == "pictures":
            x = self.group.project(self.pictures_of(batch).flatten(0, 1)).unflatten(0, clips)
        else:
            x = self.group.project(features)
        found = scan(
            x,
            self.group.attend,
            lambda: self.begin(batch, features[:, 0], x[:, 0]),
            lambda past, seen, keep: self.predict(past[-1], keep),
            later=self.config.later,
            state=state,
        )
        attention = found.attention.unflatten(-1, self.size)
        return SlotOutput(
            slots=found.slots,
            masks=attention[:, :, -1],
            rebuilt=self.no_features(batch),
            attention=attention,
            keep=found.keep,
            state=found.state,
        )

    def begin(self, batch: Batch, features: Tensor, x: Tensor) -> Begun:
        """Where the slots of the first frame start; features and x, both [b n *], are of that frame."""
        if isinstance(self.group.start, BoxStart):
            return self.group.start(self.first_ids_of(batch))
        return self.group.begin(features if self.config.look == "features" else x, x)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        if self.config.words == "pictures":
            told = self.pictures_of(batch).flatten(0, 1)
        else:
            told = batch.features.flatten(0, 1).movedim(-1, 1)
        read = self.words(told, self.progress)
        keep = None if out.keep is None else out.keep.flatten(0, 1)
        rebuild = self.tell(out.slots.flatten(0, 1), read.words, keep)
        return {"rebuild": rebuild} | self.words.terms(told, read, self.progress)
