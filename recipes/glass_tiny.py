"""Train glass_tiny, the backbone inside the package: contrast between superpixels, no labels, no ids.

    vitreous render --out pictures/varied --style varied --scenes 1500 --seed 1
    vitreous render --out pictures/clevr --style clevr --scenes 1000 --seed 2
    python recipes/glass_tiny.py pictures --out scratch/glass_tiny

Each picture is cut into superpixels (Felzenszwalb), the pseudo-groups. Two augmented views go through a small ViT;
every patch must pick the mean embedding of its own superpixel *in the other view* among the superpixels of the picture
and a few of other pictures. Position cannot solve that (crops and flips move everything), colour alone cannot either
(each view has its own light), so what is left is "which thing is this part of".

Goes on from the last checkpoint (safetensors, every 100 steps) when started again with the same --out; the batches are
a function of seed and step alone. Writes log.csv and a model folder in the hub's format.
"""

import csv
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jsonargparse import auto_cli
from PIL import Image
from rich.progress import Progress
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, normalize, one_hot
from transformers import Dinov2Config, Dinov2Model

from vitreous.report.baselines import superpixels as felzenszwalb_segments

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
SCALES = (1500, 3000)  # of the superpixels: objects in parts, and objects whole but some lost in the floor
LARGEST = 20  # superpixels per picture that take part, by area; the rest is left out


@dataclass(frozen=True)
class Settings:
    """Everything that decides the weights."""

    width: int = 192
    layers: int = 6
    heads: int = 3
    patch: int = 8
    size: int = 128
    view: int = 96  # side of an augmented view: half the patches, and objects at 0.75 to 1.5 times their size
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.05
    temperature: float = 0.1
    strangers: int = 64  # superpixels of other pictures among the choices
    seed: int = 0


