"""Train glass_tiny, the backbone inside the package: contrast between superpixels, no labels, no ids.

    vitreous render --out pictures/clevr --scenes 2400 --seed 101
    vitreous render --out pictures/varied --scenes 1600 --seed 102 --style varied
    python recipes/glass_tiny.py pictures --out scratch/glass_tiny

Each picture is cut into superpixels (Felzenszwalb), the pseudo-groups. One window of it, in two different lights, goes
through a small ViT; every patch must pick the mean embedding of its own superpixel *in the other light* among the
superpixels of the picture and some of other pictures. Both see the same window, so that lookalikes can be told apart by
where they are; the floor and what is on it cannot be (a superpixel is one choice however far it reaches).

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
# Felzenszwalb's scale and the weight of chroma: objects in parts, objects whole but some lost in the floor. No one
# setting is right for every picture; where they disagree the net learns what most of them say.
CUTS = ((1000.0, 3.0), (1500.0, 3.0), (3000.0, 3.0), (3000.0, 5.0))
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
    batch: int = 16
    lr: float = 4e-3  # Muon, the matrices of the blocks
    lr_rest: float = 1e-3  # AdamW, everything else
    weight_decay: float = 0.05
    temperature: float = 0.3
    area_power: float = 0.5  # a superpixel of n patches counts n ** 0.5: the floor must become one, objects too
    whole_votes: bool = True  # a patch belongs to one superpixel, not by shares to several
    places: float = 0.3  # amplitude of the sines and cosines that the position embeddings start from
    strangers: int = 16  # superpixels of other pictures among the choices
    seed: int = 0


def superpixels(path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture uint8 [y x 3] and its superpixels, each cut uint8 [c y x]: 0 is the largest, LARGEST is none."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    pixels, ranked = np.asarray(picture), []
    for scale, chroma in CUTS:
        ranked.append(by_area(felzenszwalb_segments(pixels, scale, chroma)))
    return pixels, np.stack(ranked)


def by_area(labels: np.ndarray) -> np.ndarray:
    """Labels renamed by area, 0 the largest; LARGEST for all that are smaller than the first LARGEST."""
    order = np.argsort(-np.bincount(labels.ravel()), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.minimum(rank[labels], LARGEST).astype(np.uint8)


def gather(folder: Path, size: int, cache: Path) -> tuple[Tensor, Tensor]:
    """All pictures [n 3 y x] and superpixels [n c y x] below a folder, uint8; kept in `cache`."""
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


def windows(b: int, draw: torch.Generator) -> Tensor:
    """A window per picture, [b 2 3] as affine_grid takes it: half to all of a side, up to 14 degrees askew, flipped."""

    def rand() -> Tensor:
        return torch.rand(b, generator=draw) - 0.5

    zoom, aspect, angle, flip = 0.75 + 0.5 * rand(), torch.exp(0.3 * rand()), 0.5 * rand(), rand().sign()
    wide, high = (zoom * aspect).clamp(max=1), (zoom / aspect).clamp(max=1)
    across = torch.stack([flip * wide * angle.cos(), -high * angle.sin(), 2 * (1 - wide) * rand()], dim=1)
    down = torch.stack([flip * wide * angle.sin(), high * angle.cos(), 2 * (1 - high) * rand()], dim=1)
    return torch.stack([across, down], dim=1)


def view(pictures: Tensor, segments: Tensor, window: Tensor, side: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """One augmented view: a window of the picture in another light. Float [b 3 side side] in [0, 1] and labels."""
    b, dtype = len(pictures), torch.float32
    grid = affine_grid(window, [b, 3, side, side], align_corners=False)
    x = grid_sample(pictures.to(dtype) / 255, grid, padding_mode="reflection", align_corners=False)
    labels = grid_sample(
        segments[:, None].to(dtype), grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return relight(x, draw), labels[:, 0].round().long()


def relight(x: Tensor, draw: torch.Generator) -> Tensor:
    """Gain per channel, contrast, saturation, gamma, a lighting ramp over the picture, noise."""
    b = len(x)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw)

    x = x * (1 + 0.3 * (rand(b, 3, 1, 1) - 0.5))
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * (0.6 + 0.8 * rand(b, 1, 1, 1))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (0.4 + 1.2 * rand(b, 1, 1, 1))
    ramp = torch.linspace(-1, 1, x.shape[-1])
    x = x * (1 + 0.5 * (rand(b, 1, 1, 1) - 0.5) * ramp + 0.5 * (rand(b, 1, 1, 1) - 0.5) * ramp[:, None])
    x = x.clamp(1e-4, 1) ** torch.exp(0.8 * (rand(b, 1, 1, 1) - 0.5))
    return (x + 0.03 * rand(b, 1, 1, 1) * torch.randn(x.shape, generator=draw)).clamp(0, 1)


def contrast(f: Tensor, g: Tensor, owns: Tensor, settings: Settings, draw: torch.Generator) -> Tensor:
    """Cross-entropy of the patches `f` [b n d] picking their superpixel among the means of the other view `g`.

    owns [b n m] which superpixel each patch belongs to, the same in both views.
    """
    f, g = normalize(f.float(), dim=-1), normalize(g.float(), dim=-1)
    present = owns.sum(1) > 1  # b m: more than one patch
    owns = owns * present[:, None]
    means = normalize(owns.mT @ g, dim=-1)  # b m d
    here = (f @ means.mT / settings.temperature).masked_fill(~present[:, None], -torch.inf)
    pool = means[present]
    home = torch.arange(len(f))[:, None].expand_as(present)[present]
    pick = torch.randint(len(pool), (settings.strangers,), generator=draw)
    away = f @ pool[pick].T / settings.temperature
    away = away.masked_fill(home[pick][None, None] == torch.arange(len(f))[:, None, None], -torch.inf)
    log_share = torch.cat([here, away], dim=2).log_softmax(2)[..., : owns.shape[2]]
    area = owns.sum(1).clamp(min=1)
    miss = -(owns * log_share.masked_fill(~present[:, None], 0)).sum(1) / area  # b m: mean over a superpixel's patches
    weight = present * area**settings.area_power
    return ((miss * weight).sum(1) / weight.sum(1).clamp(min=1)).mean()


def owners(labels: Tensor, patch: int, whole: bool = True) -> Tensor:
    """1 where a superpixel covers most of a patch, and enough of it; [b n m]. Else, not `whole`, the shares.

    With the true shares patches at an outline are drawn to a place between object and floor, and there
    form a cluster of their own.
    """
    hot = one_hot(labels, LARGEST + 1)[..., :LARGEST].permute(0, 3, 1, 2).float()
    share = avg_pool2d(hot, patch).flatten(2).mT
    if not whole:
        return share
    return one_hot(share.argmax(2), LARGEST).float() * (share.amax(2, keepdim=True) > 0.3)


def places(grid: int, width: int) -> Tensor:
    """Sines and cosines of 3 to 48 patches along x and y, [1 + grid**2, width]; zeros for the class token."""
    y, x = torch.meshgrid(torch.arange(grid) + 0.5, torch.arange(grid) + 0.5, indexing="ij")
    pace = 2 * math.pi / torch.logspace(math.log10(3), math.log10(48), width // 4)
    waves = [wave(axis.flatten()[:, None] * pace) for axis in (x, y) for wave in (torch.sin, torch.cos)]
    return torch.cat([torch.zeros(1, width), torch.cat(waves, dim=1)])


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
    net = Dinov2Model(config)
    net.embeddings.position_embeddings.data.copy_(
        settings.places * places(settings.size // settings.patch, settings.width)
    )
    net.set_attn_implementation("eager")  # at 144 tokens 15 % faster than the fused kernel, backwards
    return net


def optimisers(net: Dinov2Model, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024; it learns from fewer pictures) for the matrices of the blocks, AdamW for the rest."""
    blocks = {n for n, p in net.named_parameters() if p.ndim == 2 and n.startswith("encoder")}
    matrices = [p for n, p in net.named_parameters() if n in blocks]
    rest = [p for n, p in net.named_parameters() if n not in blocks]
    decay = settings.weight_decay
    return [
        torch.optim.Muon(matrices, settings.lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, settings.lr_rest, (0.9, 0.98), weight_decay=0.0),
    ]


