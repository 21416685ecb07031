"""Which parts of the warm start matter, and what undoes it: DINOSAUR on the embedded scenes, a row per setting.

    python benchmarks/warm_start.py                    300 steps, seed 0; the first rows are 1 step long
    python benchmarks/warm_start.py --steps 600 --seed 1

Prints CSV: means over the 51 test scenes, none of which was trained on, at full resolution; `_refined` with borders
that follow the edges of the pictures; `rebuild`: last training loss (features have variance 1).
"""

import argparse
import tempfile
import time
from pathlib import Path

from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.features.extract import extract
from vitreous.report.score import score
from vitreous.train.fit import fit
from vitreous.train.history import read_history
from vitreous.train.module import Training

SHOWN = ("fg_ari", "ari", "mbo", "miou")
PAPER = {"start": "gaussian", "centre": False, "decoder_width": 1024}
SETTINGS: dict[str, tuple[dict, float, bool]] = {  # what differs from the defaults, learning rate, full length
    "1 step": ({}, 1e-4, False),
    "1 step, every slot used": ({"merge": 0.0}, 1e-4, False),
    "1 step, every slot used, picks only": ({"merge": 0.0, "candidates": 11}, 1e-4, False),
    "default": ({}, 1e-4, True),
    "lr 4e-4": ({}, 4e-4, True),
    "every slot used": ({"merge": 0.0}, 1e-4, True),
    "temperature 0.5": ({"temperature": 0.5}, 1e-4, True),
    "temperature 2": ({"temperature": 2.0}, 1e-4, True),
    "1 iteration": ({"iterations": 1}, 1e-4, True),
    "MLP decoder": ({"decoder": "mlp"}, 1e-4, True),
    "MLP decoder, lr 4e-4": ({"decoder": "mlp"}, 4e-4, True),
    "MLP decoder, not centred": ({"decoder": "mlp", "centre": False}, 1e-4, True),
    "MLP decoder, its masks": ({"masks": "decoder"}, 4e-4, True),
    "as the paper": (PAPER | {"masks": "decoder"}, 4e-4, True),
    "as the paper, attention masks": (PAPER, 4e-4, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print("setting,steps,seconds,rebuild", *SHOWN, *(f"{name}_refined" for name in SHOWN), sep=",", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train = extract(
            open_source(MINI, split="train"), out / "train.lance", views=("identity", "hflip"), progress=False
        )
        test = extract(open_source(MINI, split="test"), out / "test.lance", progress=False)
        for number, (name, (config, lr, whole)) in enumerate(SETTINGS.items()):
            steps, began = asked.steps if whole else 1, time.monotonic()
            training = Training(steps=steps, lr=lr, seed=asked.seed)
            run = fit(train, out / str(number), "dinosaur", config, training, progress=False)
            seconds = time.monotonic() - began
            loss = read_history(run.folder)["rebuild"][-1]
            rows = score(run, test, baselines=False, refine=True).values()
            means = [f"{row[metric].mean:.3f}" for row in rows for metric in SHOWN]
            print(f'"{name}"', steps, f"{seconds:.0f}", f"{loss:.3f}", *means, sep=",", flush=True)


if __name__ == "__main__":
    main()
