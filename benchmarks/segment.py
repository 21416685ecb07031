"""How fast `vt.segment` is with the shipped runs, and how much memory a clip takes, as CSV rows.

    python benchmarks/segment.py                    minutes on two cores
    python benchmarks/segment.py --parts warm       a still, 224 px, run and backbone loaded
    python benchmarks/segment.py --parts clip       frames per second and peak memory of 200 and of 1,000 frames

Bounds (issue "Use it on your own pictures"): a still under 0.3 s, warm; a clip of 1,000 frames at 10 frames/s or more,
in constant memory. On a machine that others use, with OMP_NUM_THREADS=1, cpu_seconds is what to look at. Each clip is
made (MP4, 320 x 240) and read by a process of its own, as peak memory never falls.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import vitreous as vt
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.report.films import Mp4

LENGTHS = (200, 1000)
COLUMNS = ("part", "frames", "seconds", "cpu_seconds", "frames_per_second", "peak_mb", "threads", "load")


def warm(row: csv.DictWriter, tries: int = 20) -> None:
    """Median time of a still of 224 px, and of the same with borders along edges."""
    picture = (
        Image.open(MINI / "test/clip_00003/rgb/0000.png").convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
    )
    pixels = np.asarray(picture)
    for refine in (False, True):
        vt.segment(pixels, refine=refine)
        spent = []
        for _ in range(tries):
            began = np.array([time.perf_counter(), time.process_time()])
            _ = vt.segment(pixels, refine=refine).labels
            spent.append(np.array([time.perf_counter(), time.process_time()]) - began)
        wall, cpu = np.median(spent, axis=0).tolist()
        tell(row, f"still 224 px{', refined' if refine else ''}, median of {tries}", 1, wall, cpu)


def clip(row: csv.DictWriter) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for frames in LENGTHS:
            path = film(Path(folder) / f"{frames}.mp4", frames)
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(path)], capture_output=True, text=True, check=True
            )
            seconds, cpu, peak = map(float, done.stdout.split()[-3:])
            tell(row, "clip 320 x 240, read, segmented, labels", frames, seconds, cpu, peak)


def film(path: Path, frames: int) -> Path:
    """Embedded clips, forth and back, end to end."""
    pictures = [Image.open(p).convert("RGB").resize((320, 240)) for p in sorted(MINI_CLIPS.glob("test/*/rgb/*.png"))]
    there = [np.asarray(picture) for picture in pictures]
    made = Mp4(path)
    for i in range(frames):
        made.add((there + there[::-1])[i % (2 * len(there))])
    made.close()
    return path


def one(path: Path) -> None:
    """Seconds for a clip, after one frame of warming up, and peak memory in MB."""
    vt.segment(np.zeros((1, 96, 96, 3), np.uint8), run="clip")
    began, busy, count = time.perf_counter(), time.process_time(), 0
    for frame in vt.segment(path):
        count += frame.labels.max() >= 0
    print(
        time.perf_counter() - began,
        time.process_time() - busy,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def tell(row: csv.DictWriter, part: str, frames: int, seconds: float, cpu: float, peak: float | None = None) -> None:
    values = (
        part,
        frames,
        f"{seconds:.3f}",
        f"{cpu:.3f}",
        f"{frames / seconds:.1f}",
        "" if peak is None else f"{peak:.0f}",
    )
    row.writerow(dict(zip(COLUMNS, (*values, torch.get_num_threads(), f"{os.getloadavg()[0]:.1f}"), strict=True)))
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("warm", "clip"), default=("warm", "clip"))
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one)
    else:
        table = csv.DictWriter(sys.stdout, COLUMNS)
        table.writeheader()
        for part in asked.parts:
            {"warm": warm, "clip": clip}[part](table)