def step_loss(net: Dinov2Model, pictures: Tensor, segments: Tensor, settings: Settings, step: int) -> Tensor:
    """The loss of one step; which pictures and how they are augmented depends on (seed, step) alone."""
    draw = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
    pick = torch.randperm(len(pictures), generator=draw)[: settings.batch]
    cut = segments[pick, torch.randint(segments.shape[1], (len(pick),), generator=draw)]  # both views cut alike
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    window = windows(len(pick), draw)
    (x1, labels), (x2, _) = (view(pictures[pick], cut, window, settings.view, draw) for _ in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens = net((torch.cat([x1, x2]) - mean) / std).last_hidden_state[:, 1:]
    f1, f2 = tokens.chunk(2)
    owns = owners(labels, settings.patch, settings.whole_votes)
    return (contrast(f1, f2, owns, settings, draw) + contrast(f2, f1, owns, settings, draw)) / 2


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
    """Weights, state of the optimisers and the step, in one safetensors file; replaced in one move."""

    def __init__(self, path: Path, net: Dinov2Model, optimisers: list[torch.optim.Optimizer]) -> None:
        self.path, self.net, self.optimisers = path, net, optimisers

    def save(self, step: int, seconds: float) -> None:
        tensors = {f"net.{n}": p for n, p in self.net.state_dict().items()}
        for which, optimiser in enumerate(self.optimisers):
            for i, state in optimiser.state_dict()["state"].items():
                tensors |= {f"state{which}.{i}.{n}": v for n, v in state.items()}
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
        for which, optimiser in enumerate(self.optimisers):
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in tensors.items():
                if name.startswith(f"state{which}."):
                    _, i, key = name.split(".")
                    state.setdefault(int(i), {})[key] = value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})
        return int(about["step"]), float(about["seconds"])


