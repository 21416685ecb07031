"""DIAS: drop the slots that double another, look again, and let the last look teach the first.

Paper     Zhao et al., "Slot Attention with Re-Initialization and Self-Distillation", ACM MM 2025, arXiv:2507.23755.
Built     all of it: redundancy reduction by agglomerative clustering, the aggregation that starts again with the slots
          that remain, self-distillation of attention with its ramp, the decoder over random orders of random length;
          for stills and clips.
Left out  nothing. The authors' release leaves out the first two, and clips.
Differs   what the paper leaves open: average linkage; a slot stands for its cluster where it owns most, as the mean of
          the cluster by what each owns. same="auto" (ours; the paper sets a threshold by hand): slots are one where
          they are nearer than a fifth of what lies between the two parts of the picture that differ most. Clips (no
          code or equations are public): redundancy is reduced in the first frame, and, unless reduce="first", in
          every sixth; there a freed slot comes in where it finds something that no other slot is like.
          start="warm", decoder="mixture", masks of the attention and centre=True (ours, the defaults), as in
          dinosaur.py; hand_on="means" (ours), as in savi_dinosaur.py. The paper's own are start="gaussian",
          decoder="random", masks="decoder", centre=False. Oddity of the release, for its numbers only:
          double_softmax=True takes the first map for logits.
"""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize, one_hot

