"""Runs that fail by themselves, not on purpose: what `vitreous diagnose` measures of them, and what it names.

    python benchmarks/diagnose.py

Trains six settings on the embedded scenes, each for minutes at most, and looks at the 51 that were not trained on.
Prints Markdown: the numbers that are held against a threshold, and the failures found (those that follow in brackets).
"""

import tempfile
from pathlib import Path

from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.features.extract import extract
from vitreous.report.diagnose import judge
from vitreous.report.observe import observe
from vitreous.train.fit import fit
from vitreous.train.module import Training

DRAWN = {"slots": 7, "slot_dim": 64, "masks": "decoder", "start": "gaussian", "decoder_width": 128}
RUNS = {
    "the default": ("dinosaur", {}, 100, 1e-4),
    "4 slots": ("dinosaur", {"slots": 4}, 100, 1e-4),
    "20 slots, --merge 0": ("dinosaur", {"slots": 20, "merge": 0.0}, 100, 1e-4),
    "--decoder mlp": ("dinosaur", {"decoder": "mlp", "slot_dim": 64}, 100, 1e-4),
    "--start gaussian": ("dinosaur", DRAWN, 100, 4e-4),
    "SAVi-DINOSAUR, drawn": (
        "savi_dinosaur",
        {"slots": 7, "start": "xavier", "hand_on": "mlp", "masks": "decoder", "decoder": "broadcast"},
        60,
        4e-4,
    ),
}
NUMBERS = (
    "entropy", "active", "top_share", "position", "content", "pattern_fill", "swapped", "missed", "merged", "split",
    "ground_kept", "fg_ari",
)  # fmt: skip


def main() -> None:
    print("| run |", " | ".join(NUMBERS), "| found |")
    print("|---" * (len(NUMBERS) + 2) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train = extract(open_source(MINI, split="train"), out / "train.lance", progress=False)
        test = extract(open_source(MINI, split="test"), out / "test.lance", progress=False)
        for i, (name, (method, config, steps, lr)) in enumerate(RUNS.items()):
            run = fit(train, out / str(i), method, config, Training(steps=steps, lr=lr), progress=False)
            evidence = observe(run, test)
            found = judge(evidence, run.recipe).findings
            names = [f"({finding.name})" if finding.follows else finding.name for finding in found] or ["healthy"]
            cells = [f"{evidence.mean(number):.2f}" for number in NUMBERS]
            print(f"| {name} |", " | ".join(cells), f"| {', '.join(names)} |", flush=True)


if __name__ == "__main__":
    main()
