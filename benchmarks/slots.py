"""Tables of what slot models find on rendered scenes, as Markdown, three seeds; docs/results.md shows them.

    vitreous render --out scratch/slots --scenes 1000 --seed 101
    vitreous render --out scratch/final --split test --scenes 300 --seed 301
    python benchmarks/slots.py --train scratch/slots --test scratch/final       all tables; minutes each on two cores
    python benchmarks/slots.py --parts scale standardise video                  the embedded scenes only

main          MODELS on 16x16 and 32x32 grids, beside the rows that learn nothing; the last by material of the scene
slots         DINOSAUR with 7 to 15 of them, refined as well; sweeps with tests and a page are in results.py
scale         features times 0.1 .. 10, shifted, projected to 768 channels: loss curve and scores against the plain ones
standardise   each way to standardise, with features as they are, times 0.1 and times 10
video         trained on the embedded stills, on the embedded clips of 24 frames: first and last frame, slots that keep

Cells are means over the seeds of means over pictures, +- the largest distance of a seed from it; `refined` has borders
that follow the edges of the pictures. --keep FOLDER goes on with the stores and runs that are there.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitreous.backbones import load_backbone
from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.features.extract import extract
from vitreous.features.format import Maker
from vitreous.features.store import FeatureStore
from vitreous.report.score import score
from vitreous.runs import Run
from vitreous.train.fit import fit
from vitreous.train.history import read_history
from vitreous.train.module import Training

CLIP_SHOWN = (
    *("video_fg_ari", "video_ari", "video_mbo", "slot_overlap", "object_overlap", "keeps_object"),
    *("first", "last"),
)
SHOWN = ("fg_ari", "ari", "mbo", "miou", "boundary_f")
MODELS = {  # the second one: the best that was found on other scenes (--seed 201)
    "DINOSAUR, 11 slots": ("main", "dinosaur", {"slots": 11}),
    "DIAS, 15 slots, temperature 1.5": ("dias", "dias", {"slots": 15, "temperature": 1.5}),
}
Rows = dict[str, list[float]]  # metric -> a value per seed


class Changed:
    """A backbone whose features are changed on the way out."""

    def __init__(self, inner: Maker, name: str, change: Callable[[Tensor], Tensor], dim: int | None = None) -> None:
        self.inner, self.change, self.dim = inner, change, dim or inner.dim
        self.name, self.patch_size, self.size_for = f"{inner.name} {name}", inner.patch_size, inner.size_for

    def describe(self) -> dict:
        return self.inner.describe() | {"name": self.name, "digest": self.name, "dim": self.dim}

    def __call__(self, images: Tensor) -> Tensor:
        return self.change(self.inner(images))


def changes(dim: int) -> dict[str, tuple[Callable[[Tensor], Tensor], int]]:
    draw = torch.Generator().manual_seed(0)
    shift, wide = 3 * torch.randn(dim, generator=draw), torch.randn(dim, 768, generator=draw) * dim**-0.5
    table: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {"as they are": (lambda x: x, dim)}
    for factor in (0.1, 0.2, 1.5, 10.0):
        table[f"times {factor:g}"] = (partial(torch.mul, other=factor), dim)  # pyright: ignore[reportArgumentType]
    return table | {"shifted": (lambda x: x + shift, dim), "projected to 768": (lambda x: x @ wide, 768)}


class Bench:
    """Stores and runs, each made once in a folder."""

    def __init__(self, folder: Path, seeds: list[int], steps: int) -> None:
        self.folder, self.seeds, self.steps = folder, seeds, steps
        self.backbone = load_backbone("glass_tiny")

    def store(self, name: str, source: Path, grid: int = 16, maker: Maker | None = None, **how) -> FeatureStore:
        path = self.folder / f"{name}_{grid}.lance"
        split = "test" if "test" in name else "train" if source == MINI else None
        views = {"views": ("identity", "hflip")} if source == MINI and split == "train" else {}
        return extract(
            open_source(source, split=split), path, maker or self.backbone, grid, progress=False, **views, **how
        )

    def run(self, name: str, train: FeatureStore, seed: int, method: str = "dinosaur", config=None, **how) -> Run:
        training = Training(steps=self.steps, seed=seed)
        out = self.folder / "runs" / f"{name}_{seed}"
        return fit(train, out, method, {"slots": 11} | (config or {}), training, progress=False, **how)

    def scores(self, name: str, train: FeatureStore, test: FeatureStore, **how) -> dict[str, Rows]:
        """row ("" plain, "refined") -> metric -> a value per seed."""
        found: dict[str, Rows] = {"": {}, "refined": {}}
        for seed in self.seeds:
            run = self.run(name, train, seed, **how)
            for ending, row in zip(found, score(run, test, baselines=False, refine=True).values(), strict=True):
                for metric in SHOWN:
                    found[ending].setdefault(metric, []).append(row[metric].mean)
        return found


def cell(values: Iterable[float]) -> str:
    values = list(values)
    mean = float(np.mean(values))
    far = max(abs(v - mean) for v in values)
    return f"{mean:.3f} ±{far:.3f}" if len(values) > 1 else f"{mean:.3f}"


def show(title: str, head: list[str], rows: Iterable[tuple[str, list[str]]]) -> None:
    """A Markdown table, printed row by row as it is made."""
    print(f"\n{title}\n\n| | {' | '.join(head)} |\n|---|{'---|' * len(head)}", flush=True)
    for name, cells in rows:
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def doubled(rows: dict[str, Rows]) -> list[str]:
    """Plain and refined FG-ARI, ARI, mBO side by side."""
    return [cell(rows[ending][metric]) for ending in ("", "refined") for metric in ("fg_ari", "ari", "mbo")]


DOUBLE = ["FG-ARI", "ARI", "mBO", "FG-ARI refined", "ARI refined", "mBO refined"]


def main_table(bench: Bench, train: Path, test: Path, models: dict[str, tuple[str, str, dict]]) -> None:
    for grid in (16, 32):
        known, unknown = bench.store("train", train, grid), bench.store("test", test, grid)
        ours = {
            name: bench.scores(f"{short}_{grid}", known, unknown, method=method, config=config)
            for name, (short, method, config) in models.items()
        }
        short, method, config = list(models.values())[-1]
        run = bench.run(f"{short}_{grid}", known, bench.seeds[0], method, config)
        every = score(run, unknown, refine=True)  # with the rows that learn nothing
        saved = json.loads((run.folder / "scores.json").read_text())
        first, refined, *others = every

        def rows(ours=ours, every=every, others=others):
            for name, found in ours.items():
                for ending, row in found.items():
                    yield f"{name}{', refined' if ending else ''}", [cell(row[m]) for m in SHOWN]
            for name in others:
                yield name, [f"{every[name][m].mean:.3f}" for m in SHOWN]

        about = f"{grid}x{grid}, {bench.steps} steps, {len(bench.seeds)} seeds, {len(unknown)} scenes"
        show(about, ["FG-ARI", "ARI", "mBO", "mIoU", "boundary F"], rows())
        title, both = f"{grid}x{grid}, seed {bench.seeds[0]}", (first, refined)
        show(f"{title}, by the material of all objects", DOUBLE, broken_down(saved["by"]["scene"], both, SHOWN[:3]))
        for kind, parts in saved["best_iou"].items():
            show(f"{title}, objects by {kind}", ["IoU", "IoU refined"], broken_down(parts, both, ["best_iou"]))


def broken_down(parts: dict, rows: Iterable[str], metrics: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Means by part of a break-down in scores.json, with the number of pictures or objects in it."""
    for part, table in parts.items():
        cells = [table[row][metric] for row in rows for metric in metrics]
        yield f"{part} ({cells[0]['count']})", [f"{c['mean']:.3f} [{c['low']:.3f}, {c['high']:.3f}]" for c in cells]


