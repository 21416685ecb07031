"""SAVi-DINOSAUR: slots that rebuild frozen features and are handed on from frame to frame.

Paper     SAVi (Kipf et al., ICLR 2022, arXiv:2111.12594) with the targets of DINOSAUR (Seitzer et al., ICLR 2023,
          arXiv:2209.14860), put together in public by Menserve/Object-centric-representation ("the seed project").
Built     all of it: MLP to narrow slots, slot attention per frame, predictor, broadcast decoder to features with a
          mask temperature, diversity loss, three reconstruction losses, stop-gradient and refresh.
Left out  the learned layer there between CLIP and its own target: a loss could shrink both sides to nothing.
Differs   start="warm" (ours, the default): slots of the first frame start as groups of like patches, as many as there
          are; slot attention starts as soft k-means without a GRU; decoder="mixture", masks of the attention and
          centre=True, as in dinosaur.py. hand_on="means" (ours): a slot starts the next frame at the running mean of
          the patches it won, and one that won nothing waits where it was, so objects come back from behind others
          as themselves. Nothing there is learned: a run trained on stills follows objects through videos, and cannot
          unlearn it.
          A refresh of warm slots looks for groups anew and numbers them by the slots that win their patches; drawn
          slots start where the clip's began, while the release draws anew.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.nn.functional import one_hot

from vitreous.blocks.broadcast import BroadcastDecoder
from vitreous.blocks.decoders import Mixture, Rebuilt
from vitreous.blocks.initial import LearnedSlots, PatchGroups, SharedGaussian, SlotGaussian
from vitreous.blocks.losses import Distance, diversity, rebuild_loss
from vitreous.blocks.predictors import ResidualPredictor
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SAViDINOSAURConfig:
    """The seed project's numbers: 5 iterations in every frame, start "xavier", hand_on "mlp", decoder "broadcast" 384
    wide, masks "decoder", centre False, diversity 0.1 (0.01 from its command line); the rest as here.

    later             iterations in every frame but the first
    start             warm; xavier: a Gaussian per slot of one width; gaussian: one for all slots; learned: no noise
    hand_on           means; mlp: a residual MLP per slot; slots: as they are
    memory            of the running means, in [0, 1): share that is older than the frame
    refresh           start anew every so many frames; 0: never; None: 6 for warm slots, which keep their numbers by the
                      patches they win, so new objects get a slot and k-means does not tear the background by and by
    stop_gradient     what a frame teaches does not reach the frames before it
    decoder           None: mixture if start is warm and masks are the attention's, else broadcast
    mask_temperature  divides the decoder's mask logits
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    later: int = 2
    start: Literal["warm", "xavier", "gaussian", "learned"] = "warm"
    hand_on: Literal["means", "mlp", "slots"] = "means"
    memory: float = 0.7
    refresh: int | None = None
    stop_gradient: bool = False
    decoder: Literal["mixture", "broadcast"] | None = None
    decoder_width: int = 64
    mask_temperature: float = 0.5
    masks: Literal["attention", "decoder"] = "attention"
    centre: bool = True
    loss: Distance = "mse"
    diversity: float = 0.0  # warm slots stand apart by themselves; pushed further, they tear the background
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide: logits grow with the root of the width

    def __post_init__(self) -> None:
        if self.hand_on == "means" and self.start != "warm":
            raise RunError(
                f'hand_on "means" is for slots that are means of patches: with start "{self.start}" say "mlp".'
            )
        if self.decoder == "mixture" and (self.start != "warm" or self.masks != "attention"):
            raise RunError(
                f'decoder "mixture" shares the attention of start "warm"; with start "{self.start}" and masks '
                f'"{self.masks}" say decoder "broadcast".'
            )
        if self.later < 1 or not 0 <= self.memory < 1 or (self.refresh or 0) < 0:
            raise RunError(
                f"later must be at least 1, memory in [0, 1), refresh at least 0, not {self.later}, {self.memory} and "
                f"{self.refresh}."
            )


class Carried(NamedTuple):
    """What a frame hands to the next.

    slots   where the next frame's start
    keep    which of them there are; None: all
    first   where the clip's started
    frames  seen so far
    """

    slots: Float[Tensor, "b k s"]
    keep: Bool[Tensor, "b k"] | None
    first: Float[Tensor, "b k s"]
    frames: int