def superpixels(path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture uint8 [y x 3] and its superpixels at each scale uint8 [2 y x]: 0 is the largest, LARGEST is none."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    pixels, ranked = np.asarray(picture), []
    for scale in SCALES:
        labels = felzenszwalb_segments(pixels, scale)
        order = np.argsort(-np.bincount(labels.ravel()), kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        ranked.append(np.minimum(rank[labels], LARGEST).astype(np.uint8))
    return pixels, np.stack(ranked)


def gather(folder: Path, size: int, cache: Path) -> tuple[Tensor, Tensor]:
    """All pictures [n 3 y x] and superpixels [n 2 y x] below a folder, uint8; kept in `cache`."""
    paths = sorted(folder.glob("**/train/clip_*/rgb/*.png"))
    if not paths:
        raise SystemExit(f"No rendered pictures in {folder}: see the head of this file.")
    if cache.exists():
        held = load_file(cache)
        if len(held["pictures"]) == len(paths):
            return held["pictures"], held["segments"]
    with ProcessPoolExecutor() as pool, Progress() as bar:
        task = bar.add_task("superpixels", total=len(paths))
        both = []
        for pair in pool.map(superpixels, paths, [size] * len(paths), chunksize=16):
            both.append(pair)
            bar.advance(task)
    pictures = torch.from_numpy(np.stack([p for p, _ in both])).permute(0, 3, 1, 2).contiguous()
    segments = torch.from_numpy(np.stack([s for _, s in both]))
    save_file({"pictures": pictures, "segments": segments}, cache)
    return pictures, segments


def view(pictures: Tensor, segments: Tensor, side: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """One augmented view: crop, turn a little, flip, another light. Float [b 3 side side] in [0, 1] and labels."""
    b, dtype = len(pictures), torch.float32

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw)

    zoom = 1 - 0.5 * rand(b)  # side of the crop, as a share of the picture's
    aspect = torch.exp(0.3 * (rand(b) - 0.5))
    angle = 0.5 * (rand(b) - 0.5)
    flip = torch.where(rand(b) < 0.5, -1.0, 1.0)
    wide, high = (zoom * aspect).clamp(max=1), (zoom / aspect).clamp(max=1)
    affine = torch.zeros(b, 2, 3)
    affine[:, 0, 0], affine[:, 0, 1] = flip * wide * angle.cos(), -high * angle.sin()
    affine[:, 1, 0], affine[:, 1, 1] = flip * wide * angle.sin(), high * angle.cos()
    affine[:, 0, 2] = (1 - wide) * (2 * rand(b) - 1)
    affine[:, 1, 2] = (1 - high) * (2 * rand(b) - 1)
    grid = affine_grid(affine, [b, 3, side, side], align_corners=False)
    x = grid_sample(pictures.to(dtype) / 255, grid, padding_mode="reflection", align_corners=False)
    labels = grid_sample(
        segments[:, None].to(dtype), grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return relight(x, rand, draw), labels[:, 0].round().long()


def relight(x: Tensor, rand, draw: torch.Generator) -> Tensor:
    """Gain per channel, contrast, saturation, gamma, a lighting ramp over the picture, noise."""
    b = len(x)
    x = x * (1 + 0.3 * (rand(b, 3, 1, 1) - 0.5))
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (0.6 + 0.8 * rand(b, 1, 1, 1))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (0.4 + 1.2 * rand(b, 1, 1, 1))
    ramp = torch.linspace(-1, 1, x.shape[-1])
    x = x * (1 + 0.5 * (rand(b, 1, 1, 1) - 0.5) * ramp + 0.5 * (rand(b, 1, 1, 1) - 0.5) * ramp[:, None])
    x = x.clamp(1e-4, 1) ** torch.exp(0.8 * (rand(b, 1, 1, 1) - 0.5))
    return (x + 0.03 * rand(b, 1, 1, 1) * torch.randn(x.shape, generator=draw)).clamp(0, 1)


def contrast(f: Tensor, g: Tensor, owns: Tensor, others: Tensor, settings: Settings, draw: torch.Generator) -> Tensor:
    """Cross-entropy of the patches `f` [b n d] picking their superpixel among the means of the other view `g`.

    owns, others [b n m] share of each patch that each superpixel covers, in this and in the other view.
    """
    f, g = normalize(f.float(), dim=-1), normalize(g.float(), dim=-1)
    both = (owns.sum(1) > 1) & (others.sum(1) > 1)  # b m: at least a patch's worth in both views
    owns = owns * both[:, None]
    means = normalize(others.mT @ g, dim=-1)  # b m d
    here = (f @ means.mT / settings.temperature).masked_fill(~both[:, None], -torch.inf)
    pool = means[both]
    home = torch.arange(len(f))[:, None].expand_as(both)[both]
    pick = torch.randint(len(pool), (settings.strangers,), generator=draw)
    away = f @ pool[pick].T / settings.temperature
    away = away.masked_fill(home[pick][None, None] == torch.arange(len(f))[:, None, None], -torch.inf)
    log_share = torch.cat([here, away], dim=2).log_softmax(2)[..., : owns.shape[2]]
    miss = -(owns * log_share.masked_fill(~both[:, None], 0)).sum(1)  # b m: summed over the patches of a superpixel
    return (miss / owns.sum(1).clamp(min=1))[both].mean()  # balanced: each superpixel counts the same


def shares(labels: Tensor, patch: int) -> Tensor:
    """Share of each patch that each superpixel covers, [b n m]."""
    hot = one_hot(labels, LARGEST + 1)[..., :LARGEST].permute(0, 3, 1, 2).float()
    return avg_pool2d(hot, patch).flatten(2).mT


def build(settings: Settings) -> Dinov2Model:
    torch.manual_seed(settings.seed)
    config = Dinov2Config(
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        patch_size=settings.patch,
        image_size=settings.size,
        layerscale_value=1.0,
        drop_path_rate=0.0,
        use_mask_token=False,
    )
    return Dinov2Model(config)


def step_loss(net: Dinov2Model, pictures: Tensor, segments: Tensor, settings: Settings, step: int) -> Tensor:
    """The loss of one step; which pictures and how they are augmented depends on (seed, step) alone."""
    draw = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    pick = torch.randperm(len(pictures), generator=draw)[: settings.batch]
    cut = segments[pick, torch.randint(len(SCALES), (len(pick),), generator=draw)]  # both views at one scale
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    (x1, l1), (x2, l2) = (view(pictures[pick], cut, settings.view, draw) for _ in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = net((torch.cat([x1, x2]) - mean) / std).last_hidden_state[:, 1:]
    f1, f2 = tokens.chunk(2)
    s1, s2 = shares(l1, settings.patch), shares(l2, settings.patch)
    return (contrast(f1, f2, s1, s2, settings, draw) + contrast(f2, f1, s2, s1, settings, draw)) / 2


def save_model(net: Dinov2Model, folder: Path, settings: Settings, steps: int) -> None:
    """The hub's format: config.json, model.safetensors (float16), preprocessor_config.json."""
    half = Dinov2Model(net.config)
    half.load_state_dict(net.state_dict())
    half.half().save_pretrained(folder)
    side = {"height": settings.size, "width": settings.size}
    processor = {"image_processor_type": "BitImageProcessor", "image_mean": MEAN, "image_std": STD, "size": side}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")
    recipe = {"settings": asdict(settings), "steps": steps, "recipe": "recipes/glass_tiny.py"}
    (folder / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


class Checkpoint:
    """Weights, optimiser state and the step, in one safetensors file; replaced in one move."""

    def __init__(self, path: Path, net: Dinov2Model, optimiser: torch.optim.AdamW) -> None:
        self.path, self.net, self.optimiser = path, net, optimiser

    def save(self, step: int, seconds: float) -> None:
        tensors = {f"net.{n}": p for n, p in self.net.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{n}": v for n, v in state.items()}
        save_file(tensors, self.path.with_suffix(".new"), {"step": str(step), "seconds": str(seconds)})
        self.path.with_suffix(".new").replace(self.path)

    def load(self) -> tuple[int, float]:
        if not self.path.exists():
            return 0, 0.0
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            about = file.metadata()
        tensors = load_file(self.path)
        self.net.load_state_dict({n.removeprefix("net."): t for n, t in tensors.items() if n.startswith("net.")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, i, key = name.split(".")
                state.setdefault(int(i), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        return int(about["step"]), float(about["seconds"])


def train(
    folder: Path, out: Path = Path("scratch/glass_tiny"), steps: int = 1200, settings: Settings = Settings()
) -> None:
    """Train glass_tiny on rendered pictures.

    Args:
        folder: Holds what `vitreous render` wrote; every train split below it is used.
        out: Checkpoint, log and the finished model go here.
        steps: Length of the schedule; 1,200 steps of 32 pictures are about a quarter of an hour on two cores.
        settings: What decides the weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures, segments = gather(folder, settings.size, out / "superpixels.safetensors")
    net = build(settings).train()
    optimiser = torch.optim.AdamW(net.parameters(), settings.lr, (0.9, 0.98), weight_decay=settings.weight_decay)
    checkpoint = Checkpoint(out / "checkpoint.safetensors", net, optimiser)
    first, spent = checkpoint.load()
    began, warm_up = time.monotonic() - spent, max(1, steps // 20)
    print(f"{len(pictures)} pictures, {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, step {first}")
    with (out / "log.csv").open("a", newline="") as file, Progress() as bar:
        log = csv.writer(file)
        task = bar.add_task("training", total=steps, completed=first)
        for step in range(first, steps):
            ramp = min(1, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for group in optimiser.param_groups:
                group["lr"] = settings.lr * ramp
            loss = step_loss(net, pictures, segments, settings, step)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            bar.update(task, advance=1, description=f"loss {loss.item():.3f}")
            if (step + 1) % 20 == 0:
                seconds = time.monotonic() - began
                log.writerow([step + 1, f"{seconds:.0f}", f"{loss.item():.4f}"])
                file.flush()
            if (step + 1) % 100 == 0 or step + 1 == steps:
                checkpoint.save(step + 1, time.monotonic() - began)
                save_model(net, out / "model", settings, step + 1)
    print(f"{out / 'model'}: {steps} steps, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    auto_cli(train)
