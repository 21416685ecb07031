"""DIAS: what its additions cost, what they bring, and how near two slots are one.

    python benchmarks/dias.py                                       all parts, seed 0, on the embedded scenes
    python benchmarks/dias.py --parts cost --batch 32
    python benchmarks/dias.py --parts slots --seeds 0 1 2 --train train.lance --test test.lance
    python benchmarks/results.py --parts ablation                   each addition alone and together stands there

cost       seconds of a step of the processor with and without the additions (the decoder is the same), in turn, so that
           both meet the same load; ratio: median over the rounds and its quartiles. coco: as published, 16x16 patches
           of 384 channels, 7 slots
slots      DIAS and DINOSAUR, --steps, with 7 to 24 slots; `torn`: with merge 0, so that every slot is used before
           redundancy is reduced
threshold  DINOSAUR, 24 slots, torn, pruned after training: `fixed d`: slots nearer than the cosine distance d are one;
           `auto f`: those nearer than the share f of the distance between the two parts of the picture that differ most

used  slots that own a pixel, mean over pictures; follows: rank correlation of that with the number of objects
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from vitreous.blocks import redundancy
from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.features.extract import extract
from vitreous.features.store import FeatureStore
from vitreous.methods.dias import DIAS, DIASConfig
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.iou import mean_best_overlap
from vitreous.predict.prune import prune
from vitreous.predict.segment import segment_store, to_pixels
from vitreous.runs import Run
from vitreous.train.fit import fit
from vitreous.train.module import Training
from vitreous.types import Batch, SlotOutput

NONE = {"same": 0.0, "distill": 0.0}
TORN = {"slots": 24, "merge": 0.0}
COST = {"coco": {"start": "gaussian", "masks": "decoder", "centre": False, "slots": 7}, "ours": {}, "ours, torn": TORN}
SLOTS = {f"{name}, {k} slots": (name, {"slots": k}) for name in ("dias", "dinosaur") for k in (7, 9, 11, 15, 24)}
SLOTS |= {f"{name}, 24 slots, torn": (name, TORN) for name in ("dias", "dinosaur")}
FIXED, AUTO = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7), (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
HEAD = "fg_ari,ari,mbo,used,follows"
Found = Iterable[tuple[np.ndarray, SlotOutput]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["cost", "slots", "threshold"])
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    if "cost" in asked.parts:
        cost(asked.batch, asked.rounds)
    with tempfile.TemporaryDirectory() as folder:
        data = Data(Path(folder), asked)
        if "slots" in asked.parts:
            print(f"\nslots,seed,steps,{HEAD}", flush=True)
            for name, (method, config) in SLOTS.items():
                for seed in asked.seeds:
                    found = segment_store(data.trained(method, config, seed), data.test)
                    print(f'"{name}",{seed},{asked.steps}', *data.numbers(found), sep=",", flush=True)
        if "threshold" in asked.parts:
            threshold(data, asked.seeds)


def cost(batch: int, rounds: int) -> None:
    torch.set_num_threads(1)
    print("setting,again,batch,seconds_without,seconds_with,ratio,quartiles", flush=True)
    for name, settings in COST.items():
        for again in ("continue", "restart"):
            plain, full = step(settings | NONE, batch), step(settings | {"again": again}, batch)
            pairs = [(plain(), full()) for _ in range(rounds + 2)][2:]  # the first ones warm up
            low, middle, high = statistics.quantiles([b / a for a, b in pairs], n=4)
            without, with_them = (statistics.median(one) for one in zip(*pairs, strict=True))
            seconds = f"{without:.3f},{with_them:.3f}"
            print(f'"{name}",{again},{batch},{seconds},{middle:.3f},{low:.3f}-{high:.3f}', flush=True)


def step(settings: dict, batch: int) -> Callable[[], float]:
    """A training step in bfloat16, which says how long it took."""
    torch.manual_seed(0)
    method = DIAS(DIASConfig(**settings), 384, (16, 16))
    optimiser = torch.optim.AdamW(method.parameters(), 1e-4)
    seen = Batch(torch.randn(batch, 1, 16, 16, 384))

    def once() -> float:
        began = time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = sum(method.loss(method(seen), seen).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return time.process_time() - began

    return once


class Data:
    """What is trained and tested on: stores that were named, or the embedded scenes."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self.folder, self.steps, self.count = folder, asked.steps, 0
        mini = {"train": ("identity", "hflip"), "test": ("identity",)}
        self.train, self.test = (
            FeatureStore(given)
            if given
            else extract(open_source(MINI, split=split), folder / f"{split}.lance", views=views, progress=False)
            for (split, views), given in zip(mini.items(), (asked.train, asked.test), strict=True)
        )
        self.true = [torch.from_numpy(self.test.frame(i).ids.astype(np.int64)) for i in range(len(self.test))]

    def trained(self, method: str, config: dict, seed: int) -> Run:
        self.count += 1
        training = Training(steps=self.steps, seed=seed)
        return fit(self.train, self.folder / str(self.count), method, config, training, progress=False)

    def numbers(self, found: Found) -> list[str]:
        """Means over pictures, and how the number of slots in use follows that of objects."""
        lines = []
        for rows, out in found:
            for row, masks in zip(rows.reshape(-1).tolist(), out.masks.flatten(0, 1), strict=True):
                ids = self.true[row][None]
                labels = to_pixels(masks[None], (ids.shape[1], ids.shape[2])).labels
                scores = [adjusted_rand_index(labels, ids, ignore=ignore) for ignore in (0, None)]
                scores.append(mean_best_overlap(labels, ids))
                lines.append([*map(float, scores), len(labels.unique()), len(ids[ids > 0].unique())])
        table = np.array(lines)
        means, rank = np.nanmean(table[:, :4], axis=0), spearmanr(table[:, 3], table[:, 4]).statistic
        return [f"{value:.3f}" for value in (*means, rank)]


def threshold(data: Data, seeds: list[int]) -> None:
    print(f"\nthreshold,seed,{HEAD}", flush=True)
    for seed in seeds:
        found = list(segment_store(data.trained("dinosaur", TORN, seed), data.test))
        print(f"none,{seed}", *data.numbers(found), sep=",", flush=True)
        for near in FIXED:
            print(f"fixed {near},{seed}", *data.numbers(pruned(found, near)), sep=",", flush=True)
        for redundancy.AUTO in AUTO:
            print(f"auto {redundancy.AUTO},{seed}", *data.numbers(pruned(found, "auto")), sep=",", flush=True)


def pruned(found: Found, same: redundancy.Same) -> Found:
    return ((rows, prune(out, same)) for rows, out in found)


if __name__ == "__main__":
    main()
