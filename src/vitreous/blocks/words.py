"""What slots have to tell in words: of pictures by a discrete VAE, of features by shared codes; and who tells them."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from vitreous.blocks.decoders import AutoregressiveDecoder
from vitreous.blocks.dvae import DiscreteVAE, gumbel_temperature
from vitreous.blocks.quantise import feature_codes
from vitreous.blocks.transformers import TransformerDecoder


class Reading(NamedTuple):
    """A map in words, row by row; and the logits that they were drawn from, where there are any."""

    words: Int[Tensor, "b n"]
    logits: Float[Tensor, "b v h w"] | None = None


class PictureWords(nn.Module):
    """A word for every 4x4 pixels, by a discrete VAE that learns along (SLATE, STEVE).

    until  share of the training over which the temperature of its draws falls from 1 to 0.1
    """

    def __init__(self, size: tuple[int, int], codes: int, width: int, until: float) -> None:
        super().__init__()
        self.vae, self.until = DiscreteVAE(size, codes, width), until
        self.codes, self.grid = codes, self.vae.grid

    def forward(self, x: Float[Tensor, "b 3 y x"], progress: float) -> Reading:
        """`progress`: share of the training that is over."""
        logits = self.vae(x)
        return Reading(self.vae.draw(logits, gumbel_temperature(progress, self.until)), logits)

    def terms(self, x: Float[Tensor, "b 3 y x"], read: Reading, progress: float) -> dict[str, Tensor]:
        """What the words themselves learn from."""
        assert read.logits is not None
        return {"picture": self.vae.rebuild_loss(read.logits, x, gumbel_temperature(progress, self.until))}


class FeatureWords(nn.Module):
    """A word for every patch, by codes of the frozen features that are shared by all pictures (VQ-VFM-OCL).

    until  share of the training in which the codes learn; after it they stay
    """

    def __init__(self, feature_dim: int, grid: tuple[int, int], codes: int, code_dim: int, until: float) -> None:
        super().__init__()
        self.coder, self.until = feature_codes(feature_dim, codes, code_dim), until
        self.codes, self.grid = codes, grid

    def forward(self, x: Float[Tensor, "b d h w"], progress: float) -> Reading:
        return Reading(self.coder(x).index)

    def terms(self, x: Float[Tensor, "b d h w"], read: Reading, progress: float) -> dict[str, Tensor]:
        return self.coder.terms(x, x, progress / self.until)


class Teller(nn.Module):
    """A transformer tells each word from those before it and from the slots (Singh et al. 2022, arXiv:2110.11405)."""

    def __init__(
        self, words: PictureWords | FeatureWords, slot_dim: int, width: int, *, layers: int, heads: int
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(words.codes, width)
        self.project = nn.Linear(slot_dim, width, bias=False)
        transformer = TransformerDecoder(width, layers=layers, heads=heads, enter="normed", final_norm=True)
        self.decode = AutoregressiveDecoder(
            width, transformer, words.grid, project=False, position=True, outputs=words.codes
        )
        assert self.decode.position is not None
        for table in (self.embed.weight, self.decode.begin, self.decode.position):  # of one size, since they are added
            nn.init.normal_(table, std=width**-0.5)

    def forward(
        self, slots: Float[Tensor, "b k s"], words: Int[Tensor, "b n"], keep: Bool[Tensor, "b k"] | None
    ) -> Tensor:
        """Cross-entropy of the words, mean over them."""
        logits = self.decode(self.project(slots), self.embed(words), keep=keep).features
        return cross_entropy(logits.float().flatten(0, 1), words.flatten())
