"""What extraction costs on top of the backbone: ViT-S/14 at 224 px, bfloat16, from PNG and from JPEG.

    python benchmarks/extract.py                       pictures/s of `extract` over those of the bare forward pass
    python benchmarks/extract.py --memory 1000 10000   peak memory of extracting so many rows, each in its own process

The bare forward pass runs on tensors that lie in memory; it and the extractions take turns, a few seconds each, and
each turn of an extraction is held against the forward passes right before and after it. Where other programs run, the
share by the work of all cores says more than the share by the clock. Weights are random: speed does not depend on them.
Prints CSV. `--memory` uses a small backbone, as the rows are what it is about.
"""

import argparse
import json
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, ImageFilter

from vitreous.backbones import load_backbone
from vitreous.data import open_source
from vitreous.features.extract import extract

SIZE, BATCH, TURNS = 320, 32, 5


def save_vit(folder: Path, *, small: bool = False) -> str:
    """A DINOv2 with random weights, in the hub's format: ViT-S/14, or one that costs next to nothing."""
    from transformers import Dinov2Config, Dinov2Model

    sizes = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
    little = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 1}
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**(little if small else sizes), patch_size=14, image_size=224)).save_pretrained(folder)
    norm = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "preprocessor_config.json").write_text(json.dumps(norm))
    return str(folder)


def save_pictures(folder: Path, count: int, ending: str, side: int = SIZE) -> Path:
    """Pictures as hard to decode as photographs: smooth colours with some noise."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        smooth = coarse.resize((side * 5 // 4, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
        noisy = np.asarray(smooth) + random.normal(0, 4, (side, side * 5 // 4, 3))
        options = {"quality": 90} if ending == "jpg" else {}
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{i:05d}.{ending}", **options)
    return folder


@dataclass
class Pace:
    """Pictures per second of the clock, and per second of all cores' work."""

    clock: float
    work: float


def timed(pictures: int, task: Callable[[], object]) -> Pace:
    began, worked = time.perf_counter(), time.process_time()
    task()
    return Pace(pictures / (time.perf_counter() - began), pictures / (time.process_time() - worked))


def speed(folder: Path, batches: int) -> None:
    backbone = load_backbone(save_vit(folder / "vit_s14"))
    images = torch.randint(0, 256, (BATCH, 1, 224, 224, 3), dtype=torch.uint8)
    sources = {e: save_pictures(folder / e, batches * BATCH, e) for e in ("png", "jpg")}
    out, count = folder / "store.lance", batches * BATCH

    def bare() -> None:
        for _ in range(batches):
            backbone(images)

    bare()  # warm up
    forward, whole = [timed(count, bare)], {e: [] for e in sources}
    for _ in range(TURNS):
        for ending, source in sources.items():
            options = {"batch_size": BATCH, "progress": False}
            whole[ending].append(timed(count, partial(extract, open_source(source), out, backbone, **options)))
            shutil.rmtree(out)
            forward.append(timed(count, bare))
    print("source,pictures/s,share of the bare forward (median),turns,share by work of all cores,torch threads,machine")
    for place, (ending, paces) in enumerate(whole.items()):
        beside = list(pairwise(forward))[place :: len(sources)]
        shares = [2 * mine.clock / (a.clock + b.clock) for mine, (a, b) in zip(paces, beside, strict=True)]
        works = [2 * mine.work / (a.work + b.work) for mine, (a, b) in zip(paces, beside, strict=True)]
        turns = " ".join(f"{share:.3f}" for share in shares)
        rest = f"{median(works):.3f},{torch.get_num_threads()},{platform.machine()}"
        print(f"{ending},{median(p.clock for p in paces):.2f},{median(shares):.3f},{turns},{rest}")


def peak(rows: int, folder: Path) -> None:
    """Extract, and print the most memory that this process ever had, in MiB."""
    store = extract(folder / f"{rows}", folder / f"{rows}.lance", str(folder / "vit"), batch_size=BATCH, progress=False)
    assert len(store) == rows
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def memory(counts: list[int], folder: Path) -> None:
    save_vit(folder / "vit", small=True)
    print("rows,peak MiB,of the first")
    first = None
    for rows in counts:
        save_pictures(folder / f"{rows}", rows, "jpg", side=224)
        command = [sys.executable, __file__, "--peak", str(rows), "--folder", str(folder)]
        found = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        first = first or found
        print(f"{rows},{found:.0f},{found / first:.3f}", flush=True)
        shutil.rmtree(folder / f"{rows}")
        shutil.rmtree(folder / f"{rows}.lance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=4, help="forward passes of 32 pictures per turn")
    parser.add_argument("--memory", type=int, nargs="+", metavar="ROWS")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(options.peak, options.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        memory(options.memory, Path(name)) if options.memory else speed(Path(name), options.batches)


if __name__ == "__main__":
    main()
