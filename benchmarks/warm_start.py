"""What keeps and what undoes the warm start: DINOSAUR on the embedded scenes, a row per setting.

    python benchmarks/warm_start.py                    widths of the decoder and learning rates, 300 steps, seed 0
    python benchmarks/warm_start.py --steps 600 --seed 1

Prints CSV: means over the 51 test scenes, none of which was trained on, at full resolution.
"""

import argparse
import tempfile
import time
from pathlib import Path

from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.features.extract import extract
from vitreous.report.score import METRICS, score
from vitreous.train.fit import fit
from vitreous.train.module import Training

SETTINGS = [(1e-4, 32), (4e-4, 32), (1e-4, 128), (4e-4, 128), (1e-4, 256)]  # learning rate, width of the decoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print("lr,decoder_width,steps,seed,seconds", *METRICS, sep=",", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train = extract(
            open_source(MINI, split="train"), out / "train.lance", views=("identity", "hflip"), progress=False
        )
        test = extract(open_source(MINI, split="test"), out / "test.lance", progress=False)
        for lr, width in SETTINGS:
            training, began = Training(steps=asked.steps, lr=lr, seed=asked.seed), time.monotonic()
            run = fit(train, out / f"{lr}_{width}", "dinosaur", {"decoder_width": width}, training, progress=False)
            seconds = time.monotonic() - began
            (row,) = score(run, test, baselines=False).values()
            means = [f"{value.mean:.3f}" for value in row.values()]
            print(lr, width, asked.steps, asked.seed, f"{seconds:.0f}", *means, sep=",", flush=True)


if __name__ == "__main__":
    main()