def slots_table(bench: Bench, train: Path, test: Path) -> None:
    known, unknown = bench.store("train", train), bench.store("test", test)
    rows = (
        (f"{k} slots", doubled(bench.scores(f"slots_{k}", known, unknown, config={"slots": k})))
        for k in (7, 9, 11, 13, 15)
    )
    show(f"Number of slots, 16x16, {bench.steps} steps, {len(bench.seeds)} seeds", DOUBLE, rows)


def scale_table(bench: Bench) -> None:
    plain: list[float] = []

    def rows():
        for name, (change, dim) in changes(bench.backbone.dim).items():
            maker, place = Changed(bench.backbone, name, change, dim), name.replace(" ", "_")
            known, unknown = (bench.store(f"mini_{s}_{place}", MINI, maker=maker) for s in ("train", "test"))
            found = bench.scores(f"scale_{place}", known, unknown)
            losses = read_history(bench.folder / "runs" / f"scale_{place}_{bench.seeds[0]}")["loss"]
            plain[:] = plain or losses
            far = max(abs(a / b - 1) for a, b in zip(losses, plain, strict=True))
            yield name, [f"{far:.1e}", *doubled(found)]

    show("Features changed, standardise=dataset, embedded scenes", ["loss differs by at most", *DOUBLE], rows())


