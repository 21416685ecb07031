"""SlotFormer: slots of some frames foretell those of the frames to come.

Paper     Wu et al., "SlotFormer: Unsupervised Visual Dynamics Simulation with Object-Centric Models", ICLR 2023,
          arXiv:2210.05861.
Built     recurrent slot encoder with a transformer predictor, and the rollout: a transformer over the slots of the last
          frames, without codes for slots, that goes on from its own answers; losses on slots and on what they decode
          to. `foretell` decodes frames that nobody has seen.
Left out  stochastic slots with their KL term, the LSTM in the predictor (options of the paper's encoder), answering
          questions and planning.
Differs   slots are found in frozen features, and these are rebuilt by an MLP, where the paper has pictures and
          convolutions. Slots and dynamics are trained at once, but neither teaches the other: gradients stop between
          them, as if slots had been trained before, which the paper does. Frames follow each other; it takes every
          second on CLEVRER. start="warm", masks="attention" and centre=True (ours, the defaults), as in dinosaur.py,
          with running means as in savi_dinosaur.py; the paper's own are start="learned", masks="decoder", centre=False.
          On stills, where nothing is to come, the losses of the rollout are 0.
"""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Bool, Float
from torch import Tensor
from torch.func import functional_call

from vitreous.blocks.decoders import PatchMLP, Rebuilt
from vitreous.blocks.grouping import Begun, Grouping, mlp
from vitreous.blocks.initial import LearnedSlots, PatchGroups
from vitreous.blocks.losses import rebuild_loss
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.rollout import Rollout
from vitreous.blocks.scan import check_scan, scan
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SlotFormerConfig:
    """The authors' numbers: slots 128 wide, 2 iterations in every frame, 2 blocks of predictor, history 6, rollout of 4
    layers and 8 heads, 128 wide (OBJ3D; 256 on CLEVRER), both weights 1; clips of 16 frames, 10 of them foretold.

    later            iterations in every frame but the first
    history          frames from which the next are foretold; a shorter clip is foretold from its first half
    rollout_slots    weight of how far foretold slots are from found ones
    rollout_rebuild  weight of how far what they decode to is from the features
    memory                of warm slots in clips, in [0, 1): see `scan`
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    later: int = 2
    start: Literal["warm", "learned"] = "warm"
    predictor_blocks: int = 1
    decoder_width: int = 256
    decoder_layers: int = 3
    history: int = 6
    rollout_dim: int = 128
    rollout_layers: int = 4
    rollout_heads: int = 8
    rollout_dropout: float = 0.1
    rollout_slots: float = 1.0
    rollout_rebuild: float = 1.0
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    memory: float = 0.7
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        check_scan(self.later, self.memory)
        if self.history < 1:
            raise RunError(f"history must be at least 1, not {self.history}.")


class SlotFormer(Method):
    Config = SlotFormerConfig

    def __init__(self, config: SlotFormerConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SlotFormerConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        self.memory = config.memory if config.start == "warm" else None
        self.predict = TransformerPredictor(s, blocks=config.predictor_blocks)
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            how: dict[str, Any] = {"iterations": config.iterations, "temperature": config.temperature}
            self.group = Grouping.warm(d, s, start, **how)
            self.predict.start_as_identity()
        else:
            attend = SlotAttention(s, s, iterations=config.iterations, mlp_dim=2 * s, eps=1e-6)
            self.group = Grouping(mlp((d, d, s)), LearnedSlots(k, s), attend)
        self.decode = PatchMLP(s, d, grid[0] * grid[1], (config.decoder_width,) * config.decoder_layers)
        self.rollout = Rollout(
            s,
            dim=config.rollout_dim,
            layers=config.rollout_layers,
            heads=config.rollout_heads,
            history=config.history,
            dropout=config.rollout_dropout,
        )

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

    def foretell(
        self, slots: Float[Tensor, "b t k s"], steps: int, keep: Bool[Tensor, "b k"] | None = None
    ) -> tuple[Float[Tensor, "b u k s"], Rebuilt]:
        """Slots of the next frames, and what they decode to, (b u) n d and masks: but for the mean of the frame's
        patches where `centre`. The decoder learns nothing from this.
        """
        coming = self.rollout(slots, steps, keep)
        fixed = {name: value.detach() for name, value in self.decode.named_parameters()}
        here = None if keep is None else keep.repeat_interleave(steps, 0)
        return coming, functional_call(self.decode, fixed, (coming.flatten(0, 1), here))

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        config, frames = self.config, out.slots.shape[1]
        none = batch.features.new_zeros(())
        terms = {"rebuild": rebuild_loss(out.rebuilt, batch.features, "mse"), "slots": none, "foretold": none}
        known = min(config.history, frames // 2)
        if not known or not config.rollout_slots + config.rollout_rebuild:
            return terms
        keep = None if out.keep is None else out.keep[:, 0]
        slots, features = out.slots.detach(), batch.features.flatten(2, 3)
        coming, decoded = self.foretell(slots[:, :known], frames - known, keep)
        there = slots.new_ones(slots.shape[::2]) if keep is None else keep
        missed = (coming.float() - slots[:, known:].float()).square().mean((1, 3))  # b k
        terms["slots"] = config.rollout_slots * (missed * there).sum() / there.sum()
        target = features - features.mean(2, keepdim=True) * config.centre
        terms["foretold"] = config.rollout_rebuild * rebuild_loss(
            decoded.features, target[:, known:].flatten(0, 1), "mse"
        )
        return terms
