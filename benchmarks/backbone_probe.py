"""What a backbone's patch features know about objects: a row of numbers each, without and with a short slot training.

    vitreous render --out held --split test --scenes 300 --seed 301
    python benchmarks/backbone_probe.py held                  glass_tiny, the same net untrained, raw colours
    python benchmarks/backbone_probe.py held --backbones dinov2_vits14 path/to/model --grid 32
    python benchmarks/backbone_probe.py held --train scenes   also slot models trained on `scenes`
    python benchmarks/backbone_probe.py test.lance            a feature store with ids that is there already

Prints CSV, means over pictures; +- is half of a 95 % bootstrap interval:

position            share of the features' variance that the mean feature of each place explains: 0 is best
kmeans_fg_ari, _ari k-means on the patches of each picture, unit length, with the true number of segments
spectral_fg_ari     normalised cuts (cosine affinity) with the true number; the first 100 pictures, grids up to 16 x 16
material, shape,    linear probe: accuracy of a logistic regression on the mean feature of an object (of the patches
colour              that it covers by half or more), trained on the even pictures and tested on the odd ones
fg_ari, ari, mbo     DINOSAUR, 11 slots, fixed settings, at full resolution (--train); mean of the seeds, and each;
.._refined           the same with borders that follow the edges of the pictures

k-means, spectral are scored on the grid: the id of a patch is that of the object (or floor) that covers most of it.
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoConfig, AutoModel

from vitreous.backbones import load_backbone
from vitreous.backbones.find import EMBEDDED
from vitreous.data import open_source
from vitreous.features.extract import extract
from vitreous.features.format import Maker
from vitreous.features.store import FeatureStore
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.bootstrap import summarise
from vitreous.report.baselines import ceiling_masks
from vitreous.report.score import score
from vitreous.train.fit import fit
from vitreous.train.module import Training

SPECTRAL = 100  # pictures: an eigenproblem each
SHOWN = ("fg_ari", "ari", "mbo")
ATTRIBUTES = ("material", "shape", "colour")


class RawColours:
    """The mean RGB of each patch of 8 x 8 pixels: what any backbone must beat."""

    name, patch_size, dim = "raw colours", 8, 3

    def describe(self) -> dict:
        return {"name": self.name, "dim": self.dim, "patch_size": self.patch_size}

    def size_for(self, grid: tuple[int, int]) -> tuple[int, int]:
        return grid[0] * self.patch_size, grid[1] * self.patch_size

    def __call__(self, images: Tensor) -> Tensor:
        x = images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        pooled = torch.nn.functional.avg_pool2d(x, self.patch_size).permute(0, 2, 3, 1)
        return pooled.unflatten(0, images.shape[:2])


def untrained(folder: Path) -> Path:
    """glass_tiny as it is before training, in the hub's format."""
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(EMBEDDED / "glass_tiny")).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text((EMBEDDED / "glass_tiny/preprocessor_config.json").read_text())
    return folder


def backbone(name: str, folder: Path) -> Maker:
    if name == "raw":
        return RawColours()
    return load_backbone(str(untrained(folder / "untrained_net"))) if name == "untrained" else load_backbone(name)


def patch_ids(ids: np.ndarray, grid: tuple[int, int]) -> Tensor:
    """The id that covers most of each patch, [n]."""
    names = torch.from_numpy(ids).long().clamp(min=0).unique()
    return names[ceiling_masks(torch.from_numpy(ids).long(), grid).argmax(0)].flatten()