def standardise_table(bench: Bench) -> None:
    def rows():
        for factor in (1.0, 0.1, 10.0):
            maker = Changed(bench.backbone, f"times {factor:g}", partial(torch.mul, other=factor))  # pyright: ignore
            known, unknown = (bench.store(f"mini_{s}_times_{factor:g}", MINI, maker=maker) for s in ("train", "test"))
            for how in ("none", "token", "image", "dataset", "position"):
                found = bench.scores(f"standardise_{how}_{factor:g}", known, unknown, standardise=how)
                yield f"{how}, features times {factor:g}", doubled(found)

    show("Ways to standardise, embedded scenes", DOUBLE, rows())


def video_table(bench: Bench) -> None:
    known = bench.store("mini_train", MINI)
    clips = extract(open_source(MINI_CLIPS), bench.folder / "clips_16.lance", bench.backbone, 16, progress=False)

    def rows():
        for method in ("savi_dinosaur", "dinosaur"):
            found: dict[str, Rows] = {}
            for seed in bench.seeds:
                run = bench.run(f"video_{method}", known, seed, method)
                score(run, clips, baselines=False, refine=True)
                saved = json.loads((run.folder / "scores.json").read_text())
                frames = saved["by"]["frame_of_clip"]
                for ending, row in zip(("", ", refined"), saved["clips"], strict=True):
                    values = {metric: value["mean"] for metric, value in saved["clips"][row].items()}
                    values |= {name: table[row]["fg_ari"]["mean"] for name, table in frames.items()}
                    for name, value in values.items():
                        found.setdefault(ending, {}).setdefault(name, []).append(value)
            for ending, row in found.items():
                yield method + ending, [cell(row[name]) for name in CLIP_SHOWN]

    head = ["video FG-ARI", "video ARI", "video mBO", "slot overlap", "object overlap", "keeps object"]
    title = (
        f"{len(clips.keys)} clips of 24 frames, 16x16; trained on stills, {bench.steps} steps, {len(bench.seeds)} seeds"
    )
    show(title, [*head, "FG-ARI first frame", "last frame"], rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["main", "slots", "scale", "standardise", "video"])
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="rows of main")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(asked.keep or Path(folder), asked.seeds, asked.steps)
        models = {name: MODELS[name] for name in asked.models}
        parts: dict[str, Callable[[], None]] = {
            "main": lambda: main_table(bench, asked.train, asked.test, models),
            "slots": lambda: slots_table(bench, asked.train, asked.test),
            "scale": lambda: scale_table(bench),
            "standardise": lambda: standardise_table(bench),
            "video": lambda: video_table(bench),
        }
        for part in asked.parts:
            if part in ("main", "slots") and not (asked.train and asked.test):
                raise SystemExit(f"{part} needs --train and --test: folders of rendered scenes")
            parts[part]()


if __name__ == "__main__":
    main()
