"""How many slots? Train a few runs, score each on pictures with known objects, and let a test say what is better.

python examples/03_compare_runs.py
"""

from pathlib import Path

import vitreous as vt
from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.report.page import write_page

train = vt.extract(open_source(MINI, split="train"), "train.lance")
test = vt.extract(open_source(MINI, split="test"), "test.lance")

runs = []
for slots in (5, 11):
    for seed in (0, 1):
        run = vt.train(train, f"runs/slots_{slots}_{seed}", slots=slots, seed=seed, steps=20, progress=False)
        vt.score(run, test, baselines=False)
        runs.append(run.folder)

comparison = vt.compare(runs, ["fg_ari", "ari", "mbo"])
print(comparison)  # p is corrected for the number of questions asked
print("Open  ", write_page(comparison, Path("page"), scenes=6, details=False))
