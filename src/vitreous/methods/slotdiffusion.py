"""SlotDiffusion: slots that tell a diffusion model what to paint.

Paper     Wu et al., "SlotDiffusion: Object-Centric Generative Modeling with Diffusion Models", NeurIPS 2023,
          arXiv:2305.11281.
Built     slots from frozen features; a denoiser (U-Net) of latents that looks at the slots by cross-attention; its
          noise schedule; painting pictures from slots (`paint`). Schedulers and U-Net are those of the library
          diffusers (extra `diffusion`). As latents, codes of the frozen features that all pictures share
          (latents="features"), as in Zhao et al. (VQ-VFM-OCL, arXiv:2502.20263).
Left out  the ResNet encoder for synthetic pictures and the predictor for videos: frames are independent here. LPIPS as
          a loss of the pictures' auto-encoder, which needs the weights of another network.
Differs   start="warm" (ours, the default), as in dinosaur.py; the paper's own is start="learned". The auto-encoder
          learns in the first part of the same training (`until`) and then stays; theirs in a training before it. Its
          latents are those before quantisation, as in the paper; codes are a random table through a layer, as in
          VQ-VFM-OCL.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vitreous.blocks.encoders import Places
from vitreous.blocks.grouping import Grouping, mlp
from vitreous.blocks.initial import LearnedSlots, PatchGroups
from vitreous.blocks.quantise import feature_codes, picture_codes
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError
from vitreous.extras import need
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput

NOISE: dict[str, Any] = {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195}
STEPS = 1000  # between a picture and noise


@dataclass(frozen=True)
class SlotDiffusionConfig:
    """The authors' numbers: slots 192 wide (256 on COCO), 3 iterations, latents of 3 channels and a quarter of the
    picture's side, 4096 codes; a U-Net of 128, 256, 384 and 512 channels with 2 blocks each, 32 channels per head.

    start        warm; learned: the same for every picture
    latents      what is made noisy and painted: those of pictures, or codes of features (4 channels in VQ-VFM-OCL)
    latent_dim   their channels
    codes        of the auto-encoder
    until        share of the training in which the auto-encoder learns
    resolution   of the pictures: pixels of the shorter side, brought to a multiple of 4
    coder_width  of the pictures' auto-encoder
    width        of the U-Net's first level, a multiple of 8
    levels       of the U-Net: each halves the grid and is `width` wider than the one before
    blocks       per level
    candidates merge temperature   of the warm start, as in dinosaur.py
    """

    slots: int = 11  # objects + background
    slot_dim: int = 64
    iterations: int = 3
    start: Literal["warm", "learned"] = "warm"
    latents: Literal["pictures", "features"] = "pictures"
    latent_dim: int = 3
    codes: int = 256
    coder_width: int = 64
    until: float = 0.3
    resolution: int = 64
    width: int = 32
    levels: int = 3
    blocks: int = 1
    candidates: int = 24
    merge: float = 0.3
    temperature: float = 0.5  # as sharp as 1 at 256 wide

    def __post_init__(self) -> None:
        if not 0 < self.until <= 1 or self.width % 8 or self.width < 8 or self.levels < 2:
            raise RunError(
                "until must lie in (0, 1], width be a multiple of 8 and levels at least 2, not "
                f"{self.until}, {self.width} and {self.levels}."
            )


class SlotDiffusion(Method):
    Config = SlotDiffusionConfig
    rates = {"denoise": 2.0}  # noqa: RUF012 - 2e-4 beside 1e-4

    def __init__(self, config: SlotDiffusionConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.config: SlotDiffusionConfig = config
        d, k, s, latent = feature_dim, config.slots, config.slot_dim, config.latent_dim
        if config.start == "warm":
            start = PatchGroups(k, config.candidates, config.merge)
            how: dict[str, Any] = {"iterations": config.iterations, "temperature": config.temperature}
            self.group = Grouping.warm(d, s, start, **how)
        else:
            attend = SlotAttention(s, s, iterations=config.iterations, mlp_dim=2 * s, eps=1e-6)
            self.group = Grouping(nn.Sequential(Places(d, grid), mlp((d, d, s))), LearnedSlots(k, s), attend)
        if config.latents == "pictures":
            size = self.wants_pictures(config.resolution, 4)
            self.autoencoder, self.size = (
                picture_codes(config.codes, latent, config.coder_width),
                (size[0] // 4, size[1] // 4),
            )
        else:
            self.size, self.autoencoder = grid, feature_codes(d, config.codes, latent)
        diffusers = need("diffusers", "diffusion", "SlotDiffusion")
        self.denoise = unet(diffusers, latent, s, config)
        self.noise = diffusers.DDPMScheduler(STEPS, **NOISE)

    def forward(self, batch: Batch, state: None = None) -> SlotOutput:
        clips = batch.features.shape[:2]
        (slots, attention), keep = self.group(batch.features.flatten(0, 1).flatten(1, 2))  # (b t) n d
        attention = attention.unflatten(-1, self.grid).unflatten(0, clips)
        return SlotOutput(
            slots=slots.unflatten(0, clips),
            masks=attention[:, :, -1],
            rebuilt=self.no_features(batch),
            attention=attention,
            keep=None if keep is None else keep.unflatten(0, clips),
        )

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        if self.config.latents == "pictures":
            x = self.pictures_of(batch).flatten(0, 1)
        else:
            x = batch.features.flatten(0, 1).movedim(-1, 1)
        with torch.no_grad():
            clean = self.latents(x)
        noise = torch.randn_like(clean)
        step = torch.randint(STEPS, (len(clean),), device=clean.device)
        noisy = self.noise.add_noise(clean, noise, step)
        keep = None if out.keep is None else out.keep.flatten(0, 1)
        told = self.denoised(noisy, step, out.slots.flatten(0, 1), keep)
        return {"rebuild": mse_loss(told, noise)} | self.autoencoder.terms(x, x, self.progress / self.config.until)

    def latents(self, x: Float[Tensor, "b c y x"]) -> Float[Tensor, "b l h w"]:
        """What is made noisy: of pictures before, of features after quantisation, as in the two papers."""
        if self.config.latents == "pictures":
            return self.autoencoder.encode(x).float()
        return self.autoencoder(x).code.mT.unflatten(2, self.size).float()

    def denoised(
        self,
        noisy: Float[Tensor, "b l h w"],
        step: Tensor,
        slots: Float[Tensor, "b k s"],
        keep: Bool[Tensor, "b k"] | None,
    ) -> Float[Tensor, "b l h w"]:
        """The noise in it, as far as it can be told from the slots."""
        return self.denoise(noisy, step, slots, encoder_attention_mask=keep, return_dict=False)[0].float()

    @torch.no_grad()
    def paint(
        self, slots: Float[Tensor, "b k s"], keep: Bool[Tensor, "b k"] | None = None, steps: int = 20
    ) -> Float[Tensor, "b c y x"]:
        """Pictures of slots, in [0, 1] (or features, if these are what is painted), in so many steps of a DPM solver.

        In the end latents become their nearest codes; in the release those seen behind the noise do so at every step.
        """
        solver = need("diffusers", "diffusion", "SlotDiffusion").DPMSolverMultistepScheduler(STEPS, **NOISE)
        solver.set_timesteps(steps)
        x = torch.randn(len(slots), self.config.latent_dim, *self.size, device=slots.device)
        for step in solver.timesteps:
            x = solver.step(self.denoised(x, step, slots, keep), step, x).prev_sample
        painted = self.autoencoder.decode(self.autoencoder.book(x.flatten(2).mT).code.mT.unflatten(2, self.size))
        return painted.clamp(0, 1) if self.config.latents == "pictures" else painted


def unet(diffusers: Any, channels: int, slot_dim: int, config: SlotDiffusionConfig) -> nn.Module:
    """The denoiser. All its levels but the first look at the slots."""
    widths = [config.width * (level + 1) for level in range(config.levels)]
    deep = config.levels - 1
    return diffusers.UNet2DConditionModel(
        in_channels=channels,
        out_channels=channels,
        block_out_channels=widths,
        down_block_types=["DownBlock2D", *["CrossAttnDownBlock2D"] * deep],
        up_block_types=[*["CrossAttnUpBlock2D"] * deep, "UpBlock2D"],
        layers_per_block=config.blocks,
        cross_attention_dim=slot_dim,
        attention_head_dim=[max(1, width // 32) for width in widths],  # the library's name for the number of heads
        norm_num_groups=32 if config.width % 32 == 0 else 8,
        dropout=0.1,
    )
