"""Batch sizes at equal samples seen: does the rule for the learning rate keep scores alike?

    python benchmarks/batch.py                                   2, 8, 32, 128 by each rule: DINOSAUR, 2,400 samples
    python benchmarks/batch.py --start gaussian --lr 4e-4        slots drawn at random, which training has to sort out
    python benchmarks/batch.py --rules sqrt --samples 4800 --seed 1

Prints CSV: means over the 51 embedded test scenes, none of which was trained on, at full resolution.
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
from vitreous.train.module import Training, peak

METRICS = ("fg_ari", "ari", "mbo")
OWN = {
    "gaussian": {"masks": "decoder", "centre": False, "decoder_width": 256},
    "warm": {},
    "warm_mlp": {"start": "warm", "decoder": "mlp", "decoder_width": 32, "temperature": 0.5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 8, 32, 128])
    parser.add_argument("--rules", nargs="+", default=["sqrt", "linear", "none"])
    parser.add_argument("--samples", type=int, default=2400)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--start", choices=OWN, default="warm")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    config = {"start": asked.start} | OWN[asked.start]
    print("start,rule,batch,steps,peak,seed,seconds,loss", *METRICS, sep=",", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train = extract(
            open_source(MINI, split="train"), out / "train.lance", views=("identity", "hflip"), progress=False
        )
        test = extract(open_source(MINI, split="test"), out / "test.lance", progress=False)
        for rule in asked.rules:
            for batch in asked.batches:
                training = Training(
                    steps=asked.samples // batch, batch_size=batch, lr=asked.lr, lr_rule=rule, seed=asked.seed
                )
                began = time.monotonic()
                run = fit(train, out / f"{rule}_{batch}", "dinosaur", config, training, progress=False)
                seconds, losses = time.monotonic() - began, read_history(run.folder)["loss"]
                loss = sum(losses[-5:]) / len(losses[-5:])
                (row,) = score(run, test, baselines=False).values()
                means = [f"{row[name].mean:.3f}" for name in METRICS]
                about = (
                    asked.start,
                    rule,
                    batch,
                    training.steps,
                    f"{peak(training):.2g}",
                    asked.seed,
                    f"{seconds:.0f}",
                )
                print(*about, f"{loss:.4f}", *means, sep=",", flush=True)


if __name__ == "__main__":
    main()
