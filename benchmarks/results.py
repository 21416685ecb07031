"""The older work's questions, asked again: sweeps from scratch, each compared in a table, figures and a page.

    python benchmarks/results.py --out scratch/report                      all parts; about an hour on two cores
    python benchmarks/results.py --out scratch/report --parts slots tau    stopped, the same command goes on

    vitreous render --out scratch/slots --scenes 1000 --seed 101
    vitreous render --out scratch/final --split test --scenes 300 --seed 301
    vitreous render --out scratch/moving --scenes 200 --frames 24 --seed 401
    vitreous render --out scratch/moving --split test --scenes 60 --frames 24 --seed 501
    python benchmarks/results.py --parts stills ablation --steps 200 --out scratch/large --train scratch/slots \\
        --test scratch/final
    python benchmarks/results.py --parts clips --steps 100 --out scratch/large_clips --train scratch/moving/train \\
        --test scratch/moving/test

slots        3 to 13 of them, on glass_tiny, on the same net untrained, and on the colours of the patches
tau          mask temperature of SAVi-DINOSAUR's broadcast decoder, with masks of the attention and with its own
standardise  each way to
batch        2 to 128, at equal samples
video        SAVi-DINOSAUR and DINOSAUR, trained on stills, on clips of 24 frames
stills       every method for pictures, as it comes: 11 slots, batches of 16, the same number of steps
clips        every method for videos, as it comes: 11 slots, batches of 4 x 4 frames, the same number of steps
ablation     DIAS with each of its additions alone and together, where there are far too many slots: 24, all used

Trained on the 150 embedded scenes (and their mirror images), scored on the 51 others, or with --train and --test on
rendered ones; three seeds. OUT/PART/index.html is the page, table.md the table that docs/results.md shows. Metal
against rubber is in every part: materials.csv.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backbone_probe import backbone

from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.features.extract import extract
from vitreous.report.compare import compare
from vitreous.report.comparison_files import write_tables
from vitreous.report.figures import draw
from vitreous.report.page import write_page
from vitreous.sweep.plan import Plan
from vitreous.sweep.run import Sweep

SEEDS = [0, 1, 2]


class Report:
    def __init__(self, out: Path, train: Path, test: Path, steps: int, jobs: int) -> None:
        self.out, self.train, self.test, self.steps, self.jobs = out, train, test, steps, jobs

    def store(self, name: str, maker: str, grid: int = 16) -> Path:
        """Features of one split: train, test or clips."""
        path = self.out / "stores" / f"{name}_{maker}_{grid}.lance"
        source = MINI_CLIPS if name == "clips" else getattr(self, name)
        split = name if source == MINI else None
        views = ("identity", "hflip") if name == "train" and source == MINI else ("identity",)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = backbone(maker, self.out / "untrained")
        extract(open_source(source, split=split), path, made, grid, views=views, progress=False)
        return path

    def sweep(
        self, name: str, axes: dict[str, list], maker: str = "glass_tiny", test: str = "test", **fixed: Any
    ) -> Path:
        """Runs of every combination and seed; the folder that they are in."""
        length = {} if {"epochs", "steps"} & set(fixed) else {"steps": self.steps}
        plan = Plan(axes | {"seed": SEEDS}, length | fixed)
        out = self.out / "sweeps" / name
        trials = Sweep(self.store("train", maker), self.store(test, maker), out, plan, jobs=self.jobs).run()
        failed = [trial for trial in trials if trial.state != "done"]
        if failed:
            raise SystemExit(f"{out}: {len(failed)} trials failed; see sweep.csv")
        return out / "runs"

    def show(self, part: str, folders: list[Path]) -> None:
        found, out = compare(folders), self.out / part
        tables = write_tables(found, out)
        write_page(
            found,
            out,
            command=f"python benchmarks/results.py --parts {part}",
            figures=list(draw(found, out / "figures")),
        )
        print(f"\n## {part}\n\n{tables[0].read_text()}\n{out / 'index.html'}", flush=True)


def slots(report: Report) -> list[Path]:
    axes = {"slots": [3, 5, 7, 9, 11, 13]}
    return [report.sweep(f"slots_{maker}", axes, maker) for maker in ("glass_tiny", "untrained", "raw")]


def tau(report: Report) -> list[Path]:
    axes = {"mask_temperature": [0.1, 0.3, 0.5, 0.7, 1.0], "masks": ["attention", "decoder"]}
    return [report.sweep("tau", axes, method="savi_dinosaur", decoder="broadcast")]


def standardise(report: Report) -> list[Path]:
    return [report.sweep("standardise", {"standardise": ["none", "token", "image", "dataset", "position"]})]


def batch(report: Report) -> list[Path]:
    return [report.sweep("batch", {"batch_size": [2, 8, 32, 128]}, epochs=8.0)]


def video(report: Report) -> list[Path]:
    return [report.sweep("video", {"method": ["savi_dinosaur", "dinosaur"]}, test="clips")]


def stills(report: Report) -> list[Path]:
    return [
        report.sweep("stills", {"method": ["dinosaur", "savi_dinosaur", "slate", "smoothsa", "dias"]}),
        *(report.sweep(f"stills_{name}", {"method": [name]}) for name in ("spot", "slotdiffusion", "slot_attention")),
        report.sweep("stills_decoders", {"decoder": ["mlp", "autoregressive"]}, method="dinosaur"),
    ]


def clips(report: Report) -> list[Path]:
    together = ["dinosaur", "savi_dinosaur", "videosaur", "slotcontrast", "smoothsa", "randsfq", "slotformer", "dias"]
    of_clips = {"frames": 4, "batch_size": 4}
    return [
        report.sweep("clips", {"method": together}, **of_clips),
        *(report.sweep(f"clips_{name}", {"method": [name]}, **of_clips) for name in ("steve", "savi")),
    ]


def ablation(report: Report) -> list[Path]:
    """`again` needs slots that were dropped, so re-initialisation is reduction that looks again against `none`."""
    dias: dict[str, Any] = {"method": "dias", "slots": 24, "merge": 0.0}
    alone: dict[str, Any] = dias | {"same": 0.0, "distill": 0.0}
    return [
        report.sweep("ablation", {"same": [0.0, "auto"], "distill": [0.0, 0.1]}, **dias),
        report.sweep("ablation_again", {"again": ["none", "restart"]}, **dias, distill=0.0),
        report.sweep("ablation_order", {"decoder": ["autoregressive", "random"]}, **alone),
        report.sweep("ablation_together", {"decoder": ["random"]}, **dias),
    ]


PARTS: dict[str, Callable[[Report], list[Path]]] = {
    part.__name__: part for part in (slots, tau, standardise, batch, video, stills, clips, ablation)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("report"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["slots", "tau", "standardise", "batch", "video"])
    parser.add_argument("--train", type=Path, default=MINI)
    parser.add_argument("--test", type=Path, default=MINI)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    report = Report(asked.out, asked.train, asked.test, asked.steps, asked.jobs)
    for part in asked.parts:
        report.show(part, PARTS[part](report))


if __name__ == "__main__":
    main()