def train(
    folder: Path,
    out: Path = Path("scratch/glass_tiny"),
    steps: int = 3000,
    settings: Settings = Settings(),
    save_every: int = 100,
) -> None:
    """Train glass_tiny on rendered pictures.

    Args:
        folder: Holds what `vitreous render` wrote; every train split below it is used.
        out: Checkpoint, log and the finished model go here.
        steps: Length of the schedule; 1,000 steps of 16 pictures are about 8 minutes on two cores.
        settings: What decides the weights.
        save_every: Steps between checkpoints.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures, segments = gather(folder, settings.size, out / "superpixels.safetensors")
    net = build(settings).train()
    both = optimisers(net, settings)
    rates = [group["lr"] for optimiser in both for group in optimiser.param_groups]
    checkpoint = Checkpoint(out / "checkpoint.safetensors", net, both)
    first, spent = checkpoint.load()
    began, warm_up = time.monotonic() - spent, max(1, steps // 20)
    print(f"{len(pictures)} pictures, {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, step {first}")
    with (out / "log.csv").open("a", newline="") as file, Progress() as bar:
        log = csv.writer(file)
        task = bar.add_task("training", total=steps, completed=first)
        for step in range(first, steps):
            ramp = min(1, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for optimiser, rate in zip(both, rates, strict=True):
                optimiser.param_groups[0]["lr"] = rate * ramp
            loss = step_loss(net, pictures, segments, settings, step)
            net.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for optimiser in both:
                optimiser.step()
            bar.update(task, advance=1, description=f"loss {loss.item():.3f}")
            if (step + 1) % 20 == 0:
                seconds = time.monotonic() - began
                log.writerow([step + 1, f"{seconds:.0f}", f"{loss.item():.4f}"])
                file.flush()
            if (step + 1) % save_every == 0 or step + 1 == steps:
                checkpoint.save(step + 1, time.monotonic() - began)
                save_model(net, out / "model", settings, step + 1)
    print(f"{out / 'model'}: {steps} steps, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    auto_cli(train)
