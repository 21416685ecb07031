"""Slot Attention: slots compete for pixels, and each paints the part of the picture that it won.

Paper     Locatello et al., "Object-Centric Learning with Slot Attention", NeurIPS 2020, arXiv:2006.15055.
Built     object discovery: convolutional encoder, slot attention, spatial broadcast decoder to colours and masks.
Left out  set prediction, which learns from labels.
Differs   the frozen features are not looked at: this is what they are to be measured against. Pictures are rebuilt in
          [0, 1], not [-1, 1]; layer norms have an epsilon of 1e-5, not 1e-3. The defaults see smaller pictures with
          narrower layers, to be of use on two cores; the paper's own are the preset slot_attention/clevr6.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import mse_loss

from vitreous.blocks.encoders import PictureEncoder, picture_decoder
from vitreous.blocks.grouping import Grouping
from vitreous.blocks.initial import SharedGaussian
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SlotAttentionConfig:
    """The authors' numbers: 7 slots, 64 wide, 3 iterations, an MLP of 128, pictures of 128 px, all layers 64 wide.

    resolution                   of the pictures: pixels of the shorter side
    encoder_width decoder_width  of the convolutions
    mlp_dim                      width of the MLP after each update
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    resolution: int = 64
    encoder_width: int = 32
    decoder_width: int = 16
    mlp_dim: int = 128


class SlotAttentionAutoEncoder(Method):
    Config = SlotAttentionConfig
    needs = frozenset({"pictures"})

    def __init__(self, config: SlotAttentionConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SlotAttentionConfig = config
        s, width, size = config.slot_dim, config.encoder_width, self.wants_pictures(config.resolution, 8)
        attend = SlotAttention(width, s, iterations=config.iterations, mlp_dim=config.mlp_dim)
        self.group = Grouping(PictureEncoder(size, width, width), SharedGaussian(config.slots, s), attend)
        self.decode = picture_decoder(size, s, config.decoder_width)

    def forward(self, batch: Batch, state: None = None) -> SlotOutput:
        pictures = self.pictures_of(batch)
        clips, size = pictures.shape[:2], pictures.shape[-2:]
        x = self.group.project(pictures.flatten(0, 1))  # frames are independent here: (b t) n d
        slots, attention = self.group.attend(x, self.group.start(x))
        colours, masks = self.decode(slots)
        return SlotOutput(
            slots=slots.unflatten(0, clips),
            masks=masks.unflatten(-1, size).unflatten(0, clips),
            rebuilt=self.no_features(batch),
            attention=attention.unflatten(-1, size).unflatten(0, clips),
            aside={"pictures": colours.mT.unflatten(-1, size).unflatten(0, clips)},
        )

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        return {"rebuild": mse_loss(out.aside["pictures"], self.pictures_of(batch))}
