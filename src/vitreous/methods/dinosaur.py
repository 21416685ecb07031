"""DINOSAUR: slots that rebuild frozen features instead of pixels.

Paper     Seitzer et al., "Bridging the Gap to Real-World Object-Centric Learning", ICLR 2023, arXiv:2209.14860.
Built     slot attention on frozen features; the patch-MLP and the autoregressive transformer decoder. Beside features
          the MLP may rebuild codes of them that are shared by all pictures (codes), as in Zhao et al. (VQ-VFM-OCL,
          arXiv:2502.20263); a transformer that tells codes alone is slate.py with words="features".
Left out  nothing.
Differs   start="warm" (ours, the default): slots start as groups of like patches, as many as there are; the projection
          is orthogonal, slot attention starts as soft k-means, and there is no GRU. decoder="mixture" (ours, its
          default): a patch is the mean of the slots that share it, so what is rebuilt teaches the attention itself;
          the paper's decoders have masks of their own, and learn little in the minutes that we take. centre=True
          (ours): the paper's decoders need not rebuild the mean of a picture's patches, since what all share tells no
          object from another; the autoregressive one is fed what it has to rebuild. The paper's own are
          start="gaussian", decoder="mlp" or "autoregressive", masks="decoder", centre=False.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pad

from vitreous.blocks.decoders import AutoregressiveDecoder, Mixture, PatchMLP, Rebuilt
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.quantise import feature_codes
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.transformers import TransformerDecoder
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class DINOSAURConfig:
    """The authors' numbers (their public code): 3 iterations, slots 256 wide (128 on MOVi).

    decoder="mlp": three layers, 2048 wide (1024 on MOVi). "autoregressive": four layers, 4 heads (8 on COCO), as wide
    as the features, the feed-forward layers four times that; masks of the decoder (on MOVi of the attention).

    decoder            None: mixture if start is warm and masks are the attention's, else mlp
    decoder_width      of the hidden layers of the MLP; the transformer does not ask
    decoder_heads      of the transformer; the MLP does not ask
    codes              of the features that the MLP rebuilds too; 0: none. They learn along until `until`, then stay
    code_dim           their width
    until              share of the training in which they learn
    candidates, merge  of the warm start: see PatchGroups
    temperature        divides the logits of slot attention at step 0 of the warm start
    """

    slots: int = 11  # objects + background
    slot_dim: int = 256
    iterations: int = 3
    decoder: Literal["mixture", "mlp", "autoregressive"] | None = None
    decoder_width: int = 256
    decoder_layers: int = 3
    decoder_heads: int = 4
    start: Literal["warm", "gaussian"] = "warm"
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    codes: int = 0
    code_dim: int = 32
    until: float = 0.3
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.decoder == "mixture" and (self.start != "warm" or self.masks != "attention"):
            raise RunError(
                f'decoder "mixture" shares the attention of start "warm"; with start "{self.start}" and masks '
                f'"{self.masks}" say decoder "mlp" or "autoregressive".'
            )
        if self.codes and (self.decoder != "mlp" or self.codes < 2 or not 0 < self.until <= 1):
            raise RunError(
                f'codes {self.codes}: at least 2, or 0 for none; decoder "mlp" rebuilds them, not '
                f'"{self.decoder or "mixture"}", while until, now {self.until}, lies in (0, 1].\n'
                "A transformer that tells codes is  --method slate --words features"
            )


class DINOSAUR(Method):
    Config = DINOSAURConfig

    def __init__(self, config: DINOSAURConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: DINOSAURConfig = config
        width = config.slot_dim
        if config.start == "warm":
            self.project = nn.Linear(feature_dim, width, bias=False)
            nn.init.orthogonal_(self.project.weight)
            self.start = PatchGroups(config.slots, config.candidates, config.merge)
            self.group = SlotAttention(width, width, iterations=config.iterations, gru=False).start_as_kmeans(
                config.temperature
            )
        else:
            norm, inner = nn.LayerNorm(feature_dim), nn.Linear(feature_dim, feature_dim)
            self.project = nn.Sequential(norm, inner, nn.ReLU(), nn.Linear(feature_dim, width))
            self.start = SharedGaussian(config.slots, width)
            self.group = SlotAttention(width, width, iterations=config.iterations)
        decoder = config.decoder or ("mixture" if config.start == "warm" and config.masks == "attention" else "mlp")
        if decoder == "mixture":
            assert isinstance(self.project, nn.Linear)
            self.decode = Mixture(width, feature_dim).like(self.project)
        elif decoder == "autoregressive":
            transformer = TransformerDecoder(feature_dim, layers=config.decoder_layers, heads=config.decoder_heads)
            self.decode = AutoregressiveDecoder(width, transformer, grid)
        else:
            hidden = (config.decoder_width,) * config.decoder_layers
            told = feature_dim + config.code_dim * (config.codes > 0)
            self.decode = PatchMLP(width, told, grid[0] * grid[1], hidden)
        self.coder = feature_codes(feature_dim, config.codes, config.code_dim) if config.codes else None

    def forward(self, batch: Batch, state: None = None) -> SlotOutput:
        clips, (h, w) = batch.features.shape[:2], self.grid
        features = batch.features.flatten(0, 1).flatten(1, 2)  # frames are independent here: (b t) n d
        x = self.project(features)
        first, keep = self.begin(features, x)
        slots, attention = self.group(x, first, keep=keep)
        rebuilt, masks = self.rebuild(features, slots, attention[:, -1], keep)
        if self.config.masks == "attention":
            masks = attention[:, -1]
        return SlotOutput(
            slots=slots.unflatten(0, clips),
            masks=masks.unflatten(-1, (h, w)).unflatten(0, clips),
            rebuilt=rebuilt[..., : self.feature_dim].unflatten(1, (h, w)).unflatten(0, clips),
            attention=attention.unflatten(-1, (h, w)).unflatten(0, clips),
            keep=None if keep is None else keep.unflatten(0, clips),
            aside={"codes": rebuilt[..., self.feature_dim :]} if self.config.codes else {},
        )

    def begin(
        self, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n s"]
    ) -> tuple[Float[Tensor, "b k s"], Bool[Tensor, "b k"] | None]:
        """Initial slots, and which of them there are."""
        if isinstance(self.start, SharedGaussian):
            return self.start(x), None
        groups = self.start(features)
        size = groups.sum(-1, keepdim=True)
        return groups @ x / size.clamp(min=1), size[..., 0] > 0

    def rebuild(
        self,
        features: Float[Tensor, "b n d"],
        slots: Float[Tensor, "b k s"],
        shares: Float[Tensor, "b k n"],
        keep: Bool[Tensor, "b k"] | None,
    ) -> Rebuilt:
        """Features from slots, and codes after them where there are any; and the decoder's masks."""
        if isinstance(self.decode, Mixture):
            return self.decode(slots, shares)
        shared = features.mean(1, keepdim=True) * self.config.centre
        if isinstance(self.decode, AutoregressiveDecoder):
            rebuilt, masks = self.decode(slots, features - shared, keep=keep)
        else:
            rebuilt, masks = self.decode(slots, keep)
        return Rebuilt(rebuilt + pad(shared, (0, rebuilt.shape[-1] - shared.shape[-1])), masks)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        terms = {"rebuild": mse_loss(out.rebuilt, batch.features)}
        if self.coder is None:
            return terms
        features = batch.features.flatten(0, 1).movedim(-1, 1)
        terms["tell"] = mse_loss(out.aside["codes"], self.coder(features).code)
        return terms | self.coder.terms(features, features, self.progress / self.config.until)