class SAViDINOSAUR(Method):
    Config = SAViDINOSAURConfig

    def __init__(self, config: SAViDINOSAURConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SAViDINOSAURConfig = config
        k, s, d = config.slots, config.slot_dim, feature_dim
        warm = config.start == "warm"
        decoder = config.decoder or ("mixture" if warm and config.masks == "attention" else "broadcast")
        self.refresh = 6 * warm if config.refresh is None else config.refresh
        if warm:
            self.project = nn.Linear(d, s, bias=False)
            nn.init.orthogonal_(self.project.weight)
            self.start = PatchGroups(k, config.candidates, config.merge)
        else:
            self.project = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, d), nn.ReLU(), nn.Linear(d, s))
            if config.start == "xavier":
                self.start = SlotGaussian(k, s, "shared")
            else:
                self.start = (SharedGaussian if config.start == "gaussian" else LearnedSlots)(k, s)
        self.group = SlotAttention(s, s, iterations=config.iterations, mlp_dim=2 * s, gru=not warm)
        if warm:
            self.group.start_as_kmeans(config.temperature)
        self.predict = ResidualPredictor(s) if config.hand_on == "mlp" else None
        if decoder == "mixture":
            assert isinstance(self.project, nn.Linear)
            self.decode = Mixture(s, d).like(self.project)
        else:
            self.up = nn.Sequential(nn.LayerNorm(s), nn.Linear(s, 2 * s), nn.ReLU(), nn.Linear(2 * s, d))
            hidden = (config.decoder_width,) * 2
            self.decode = BroadcastDecoder(d, d, grid, hidden, temperature=config.mask_temperature, clamp=10.0)

    def forward(self, batch: Batch, state: Carried | None = None) -> SlotOutput:
        clips = batch.features.shape[:2]
        features = batch.features.flatten(2, 3)  # b t n d
        x = self.project(features)
        slots, attention, kept = [], [], []
        for frame, patches in zip(features.unbind(1), x.unbind(1), strict=True):
            state = self.begin(frame, patches, state)
            count = self.config.later if state.frames else self.config.iterations
            found = self.group(patches, state.slots, iterations=count, keep=state.keep)
            slots.append(found.slots)
            attention.append(found.attention[:, -min(self.config.later, self.config.iterations) :])  # all frames' alike
            kept.append(state.keep)
            state = self.hand_on(found.slots, found.attention[:, -1], patches, state)
        slots, attention = torch.stack(slots, dim=1), torch.stack(attention, dim=1)
        keep = None if kept[0] is None else torch.stack(kept, dim=1)
        rebuilt, masks = (v.unflatten(0, clips) for v in self.rebuild(features, slots, attention[:, :, -1], keep))
        if self.config.masks == "attention":
            masks = attention[:, :, -1]
        return SlotOutput(
            slots=slots,
            masks=masks.unflatten(-1, self.grid),
            rebuilt=rebuilt.unflatten(2, self.grid),
            attention=attention.unflatten(-1, self.grid),
            keep=keep,
            state=state,
        )

    def rebuild(
        self,
        features: Float[Tensor, "b t n d"],
        slots: Float[Tensor, "b t k s"],
        shares: Float[Tensor, "b t k n"],
        keep: Bool[Tensor, "b t k"] | None,
    ) -> Rebuilt:
        """Features of all frames from slots, and the decoder's masks."""
        if isinstance(self.decode, Mixture):
            return self.decode(slots.flatten(0, 1), shares.flatten(0, 1))
        rebuilt, masks = self.decode(self.up(slots).flatten(0, 1), None if keep is None else keep.flatten(0, 1))
        shared = features.flatten(0, 1).mean(1, keepdim=True) * self.config.centre
        return Rebuilt(rebuilt + shared, masks)

    def begin(self, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n s"], state: Carried | None) -> Carried:
        """Where the slots of this frame start."""
        if state is not None and not (self.refresh and state.frames % self.refresh == 0):
            return state
        if isinstance(self.start, PatchGroups):
            groups = self.start(features)
            if state is not None:
                groups = self.numbered_alike(groups, x, state)
            size = groups.sum(-1, keepdim=True)
            slots, keep = groups @ x / size.clamp(min=1), size[..., 0] > 0
            if state is not None:
                slots = slots.where(keep[..., None], state.slots)  # who is not there now may come back
        else:
            slots, keep = self.start(x) if state is None else state.first, None
        return Carried(slots, keep, slots, 0) if state is None else state._replace(slots=slots, keep=keep)

    @torch.no_grad()
    def numbered_alike(
        self, groups: Float[Tensor, "b k n"], x: Float[Tensor, "b n s"], state: Carried
    ) -> Float[Tensor, "b k n"]:
        """New groups in the order of the slots that win most of their patches (Hungarian matching), among all that ever
        were: zeros never were.
        """
        share = self.group(x, state.slots, iterations=1, keep=(state.slots != 0).any(-1)).attention[:, 0]
        overlap = (share @ groups.mT).float().nan_to_num().cpu().numpy()  # NaN is for the loss to name
        order = torch.stack([torch.from_numpy(linear_sum_assignment(o, maximize=True)[1]) for o in overlap])
        return groups.gather(1, order.to(groups.device)[..., None].expand_as(groups))

    def hand_on(
        self, slots: Float[Tensor, "b k s"], share: Float[Tensor, "b k n"], x: Float[Tensor, "b n s"], state: Carried
    ) -> Carried:
        """Where the slots of the next frame start."""
        if self.config.hand_on == "means":
            won, memory = one_hot(share.argmax(1), share.shape[1]).mT.float(), self.config.memory
            count = won.sum(-1, keepdim=True)
            mean = memory * state.slots + (1 - memory) * (won @ x / count.clamp(min=1))
            slots = mean.where(count > 0, state.slots)
        if self.config.stop_gradient:
            slots = slots.detach()
        if self.predict is not None:
            slots = self.predict(slots)
        return state._replace(slots=slots, frames=state.frames + 1)

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        return {
            "rebuild": rebuild_loss(out.rebuilt, batch.features, self.config.loss),
            "diversity": self.config.diversity * diversity(out.slots, out.keep),
        }
