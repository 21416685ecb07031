"""SLATE: slots from which a transformer tells a picture word by word.

Paper     Singh et al., "Illiterate DALL-E Learns to Compose", ICLR 2022, arXiv:2110.11405.
Built     discrete VAE with its temperature schedule, trained along; slots from words and their places; autoregressive
          transformer over the words. Slots from frozen features (look="features") as in later work; as words, codes of
          these features that are shared by all pictures (words="features"), of which the paper is Zhao et al.,
          "Vector-Quantized Vision Foundation Models for Object-Centric Learning", ACM MM 2025, arXiv:2502.20263.
Left out  painting pictures from slots word by word; dropout; halving the rate where the loss no longer falls.
Differs   look="features" and start="warm" (ours, the defaults): slots start as groups of like patches, as in
          dinosaur.py; the paper's own are look="words", start="gaussian". Masks are those of slot attention, as in the
          paper. Losses are means over words and pixels, not sums: neither of the two nets gets a gradient of the
          other's. At test the likeliest word is taken and none drawn; words and slots have place tables of their own.
          Codes of the features learn in the first part of the same training, by rebuilding features, and then stay;
          theirs learn in a training before it, by painting the picture at half its size, and go on being drawn at
          random near the nearest; here the nearest is what slots have to tell.
"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from vitreous.blocks.encoders import Places
from vitreous.blocks.grouping import Grouping, mlp
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.words import FeatureWords, PictureWords, Reading, Teller
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SLATEConfig:
    """The authors' numbers (3D Shapes, pictures of 64 px): 3 slots, 192 wide, 3 iterations, 1024 codes, a transformer
    192 wide of 4 layers and 4 heads; the temperature falls in 30,000 steps.

    look            what slots look at: frozen features, or the words
    start           warm, of features only; gaussian
    words           what is told: a word for 4x4 pixels, or a code for each patch of the features
    codes           different words
    code_dim        width of codes of features
    coder_width     of the discrete VAE of pictures
    until           share of the training over which draws get sharper; codes of features stay as they are after it
    resolution      of the pictures: pixels of the shorter side, brought to a multiple of 4
    decoder_width decoder_layers decoder_heads  of the transformer
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    look: Literal["features", "words"] = "features"
    start: Literal["warm", "gaussian"] = "warm"
    words: Literal["pictures", "features"] = "pictures"
    codes: int = 256
    code_dim: int = 32
    coder_width: int = 64
    until: float = 0.3
    resolution: int = 64
    decoder_width: int = 64
    decoder_layers: int = 2
    decoder_heads: int = 4
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        if self.look == "words" and self.start == "warm":
            raise RunError('start "warm" is for slots that look at features: with look "words" say start "gaussian".')
        if not 0 < self.until <= 1 or self.codes < 2:
            raise RunError(f"until must lie in (0, 1] and codes be at least 2, not {self.until} and {self.codes}.")


class SLATE(Method):
    Config = SLATEConfig
    rates = {"words": 3.0}  # noqa: RUF012 - of the discrete VAE: 3e-4 beside 1e-4

    def __init__(self, config: SLATEConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SLATEConfig = config
        d, s, width = feature_dim, config.slot_dim, config.decoder_width
        if config.words == "pictures":
            size = self.wants_pictures(config.resolution, 4)
            self.words = PictureWords(size, config.codes, config.coder_width, config.until)
        else:
            self.words = FeatureWords(d, grid, config.codes, config.code_dim, config.until)
        self.tell = Teller(self.words, s, width, layers=config.decoder_layers, heads=config.decoder_heads)
        if config.start == "warm":
            start = PatchGroups(config.slots, config.candidates, config.merge)
            how: dict[str, Any] = {"iterations": config.iterations, "temperature": config.temperature}
            self.group = Grouping.warm(d, s, start, **how)
        else:
            project = mlp((d, d, s)) if config.look == "features" else Places(width, self.words.grid)
            attend = SlotAttention(s if config.look == "features" else width, s, iterations=config.iterations)
            self.group = Grouping(project, SharedGaussian(config.slots, s), attend)

    def forward(self, batch: Batch, state: None = None) -> SlotOutput:
        clips, grid, aside = batch.features.shape[:2], self.grid, {}
        x = batch.features.flatten(0, 1).flatten(1, 2)  # frames are independent here: (b t) n d
        if self.config.look == "words":
            read = self.words(self.told(batch), self.progress)
            x, grid = self.tell.embed(read.words), self.words.grid
            aside = {"words": read.words} | ({} if read.logits is None else {"word_logits": read.logits})
        (slots, attention), keep = self.group(x)
        attention = attention.unflatten(-1, grid).unflatten(0, clips)
        return SlotOutput(
            slots=slots.unflatten(0, clips),
            masks=attention[:, :, -1],
            rebuilt=self.no_features(batch),
            attention=attention,
            keep=None if keep is None else keep.unflatten(0, clips),
            aside=aside,
        )

    def told(self, batch: Batch) -> Tensor:
        """What is to be put into words, [(b t) c y x]."""
        if self.config.words == "pictures":
            return self.pictures_of(batch).flatten(0, 1)
        return batch.features.flatten(0, 1).movedim(-1, 1)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        told, aside = self.told(batch), out.aside
        read = Reading(aside["words"], aside.get("word_logits")) if aside else self.words(told, self.progress)
        keep = None if out.keep is None else out.keep.flatten(0, 1)
        rebuild = self.tell(out.slots.flatten(0, 1), read.words, keep)
        return {"rebuild": rebuild} | self.words.terms(told, read, self.progress)