def scenes(store: FeatureStore) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Features [n d] as they are, ids of the patches [n], row."""
    for start in range(0, len(store), 16):
        rows = range(start, min(len(store), start + 16))
        for row, features in zip(rows, store.batch(list(rows)), strict=True):
            frame = store.frame(row)
            if frame.ids is None:
                raise SystemExit(f"{store.path} holds no ids for {frame.key}: nothing to probe against.")
            yield features.float().flatten(0, 1), patch_ids(frame.ids, store.grid), row


def kmeans(x: np.ndarray, segments: int) -> np.ndarray:
    return KMeans(segments, n_init=4, random_state=0).fit_predict(x)  # pyright: ignore[reportArgumentType]


def spectral(x: np.ndarray, segments: int) -> np.ndarray:
    affinity = np.clip(x @ x.T, 0, 1) ** 4
    return SpectralClustering(segments, affinity="precomputed", random_state=0).fit_predict(affinity)


def grouped(store: FeatureStore, group: Callable[[np.ndarray, int], np.ndarray], limit: int) -> dict[str, list[float]]:
    """Patch-level FG-ARI and ARI of a clustering with the true number of segments."""
    found: dict[str, list[float]] = {"fg_ari": [], "ari": []}
    for x, ids, row in scenes(store):
        if row >= limit:
            break
        segments = min(len(ids.unique()), len(x.unique(dim=0)))
        labels = torch.from_numpy(group(normalize(x, dim=-1).numpy(), segments)).long()
        found["fg_ari"].append(adjusted_rand_index(labels[None], ids[None], ignore=0).item())
        found["ari"].append(adjusted_rand_index(labels[None], ids[None]).item())
    return found


def linear_probe(store: FeatureStore) -> dict[str, float]:
    """Accuracy per attribute of objects in pictures that were not fitted."""
    means, names, odd = [], [], []
    for x, _, row in scenes(store):
        frame = store.frame(row)
        share = ceiling_masks(torch.from_numpy(frame.ids).long(), store.grid).flatten(1)  # pyright: ignore
        present = torch.from_numpy(np.unique(frame.ids.clip(0)))  # pyright: ignore[reportOptionalMemberAccess]
        for about in store.instances(frame.key) or []:
            mine = share[(present == about["id"]).nonzero()[:, 0]] >= 0.5
            if mine.any():
                means.append(x[mine[0]].mean(0))
                names.append([str(about[name]) for name in ATTRIBUTES])
                odd.append(row % 2 == 1)
    if not means:
        return {}
    x, y, test = torch.stack(means).numpy(), np.array(names), np.array(odd)
    x = (x - x[~test].mean(0)) / (x[~test].std(0) + 1e-6)
    accuracy = {}
    for column, name in enumerate(ATTRIBUTES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # raw colours need more than 2,000 rounds; it hardly matters
            fitted = LogisticRegression(max_iter=2000, C=0.1).fit(x[~test], y[~test, column])
        accuracy[name] = float(fitted.score(x[test], y[test, column]))
    return accuracy


def spread(values: list[float]) -> str:
    mean = summarise(values)
    return f"{mean.mean:.3f} +- {(mean.high - mean.low) / 2:.3f}"


def probe(store: FeatureStore) -> dict[str, str]:
    found = grouped(store, kmeans, len(store))
    small = store.grid[0] * store.grid[1] <= 256
    row = {
        "position": f"{store.stats.position_share:.3f}",
        "kmeans_fg_ari": spread(found["fg_ari"]),
        "kmeans_ari": spread(found["ari"]),
        "spectral_fg_ari": spread(grouped(store, spectral, SPECTRAL)["fg_ari"]) if small else "",
    }
    return row | {name: f"{value:.3f}" for name, value in linear_probe(store).items()}


def slots(train: FeatureStore, test: FeatureStore, out: Path, steps: int, seeds: list[int]) -> dict[str, str]:
    found: dict[str, list[float]] = {}
    for seed in seeds:
        training = Training(steps=steps, seed=seed)
        run = fit(train, out / f"run_{steps}_{seed}", "dinosaur", {"slots": 11}, training, progress=False)
        plain, refined = score(run, test, baselines=False, refine=True).values()
        for ending, row in (("", plain), ("_refined", refined)):
            for name in SHOWN:
                found.setdefault(name + ending, []).append(row[name].mean)
    return {n: f"{np.mean(v):.3f} ({' '.join(f'{x:.3f}' for x in v)})" for n, v in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="pictures with ids, or a feature store")
    parser.add_argument("--backbones", nargs="+", default=["glass_tiny", "untrained", "raw"])
    parser.add_argument("--grid", type=int, default=16)
    parser.add_argument("--train", type=Path, help="pictures for the slot training; without it there is none")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="keep the stores and runs here, and go on with what is there")
    asked = parser.parse_args()
    if asked.data.suffix == ".lance":
        print_row(asked.data.name, probe(FeatureStore(asked.data)))
        return
    with tempfile.TemporaryDirectory() as folder:
        out = asked.keep or Path(folder)
        for name in asked.backbones:
            maker, place = backbone(name, Path(folder)), out / f"{Path(name).name}_{asked.grid}"
            test = extract(open_source(asked.data), place / "test.lance", maker, asked.grid, progress=False)
            row = probe(test)
            if asked.train:
                train = extract(open_source(asked.train), place / "train.lance", maker, asked.grid, progress=False)
                row |= slots(train, test, place, asked.steps, asked.seeds)
            print_row(name, row)


def print_row(name: str, row: dict[str, str]) -> None:
    print(",".join(["backbone", *row]))
    print(",".join([name, *row.values()]), flush=True)


if __name__ == "__main__":
    main()
