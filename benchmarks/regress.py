"""Dense regression, measured: many heads at once, memory, real pictures and rendered scenes.

    python benchmarks/regress.py heads --store scratch/results/train_16.lance      25 heads at once and one by one
    python benchmarks/regress.py memory                                            10,000 pictures x 25 heads
    python benchmarks/regress.py nuclei --nuclei ../shared/data/nuclei             grouped out-of-fold R², maps
    python benchmarks/regress.py scenes --train scratch/slots --test scratch/final volumes of metal and rubber

Tables as Markdown; --keep FOLDER goes on with the stores that are there. Seconds are of the processor (this process and
its threads), so that what else runs on the machine counts little.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.stats import spearmanr
from sklearn.cluster import KMeans

from vitreous.backbones import load_backbone
from vitreous.data import open_source
from vitreous.data.listed import ListedPictures
from vitreous.features.extract import extract
from vitreous.features.store import FeatureStore
from vitreous.metrics.regression import interval, r2
from vitreous.predict.maps import value_maps, write_maps
from vitreous.regress.answers import Answers
from vitreous.regress.ensemble import Ensemble, mean_over
from vitreous.regress.fit import Head, ensemble_for
from vitreous.regress.folds import divide
from vitreous.regress.heads import HeadConfig
from vitreous.regress.learn import Learning, Training, held_out_by
from vitreous.regress.pictures import Pictures

VOLUME = {"sphere": 4 / 3 * np.pi, "cube": 8.0, "cylinder": 2 * np.pi}  # of radius 1, see render/meshes.py
HEADS = ("pooled", "linear", "attention", "patch")
LOOKS = 20  # kinds of microscope pictures that count as groups


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def learned(
    pictures: Pictures, y: np.ndarray, trains: np.ndarray, names: Sequence[str], head: Head, training: Training,
    targets: Sequence[str] | None = None,
) -> tuple[Ensemble, float]:  # fmt: skip
    """Trained heads and the processor's seconds."""
    targets = targets or [str(i) for i in range(y.shape[1])]
    ensemble = ensemble_for(pictures, y, targets, names, trains, head, training.scaling, "dataset")
    began = time.process_time()
    Learning(ensemble, pictures, y, trains, training).run()
    return ensemble, time.process_time() - began


def heads_part(store: FeatureStore, count: int, epochs: int, kinds: Sequence[str]) -> None:
    """25 heads, 5 targets x 5 folds, together and each by itself."""
    rng = np.random.default_rng(0)
    store.pin()  # as `vitreous regress fit` does with stores up to 1 GB
    pictures = Pictures.of_store(store, store.keys[:count])
    y = rng.gamma(2.0, size=(count, 5))
    names, trains = held_out_by([divide(count, 5)])

    def row(kind: str, training: Training) -> list[str]:
        head = Head(kind)
        together, at_once = learned(pictures, y, trains, names, head, training)
        alone, apart = np.zeros((count, len(pictures.views), 5, 5), np.float32), 0.0
        for member in range(5):
            for target in range(5):
                here = slice(target, target + 1)
                one, seconds = learned(
                    pictures, y[:, here], trains[[member]], names[member : member + 1], head, training, [str(target)]
                )
                apart += seconds
                alone[:, :, member, here] = one.predict(pictures)[:, :, 0]
        differ = np.abs(together.predict(pictures) - alone).max() / y.std()
        return [
            kind,
            "yes" if training.rho else "no",
            f"{at_once:.1f}",
            f"{apart:.1f}",
            f"{apart / at_once:.1f}",
            f"{differ:.1e}",
        ]

    short = Training(epochs=epochs)
    learned(pictures, y, trains, names, Head("pooled"), replace(short, epochs=1))  # what is slow only the first time
    rows = (row(kind, replace(short, rho=rho)) for kind in kinds for rho in (0.0, 0.05))
    h, w = store.grid
    show(
        f"25 heads, {count} pictures of {h}x{w} patches of {store.dim} numbers, {epochs} epochs, one thread",
        ["head", "SAM", "at once, s", "one by one, s", "ratio", "answers differ by at most (deviations of y)"],
        rows,
    )


