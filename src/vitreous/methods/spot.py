"""SPOT: a decoder that cannot guess the order of the patches, and a student that learns its masks.

Paper     Kakogeorgiou et al., "SPOT: Self-Training with Patch-Order Permutation for Object-Centric Learning with
          Autoregressive Transformers", CVPR 2024, arXiv:2312.00648.
Built     nine orders of the patches, each with a begin token of its own; the teacher, then the student that learns the
          masks of the teacher's decoder by its slot attention. One command trains both on one store: the run is the
          student, run/teacher the teacher.
Left out  fine-tuning of the student's last backbone blocks: features are frozen, which is why one store serves both;
          the parallel decoder that replaces the autoregressive one now and then (off in the published runs).
Differs   start="warm", masks="attention" and centre=True (ours, the defaults), as in dinosaur.py. The paper's own are
          start="learned" (of the student; its teacher's is "gaussian"), masks="decoder", centre=False. double_softmax
          is SmoothSA's re-implementation, which takes shares for logits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss

from vitreous.blocks.decoders import AutoregressiveDecoder, Rebuilt
from vitreous.blocks.grouping import Grouping, mlp
from vitreous.blocks.initial import LearnedSlots, PatchGroups, SharedGaussian
from vitreous.blocks.self_training import matched_cross_entropy
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.blocks.transformers import TransformerDecoder
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SPOTConfig:
    """The authors' numbers: slots 256 wide, 3 iterations, 4 layers of 6 heads, distill 0.005.

    start          of the student; learned slots need truncate "bilevel". A drawn teacher draws from one Gaussian
    truncate       what is differentiated of the student: all iterations, or the last one and straight to the start;
                   of the teacher always all
    orders         at test: row by row, or the mean over the nine
    distill        weight of the teacher's masks; 0: no teacher, so this is stage one alone
    teacher_steps  length of the teacher's training, in lengths of the student's, which is --steps
    double_softmax  see above
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 256
    iterations: int = 3
    start: Literal["warm", "gaussian", "learned"] = "warm"
    truncate: Literal["none", "bilevel"] = "bilevel"
    decoder_layers: int = 4
    decoder_heads: int = 4
    orders: Literal["one", "all"] = "one"
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    distill: float = 0.005
    teacher_steps: float = 1.0
    double_softmax: bool = False
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.distill < 0 or self.teacher_steps <= 0:
            raise RunError(
                f"distill must be at least 0 and teacher_steps above 0, not {self.distill} and {self.teacher_steps}."
            )


class SPOT(Method):
    Config = SPOTConfig

    def __init__(self, config: SPOTConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SPOTConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        how: dict[str, Any] = {"iterations": config.iterations, "truncate": config.truncate}
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            self.group = Grouping.warm(d, s, start, temperature=config.temperature, **how)
        else:
            start = (SharedGaussian if config.start == "gaussian" else LearnedSlots)(k, s)
            self.group = Grouping(mlp((d, d, d)), start, SlotAttention(d, s, **how))
        transformer = TransformerDecoder(
            d,
            layers=config.decoder_layers,
            heads=config.decoder_heads,
            enter="normed",
            final_norm=True,
            attention_bias=False,
        )
        self.decode = AutoregressiveDecoder(s, transformer, grid, orders=9)
        self.teachers: tuple[SPOT, ...] = ()  # not among the parameters: a tuple hides it

    @classmethod
    def teacher_of(cls, config: SPOTConfig) -> tuple[SPOTConfig, float] | None:
        if not config.distill:
            return None
        start = "warm" if config.start == "warm" else "gaussian"
        return replace(config, start=start, truncate="none", distill=0.0), config.teacher_steps

    def learn_from(self, teacher: Method) -> None:
        assert isinstance(teacher, SPOT)
        self.teachers = (teacher.eval().requires_grad_(False),)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SPOT":
        """Where this goes, its teacher goes too."""
        for teacher in self.teachers:
            teacher._apply(fn)
        return super()._apply(fn, recurse)

    def forward(self, batch: Batch, state: None = None) -> SlotOutput:
        clips, (h, w) = batch.features.shape[:2], self.grid
        features = batch.features.flatten(0, 1).flatten(1, 2)  # frames are independent here: (b t) n d
        (slots, attention), keep = self.group(features)
        order = "all" if self.config.orders == "all" and not self.training else None
        rebuilt, masks = self.rebuild(features, slots, keep, order)
        if self.config.masks == "attention":
            masks = attention[:, -1]
        return SlotOutput(
            slots=slots.unflatten(0, clips),
            masks=masks.unflatten(-1, (h, w)).unflatten(0, clips),
            rebuilt=rebuilt.unflatten(1, (h, w)).unflatten(0, clips),
            attention=attention.unflatten(-1, (h, w)).unflatten(0, clips),
            keep=None if keep is None else keep.unflatten(0, clips),
        )

    def rebuild(
        self,
        features: Float[Tensor, "b n d"],
        slots: Float[Tensor, "b k s"],
        keep: Tensor | None,
        order: int | Literal["all"] | None,
    ) -> Rebuilt:
        """Features from slots, and the decoder's masks."""
        shared = features.mean(1, keepdim=True) * self.config.centre
        rebuilt, masks = self.decode(slots, features - shared, keep=keep, order=order)
        return Rebuilt(rebuilt + shared, masks)

    @torch.no_grad()
    def teach(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k n"]:
        """Masks of the decoder, in an order that is drawn."""
        (slots, _), keep = self.group(features)
        return self.rebuild(features, slots, keep, int(torch.randint(len(self.decode.orders), ()))).masks

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        """`distill` is there once somebody teaches."""
        terms = {"rebuild": mse_loss(out.rebuilt, batch.features)}
        for teacher in self.teachers:
            masks = teacher.teach(batch.features.flatten(0, 1).flatten(1, 2))
            assert out.attention is not None
            last = out.attention[:, :, -1].flatten(0, 1).flatten(2)
            keep = None if out.keep is None else out.keep.flatten(0, 1)
            apart = matched_cross_entropy(last, masks, keep, twice=self.config.double_softmax)
            terms["distill"] = self.config.distill * apart
        return terms
