"""How many pictures `vitreous render` makes per second, with everything: scene, light, ids, depth, PNG, table.

    python benchmarks/render.py                            the variants that run here, one worker against one per core
    python benchmarks/render.py --variants llvm --workers 1 2 4 --size 256 --samples-per-pixel 64

Prints CSV. Each row is a process of its own, which makes its first clips outside the clock (starting the renderer and
compiling its kernels take seconds, once). The rows take turns; the best turn counts. `cpu_seconds` per picture, of all
cores, says more than the clock when the machine does other things too; it is known for one worker only.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vitreous.render.engine import VARIANTS
from vitreous.render.settings import Settings
from vitreous.render.workers import cores, render_clips


def measure(settings: Settings, variant: str, workers: int, pictures: int) -> tuple[float, float]:
    """Pictures per second, and processor seconds per picture, once all workers are warm."""
    warm = 4 * workers
    with tempfile.TemporaryDirectory() as folder:
        done = render_clips(Path(folder), settings, list(range(warm + pictures)), workers, variant)
        for _ in range(warm):
            next(done)
        began, used = time.perf_counter(), processor_seconds()
        count = sum(1 for _ in done)
        took = time.perf_counter() - began
        return count / took, (processor_seconds() - used) / count if workers == 1 else float("nan")


def processor_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--variants", nargs="+", default=[name for name in VARIANTS if name != "cuda"], choices=VARIANTS
    )
    parser.add_argument("--workers", nargs="+", type=int, default=sorted({1, cores()}))
    parser.add_argument("--style", default="clevr")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--samples-per-pixel", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", action="store_true", help="measure the first variant and workers, here")
    given = parser.parse_args()
    if given.one:
        settings = Settings(style=given.style, size=given.size, samples_per_pixel=given.samples_per_pixel)
        print(*measure(settings, given.variants[0], given.workers[0], given.pictures))
        return
    rows = [(variant, workers) for variant in given.variants for workers in given.workers]
    results: dict[tuple[str, int], list[tuple[float, float]]] = {row: [] for row in rows}
    for _ in range(given.turns):
        for row in rows:
            results[row].append(one(row, given))
    print("variant,workers,cores,style,size,samples_per_pixel,pictures_per_s,cpu_seconds,processor")
    for (variant, workers), turns in results.items():
        rate, spent = max(rate for rate, _ in turns), min(spent for _, spent in turns)
        shape = f"{given.style},{given.size},{given.samples_per_pixel}"
        print(
            f"{variant},{workers},{cores()},{shape},{rate:.2f},{spent:.3f},{platform.processor() or platform.machine()}"
        )


def one(row: tuple[str, int], given: argparse.Namespace) -> tuple[float, float]:
    command = [sys.executable, __file__, "--one", "--variants", row[0], "--workers", str(row[1])]
    for name in ("style", "size", "samples_per_pixel", "pictures"):
        command += [f"--{name.replace('_', '-')}", str(getattr(given, name))]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    rate, spent = map(float, ran.stdout.split())
    return rate, spent


if __name__ == "__main__":
    main()