MEMORY = """
import resource, sys, time
import numpy as np, torch
torch.set_num_threads(1)
from benchmarks.regress import learned
from vitreous.features.store import FeatureStore
from vitreous.regress.fit import Head
from vitreous.regress.folds import divide
from vitreous.regress.learn import Training, held_out_by
from vitreous.regress.pictures import Pictures
store = FeatureStore(sys.argv[1])
names, trains = held_out_by([divide(len(store), 5)])
y = np.random.default_rng(0).gamma(2.0, size=(len(store), 5))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
ensemble, seconds = learned(Pictures.of_store(store), y, trains, names, Head(sys.argv[2]), Training(epochs=1, rho=0.0))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{len(store)},{sys.argv[2]},{before / 1e6:.2f},{peak / 1e6:.2f},{time.monotonic() - began:.0f}")
"""


class Noise:
    """A source of small noisy pictures, and the backbone that makes features of any width from them."""

    name, skipped, patch_size = "noise", [], 4

    def __init__(self, count: int, dim: int) -> None:
        self.keys, self.dim = [f"{i:05d}" for i in range(count)], dim
        self.matrix = torch.randn(3, dim, generator=torch.Generator().manual_seed(0))

    def length(self, key):
        return 1

    def frames(self, key, start=0):
        from vitreous.types import Frame

        image = np.random.default_rng(int(key)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        yield Frame(key, 0, image)

    def instances(self, key):
        return None

    def fingerprint(self):
        return f"noise {len(self.keys)}"

    def size_for(self, grid):
        return grid[0] * 4, grid[1] * 4

    def describe(self):
        return {"name": "noise", "patch_size": 4, "dim": self.dim, "digest": "noise", "layer": 1, "facet": "token"}

    def __call__(self, images):
        return images.float().unflatten(2, (-1, 4)).unflatten(4, (-1, 4)).mean((3, 5)) / 255 @ self.matrix


def memory_part(folder: Path, count: int, dim: int) -> None:
    made = Noise(count, dim)
    store = extract(made, folder / f"noise_{count}_{dim}.lance", made, 16, progress=False, fit="squash")
    size = sum(file.stat().st_size for file in (store.path / "data").iterdir()) / 1e9

    def rows():
        for kind in ("linear", "patch"):
            root = Path(__file__).parents[1]
            command = [sys.executable, "-c", MEMORY, str(store.path.resolve()), kind]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
            yield done.stdout.strip().split(",")

    show(
        f"Memory: 25 heads, {count} pictures of 16x16 patches of {dim} numbers ({size:.1f} GB on disk), one epoch",
        ["pictures", "head", "before, GB", "peak, GB", "seconds"],
        rows(),
    )


def looks(names: Sequence[str], root: Path) -> list[str]:
    """Which pictures look as if they came from one session: brightness of the background, of all, of the brightest,
    and contrast between neighbours, in 20 clusters. The table itself does not tell.
    """
    told = []
    for name in names:
        a = np.asarray(Image.open(root / name).convert("L")).astype(float)
        told.append(np.log1p([np.percentile(a, 5), a.mean(), np.percentile(a, 99), np.abs(np.diff(a, axis=1)).mean()]))
    x = np.array(told)
    found = KMeans(LOOKS, n_init=10, random_state=0).fit_predict((x - x.mean(0)) / x.std(0))
    return [f"look {i}" for i in found]


def nuclei_part(
    root: Path, folder: Path, seeds: int, places: Sequence[tuple[int, int]], kinds: Sequence[str] | None
) -> None:
    table = pd.read_csv(root / "labels.csv")
    names, targets = table["image_path"].tolist(), ["nuclei_count", "nuclei_area_px", "mean_nucleus_area_px"]
    y, groups = table[targets].to_numpy(float), looks(names, root)
    folds = [divide(len(y), 5, groups=groups, seed=seed) for seed in range(seeds)]
    members, trains = held_out_by(folds)
    heads = {
        "patch": (Head("patch", HeadConfig(width=32)), Training(lr=5e-3, rho=0.05)),
        "linear": (Head("linear"), Training(lr=2e-2)),
        "attention": (Head("attention"), Training(epochs=60)),
        "pooled": (Head("pooled"), Training(epochs=60)),
        "pooled, linear": (Head("pooled", HeadConfig(depth=0)), Training(epochs=60, lr=1e-2)),
    }

    def pictures(grid: int, layer: int) -> Pictures:
        path = folder / f"nuclei_{grid}_{layer}.lance"
        backbone = load_backbone("glass_tiny", layer=layer)
        return Pictures.of_store(extract(ListedPictures(root, names), path, backbone, grid, "squash", progress=False))

    voters: dict[tuple[int, int], Ensemble] = {}  # kept, to draw what patches say

    def row(grid: int, layer: int, name: str) -> list[str]:
        seen = pictures(grid, layer)
        head, training = heads[name]
        ensemble, seconds = learned(seen, y, trains, members, head, training, targets)
        if name == "patch":
            voters[grid, layer] = ensemble
        pred = mean_over(ensemble.predict(seen, ~trains))
        cells = []
        for at in range(3):
            score = interval(lambda a, b: r2(a[:, 0], b[:, 0]), y[:, [at]], pred[:, [at]], np.array(groups))
            cells.append(f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]")
        return [f"{grid}x{grid}", str(layer), name, *cells, f"{seconds:.0f}"]

    show(
        f"{len(y)} microscope pictures, out of fold, 5 folds grouped by {LOOKS} looks, {seeds} seeds; R² and 95 %",
        ["grid", "layer", "head", "count", "area", "mean area", "s"],
        (row(grid, layer, name) for grid, layer in places for name in kinds or heads),
    )
    for place, ensemble in voters.items():
        maps_of_nuclei(root, folder, pictures(*place), y, trains, targets, ensemble)


def maps_of_nuclei(
    root: Path,
    folder: Path,
    seen: Pictures,
    y: np.ndarray,
    trains: np.ndarray,
    targets: Sequence[str],
    ensemble: Ensemble,
) -> None:
    """Votes for the count and the area by heads that had not seen the picture, against true pixels of nuclei."""
    h, w = seen.grid
    true = [np.asarray(Image.open(root / "ids" / Path(key).name)) > 0 for key in seen.keys]
    share = np.stack([one.reshape(h, one.shape[0] // h, w, -1).mean((1, 3)) for one in true])
    votes, drawn = np.zeros((len(y), 3, h, w)), []
    for member in range(len(trains)):
        alone = np.flatnonzero(~trains[member])
        one = ensemble_of(ensemble, member)
        pred = mean_over(one.predict(seen[alone]))
        maps = value_maps(one, seen[alone], Answers(seen[alone].keys, one.targets, pred, 0 * pred, 0 * pred))
        votes[alone] = np.stack([m.values for m in maps])
        drawn += maps[:2]
    rank = [spearmanr(votes[:, at].reshape(-1), share.reshape(-1)).statistic for at in range(3)]
    each = [
        np.nanmean([spearmanr(v[at].reshape(-1), s.reshape(-1)).statistic for v, s in zip(votes, share, strict=True)])
        for at in range(2)
    ]
    show(
        f"Votes of patches ({h}x{w}) against the share of nuclei in them, rank correlation, heads that had not seen it",
        ["over", "count", "area"],
        [
            ["all patches of all pictures", f"{rank[0]:.3f}", f"{rank[1]:.3f}"],
            ["mean over pictures", f"{each[0]:.3f}", f"{each[1]:.3f}"],
        ],
    )
    for path in write_maps(drawn, seen.store, folder / "nuclei_maps"):
        print(path)


def ensemble_of(whole: Ensemble, member: int) -> Ensemble:
    """One member of an ensemble as an ensemble."""
    scaling = replace(whole.scaling, unit=whole.scaling.unit[member : member + 1])
    return Ensemble(whole.targets, (whole.members[member],), whole.member(member), scaling, whole.standardise)


def volumes(store: FeatureStore) -> np.ndarray:
    """Metal and rubber of each scene, in cubic metres."""
    found = []
    for key in store.keys:
        rows = store.instances(key) or []
        found.append(
            [
                sum(VOLUME[o["shape"]] * o["radius"] ** 3 for o in rows if o["material"] == m)
                for m in ("metal", "rubber")
            ]
        )
    return np.array(found)


def scenes_part(train: Path, test: Path, folder: Path, layers: Sequence[int], epochs: int) -> None:
    """Heads trained on all scenes of one set, in 3 folds; their mean on another set."""
    targets = ["metal", "rubber"]

    def both(layer: int) -> list[FeatureStore]:
        backbone = load_backbone("glass_tiny", layer=layer)
        return [
            extract(
                open_source(path, split=split), folder / f"scenes_{split}_{layer}.lance", backbone, 16, progress=False
            )
            for path, split in ((train, "train"), (test, "test"))
        ]

    def row(layer: int, head: Head, training: Training) -> list[str]:
        known, unknown = both(layer)
        y, new = volumes(known), volumes(unknown)
        members, trains = held_out_by([divide(len(y), 3)])
        ensemble, seconds = learned(Pictures.of_store(known), y, trains, members, head, training, targets)
        out = mean_over(ensemble.predict(Pictures.of_store(known), ~trains))
        pred = mean_over(ensemble.predict(Pictures.of_store(unknown)))
        cells = [f"{r2(y[:, i], out[:, i]):.3f}" for i in range(2)]
        for at in range(2):
            score = interval(lambda a, b: r2(a[:, 0], b[:, 0]), new[:, [at]], pred[:, [at]])
            cells.append(f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]")
        both_new, both_pred = new.sum(1), pred.sum(1)
        return [str(layer), head.kind, str(training.epochs), *cells, f"{r2(both_new, both_pred):.3f}", f"{seconds:.0f}"]

    rows = (
        row(layer, head, training)
        for layer in layers
        for head, training in (
            (Head("patch", HeadConfig(width=64)), Training(epochs=epochs, lr=5e-3, rho=0.0)),
            (Head("pooled"), Training(epochs=2 * epochs, rho=0.0)),
        )
    )
    show(
        "Volumes of metal and rubber: 1000 rendered scenes out of fold, and 300 others; R² and 95 %",
        [
            "layer",
            "head",
            "epochs",
            "metal, out of fold",
            "rubber",
            "metal, other scenes",
            "rubber",
            "both together",
            "s",
        ],
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["heads", "memory", "nuclei", "scenes"])
    parser.add_argument("--store", type=Path, default=Path("scratch/results/train_16.lance"))
    parser.add_argument("--nuclei", type=Path, default=Path("../shared/data/nuclei"))
    parser.add_argument("--train", type=Path, default=Path("scratch/slots"))
    parser.add_argument("--test", type=Path, default=Path("scratch/final"))
    parser.add_argument("--keep", type=Path, help="where stores and pictures go; default: nowhere for long")
    parser.add_argument("--pictures", type=int, help="so many, in heads and memory; default 200 and 10000")
    parser.add_argument("--dim", type=int, default=192, help="numbers per patch in memory")
    parser.add_argument("--epochs", type=int, help="in heads and scenes; default 4 and 40")
    parser.add_argument("--layers", type=int, nargs="+", default=[2], help="of the backbone, in scenes and nuclei")
    parser.add_argument("--grid", type=int, default=16, help="in nuclei")
    parser.add_argument("--seeds", type=int, default=1, help="divisions into folds, in nuclei")
    parser.add_argument("--heads", nargs="+", help="only these, in heads and nuclei")
    given = parser.parse_args()
    torch.set_num_threads(1)
    places = [(given.grid, layer) for layer in given.layers]
    with tempfile.TemporaryDirectory() as nowhere:
        folder = given.keep or Path(nowhere)
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Callable[[], None]] = {
            "heads": lambda: heads_part(
                FeatureStore(given.store), given.pictures or 200, given.epochs or 4, given.heads or HEADS
            ),
            "memory": lambda: memory_part(folder, given.pictures or 10_000, given.dim),
            "nuclei": lambda: nuclei_part(given.nuclei, folder, given.seeds, places, given.heads),
            "scenes": lambda: scenes_part(given.train, given.test, folder, given.layers, given.epochs or 40),
        }
        parts[given.part]()


if __name__ == "__main__":
    main()