from vitreous.blocks.decoders import AutoregressiveDecoder, Mixture, PatchMLP, RandomOrderDecoder, Rebuilt
from vitreous.blocks.grouping import Grouping, mlp
from vitreous.blocks.initial import PatchGroups, SharedGaussian
from vitreous.blocks.losses import shares_cross_entropy
from vitreous.blocks.predictors import TransformerPredictor
from vitreous.blocks.redundancy import distinct
from vitreous.blocks.self_training import students_of
from vitreous.blocks.slot_attention import Seen, SlotAttention
from vitreous.blocks.transformers import TransformerDecoder
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class DIASConfig:
    """The authors' numbers (their public code): 3 iterations, slots 256 wide, a decoder of 4 layers and 4 heads as wide
    as the features.

    iterations      before the slots that remain look again; the last of them is that look where again is continue
    later           iterations in every frame of a clip but the first
    same            cosine distance below which two slots are one; auto: chosen for each picture; 0: none are dropped
    again           continue: the slots that remain look once more; restart: they start over, all iterations; none:
                    nobody looks again, and dropped slots leave their patches to those that stand for them
    distill         weight of the distillation of the first map of attention towards the last; 0: none
    ramp            the weight rises from 0 over the training, as half a cosine
    double_softmax  the release's distillation
    decoder         None: mixture if start is warm and masks are the attention's, else random
    random_length   chance that the number of patches that decoder random sees is drawn; otherwise it is a tenth
    decoder_width   of the hidden layers of decoder mlp
    hand_on         from frame to frame: means (of warm slots), as in savi_dinosaur.py; transformer; slots: as they are;
                    None: means if start is warm, else slots
    memory          of the running means, in [0, 1): share that is older than the frame
    refresh         freed slots may come in every so many frames; 0: never
    reduce          in which frames slots are freed: the first alone, or in every refresh, since a slot whose object has
                    left sinks into the floor and tears it
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 256
    iterations: int = 3
    later: int = 2
    start: Literal["warm", "gaussian"] = "warm"
    same: float | Literal["auto"] = "auto"
    again: Literal["continue", "restart", "none"] = "continue"
    distill: float = 0.1  # 1 in the paper, whose features are not standardised: their errors are larger
    ramp: bool = True
    double_softmax: bool = False
    decoder: Literal["mixture", "random", "autoregressive", "mlp"] | None = None
    random_length: float = 0.5
    decoder_width: int = 256
    decoder_layers: int = 4
    decoder_heads: int = 4
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    hand_on: Literal["means", "transformer", "slots"] | None = None
    memory: float = 0.7
    refresh: int = 6
    reduce: Literal["first", "refresh"] = "refresh"
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.start != "warm" and self.hand_on == "means":
            raise RunError(
                f'hand_on "means" is for slots that are means of patches: with start "{self.start}" say "slots".'
            )
        if self.decoder == "mixture" and (self.start != "warm" or self.masks != "attention"):
            raise RunError(
                f'decoder "mixture" shares the attention of start "warm"; with start "{self.start}" and masks '
                f'"{self.masks}" say decoder "random".'
            )
        if self.same != "auto" and not 0 <= self.same <= 2:
            raise RunError(f"same is a cosine distance in [0, 2], or auto, not {self.same}.")
        if self.iterations < 2:
            raise RunError("The last look teaches the first, so iterations must be at least 2, not 1.")
        if self.later < 1 or not 0 <= self.memory < 1 or self.refresh < 0 or self.distill < 0:
            raise RunError(
                f"later must be at least 1, memory in [0, 1), refresh and distill at least 0, not {self.later}, "
                f"{self.memory}, {self.refresh} and {self.distill}."
            )


class Found(NamedTuple):
    """Slots of a frame, attention of each iteration, and which slots there are; None: all."""

    slots: Float[Tensor, "b k s"]
    attention: Float[Tensor, "b i k n"]
    keep: Bool[Tensor, "b k"] | None


class Carried(NamedTuple):
    """What a frame hands to the next: where its slots start, which of them there are, and frames seen so far."""

    slots: Float[Tensor, "b k s"]
    keep: Bool[Tensor, "b k"] | None
    frames: int


class DIAS(Method):
    Config = DIASConfig

    def __init__(self, config: DIASConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: DIASConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            self.group = Grouping.warm(d, s, start, iterations=config.iterations, temperature=config.temperature)
        else:
            attend = SlotAttention(d, s, iterations=config.iterations, activation="gelu", eps=1e-5, eps_in="sum")
            self.group = Grouping(mlp((d, d, d), "gelu"), SharedGaussian(k, s), attend)
            for name, bias in self.group.named_parameters():
                if "bias" in name:
                    nn.init.zeros_(bias)
        self.handed = config.hand_on or ("means" if config.start == "warm" else "slots")
        self.predict = TransformerPredictor(s) if self.handed == "transformer" else None
        self.needs |= {"frames"} if self.predict else set()
        self.decode = self.decoder()

    def decoder(self) -> nn.Module:
        config, d, patches = self.config, self.feature_dim, self.grid[0] * self.grid[1]
        warm = config.start == "warm" and config.masks == "attention"
        kind = config.decoder or ("mixture" if warm else "random")
        if kind == "mixture":
            assert isinstance(self.group.project, nn.Linear)
            return Mixture(config.slot_dim, d).like(self.group.project)
        if kind == "mlp":
            return PatchMLP(config.slot_dim, d, patches, (config.decoder_width,) * config.decoder_layers)
        transformer = TransformerDecoder(
            d,
            layers=config.decoder_layers,
            heads=config.decoder_heads,
            activation="gelu",
            enter="normed",
            bias=False,
            attention_bias=False,
        )
        if kind == "autoregressive":
            return AutoregressiveDecoder(config.slot_dim, transformer, self.grid)
        return RandomOrderDecoder(config.slot_dim, transformer, patches, p=config.random_length)

    def forward(self, batch: Batch, state: Carried | None = None) -> SlotOutput:
        clips, grid = batch.features.shape[:2], self.grid
        features = batch.features.flatten(2, 3)  # b t n d
        x = self.group.project(features)
        frames: list[Found] = []
        for patches, projected in zip(features.unbind(1), x.unbind(1), strict=True):
            seen = self.group.attend.see(projected)
            if state is None:
                found = self.begin(patches, projected, seen)
            else:
                state = self.enter(patches, projected, seen, state)
                looks = self.group.attend(seen, state.slots, iterations=self.config.later, keep=state.keep)
                found = Found(looks.slots, looks.attention, state.keep)
            frames.append(found)
            state = self.hand_on(found, projected, state)
        common = min(self.config.later, self.config.iterations)  # iterations that all frames have
        slots = torch.stack([found.slots for found in frames], dim=1)
        attention = torch.stack([found.attention[:, -common:] for found in frames], dim=1)
        first = torch.stack([found.attention[:, 0] for found in frames], dim=1)
        there = [found.keep for found in frames if found.keep is not None]
        keep = torch.stack(there, dim=1) if there else None
        rebuilt, masks = (v.unflatten(0, clips) for v in self.rebuild(features, slots, attention[:, :, -1], keep))
        if self.config.masks == "attention":
            masks = attention[:, :, -1]
        return SlotOutput(
            slots=slots,
            masks=masks.unflatten(-1, grid),
            rebuilt=rebuilt.unflatten(2, grid),
            attention=attention.unflatten(-1, grid),
            keep=keep,
            state=state,
            aside={"first": first},
        )

    def begin(self, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n e"], seen: Seen) -> Found:
        """Look, drop the slots that double another, look again."""
        config, attend = self.config, self.group.attend
        first, keep = self.group.begin(features, x)
        once = config.again == "none"
        slots, maps = attend(seen, first, iterations=config.iterations - (not once), keep=keep)
        if config.same:
            own = maps[:, -1].sum(-1)
            found = distinct(slots, own, config.same, keep)
            slots, keep = found.slots(slots, own), found.keep
            if once:
                maps = torch.cat([maps[:, :-1], (found.members @ maps[:, -1])[:, None]], dim=1)
        if once:
            return Found(slots, maps, keep)
        if config.again == "restart":
            again = attend(seen, first, keep=keep)
        else:
            again = attend(seen, slots, iterations=1, keep=keep)
        return Found(again.slots, torch.cat([maps, again.attention], dim=1), keep)

    def enter(self, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n e"], seen: Seen, state: Carried) -> Carried:
        """Let freed slots come in: who wins a patch and doubles nobody that is there. Who was there may be freed."""
        if state.keep is None or not self.config.refresh or state.frames % self.config.refresh:
            return state
        with torch.no_grad():
            fresh, there = self.candidates(features, x, state.slots, state.keep)
            slots = state.slots.where(state.keep[..., None], fresh)
            looked, maps = self.group.attend(seen, slots, iterations=1, keep=state.keep | there)
            share = maps[:, 0]
            wins = one_hot(share.argmax(1), share.shape[1]).any(1)
            own = share.sum(-1) + share.shape[-1] * state.keep  # who is there stands for who is new
            apart = state.keep if self.config.reduce == "first" or not self.config.same else None
            keep = distinct(looked, own, self.config.same or "auto", state.keep | wins, apart).keep
        return state._replace(slots=state.slots.where(state.keep[..., None], fresh), keep=keep)

    def candidates(
        self,
        features: Float[Tensor, "b n d"],
        x: Float[Tensor, "b n e"],
        slots: Float[Tensor, "b k s"],
        keep: Bool[Tensor, "b k"],
    ) -> tuple[Float[Tensor, "b k s"], Bool[Tensor, "b k"]]:
        """Where freed slots would start, and which of them could: groups of patches take the freed places, those first
        that are least like the slots that are there.
        """
        fresh, there = self.group.begin(features, x)
        if there is None:
            return fresh.to(slots), torch.ones_like(keep)
        alike = (normalize(fresh, dim=-1) @ normalize(slots, dim=-1).mT).masked_fill(~keep[:, None], -1).amax(-1)
        strange = alike.masked_fill(~there, 2).argsort(dim=1)
        place = strange.gather(1, ((~keep).cumsum(1) - 1).clamp(min=0))  # the first freed slot takes the strangest
        return fresh.gather(1, place[..., None].expand_as(fresh)).to(slots), there.gather(1, place)

    def hand_on(self, found: Found, x: Float[Tensor, "b n e"], state: Carried | None) -> Carried:
        """Where the slots of the next frame start."""
        slots, seen = found.slots, 0 if state is None else state.frames
        if self.handed == "means":
            won = one_hot(found.attention[:, -1].argmax(1), slots.shape[1]).mT.float()
            count = won.sum(-1, keepdim=True)
            mean, before, memory = won @ x / count.clamp(min=1), slots, self.config.memory
            if state is not None:
                mean, before = memory * state.slots + (1 - memory) * mean, state.slots
            slots = mean.where(count > 0, before)
        elif self.predict is not None:
            slots = self.predict(slots, found.keep)
        return Carried(slots, found.keep, seen + 1)

    def rebuild(
        self,
        features: Float[Tensor, "b t n d"],
        slots: Float[Tensor, "b t k s"],
        shares: Float[Tensor, "b t k n"],
        keep: Bool[Tensor, "b t k"] | None,
    ) -> Rebuilt:
        """Features of all frames from slots, and the decoder's masks."""
        target, slots, shares = features.flatten(0, 1), slots.flatten(0, 1), shares.flatten(0, 1)
        there = None if keep is None else keep.flatten(0, 1)
        if isinstance(self.decode, Mixture):
            return self.decode(slots, shares)
        shared = target.mean(1, keepdim=True) * self.config.centre
        if isinstance(self.decode, PatchMLP):
            rebuilt, masks = self.decode(slots, there)
        else:
            rebuilt, masks = self.decode(slots, target - shared, keep=there)
        return Rebuilt(rebuilt + shared, masks)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        config, terms = self.config, {"rebuild": mse_loss(out.rebuilt, batch.features)}
        if config.distill:
            assert out.attention is not None
            first, last = out.aside["first"].flatten(0, 1), out.attention[:, :, -1].flatten(0, 1).flatten(2).detach()
            if config.again == "restart":  # who started over need not have come to the same patches
                order, _ = students_of(first.detach(), last)
                first = first.gather(1, order[..., None].expand_as(first))
            ramp = 0.5 * (1 - cos(pi * self.progress)) if config.ramp else 1.0
            terms["distill"] = config.distill * ramp * shares_cross_entropy(first, last, twice=config.double_softmax)
        return terms
