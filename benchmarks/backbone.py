"""How fast a frozen backbone runs, beside the bare forward pass of transformers, and what its precision costs.

    python benchmarks/backbone.py                          ViT-S/14 at 224 x 224, random weights
    python benchmarks/backbone.py --size base --grid 32 --pictures 16

Prints CSV. The ways take turns, so that what else the machine does falls on all of them; the best of the turns counts.

    vitreous           Backbone.forward: uint8 pictures in, float32 features out, pieces of 4096 tokens on a CPU
    bare               the same network under bfloat16 autocast on float32 pixels, all pictures at once
    bare in pieces     the same in pieces of 4096 tokens
    eager              bare in pieces, without fused attention
    weights bfloat16   bare in pieces, all weights and the residual stream in bfloat16
    float32            bare in pieces, without autocast

`error` is the relative distance (Frobenius) from float32.
"""

import argparse
import copy
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from torch import Tensor, nn

from vitreous.backbones import load_backbone
from vitreous.backbones.backbone import CPU_TOKENS
from vitreous.backbones.weights import quiet

SIZES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12), "large": (1024, 16)}
PATCH = 14


def random_folder(width: int, heads: int, layers: int, folder: Path) -> Path:
    """A DINOv2 with random weights, in the hub's format."""
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=width, num_attention_heads=heads, num_hidden_layers=layers, patch_size=PATCH, image_size=518
    )
    with quiet():
        model = transformers.Dinov2Model(config)
        for parameter in model.parameters():  # attention and layer scale that matter
            parameter.data.mul_(2 if parameter.ndim > 1 else 0.3)
        model.save_pretrained(folder)
    return folder


def ways(folder: Path, images: Tensor, device: str) -> dict[str, Callable[[], Tensor]]:
    backbone = load_backbone(str(folder), device=device)
    network = backbone.encoder
    eager = copy.deepcopy(network)
    eager.config._attn_implementation = "eager"
    half = copy.deepcopy(network).to(torch.bfloat16)
    grid = backbone.grid_for((images.shape[2], images.shape[3]))
    piece = max(1, CPU_TOKENS // (grid[0] * grid[1]))
    pixels = (images[:, 0].float() * backbone.scale + backbone.offset).permute(0, 3, 1, 2).contiguous()

    def bare(model: nn.Module, at_once: int, autocast: bool = True, dtype: torch.dtype = torch.float32) -> Tensor:
        with torch.no_grad(), torch.autocast(backbone.device.type, torch.bfloat16, enabled=autocast):
            parts = [model(part).last_hidden_state for part in pixels.to(dtype).split(at_once)]
        return torch.cat(parts)[:, 1:].float()

    return {
        "vitreous": lambda: backbone(images)[:, 0].flatten(1, 2),
        "bare": lambda: bare(network, len(pixels)),
        "bare in pieces": lambda: bare(network, piece),
        "eager": lambda: bare(eager, piece),
        "weights bfloat16": lambda: bare(half, piece, autocast=False, dtype=torch.bfloat16),
        "float32": lambda: bare(network, piece, autocast=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--grid", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    side = chosen.grid * PATCH
    images = torch.randint(0, 256, (chosen.pictures, 1, side, side, 3), dtype=torch.uint8, device=chosen.device)
    with tempfile.TemporaryDirectory() as folder:
        all_ways = ways(random_folder(*SIZES[chosen.size], chosen.layers, Path(folder)), images, chosen.device)
    outputs = {name: way() for name, way in all_ways.items()}
    exact = outputs["float32"]
    best = dict.fromkeys(all_ways, float("inf"))
    for _ in range(chosen.turns):
        for name, way in all_ways.items():
            began = time.perf_counter()
            way().flatten()[0].item()
            best[name] = min(best[name], time.perf_counter() - began)
    made_of = f"{chosen.size},{chosen.layers},{chosen.grid},{chosen.pictures},{chosen.device},{torch.get_num_threads()}"
    versions = f"{torch.__version__},{transformers.__version__},{platform.processor() or platform.machine()}"
    print("way,ms_per_picture,speed_to_bare,error,size,layers,grid,pictures,device,threads,torch,transformers,machine")
    for name, seconds in best.items():
        error = float((outputs[name] - exact).norm() / exact.norm())
        ratio = best["bare"] / seconds
        print(f"{name},{1000 * seconds / chosen.pictures:.2f},{ratio:.3f},{error:.2e},{made_of},{versions}")


if __name__ == "__main__":
    main()
