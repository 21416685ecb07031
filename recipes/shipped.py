"""Put a run into the package under a name: recipe and weights alone; and say how good it is on the embedded scenes.

    python recipes/shipped.py still scratch/results/runs/dias_32_0
    python recipes/shipped.py clip scratch/large_clips/sweeps/clips/runs/method_dias-seed_0

Refused are runs on a backbone that the package does not carry, and more than 8 MB of shipped runs together.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jsonargparse import auto_cli

from vitreous import shipped
from vitreous.backbones.presets import PRESETS
from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS
from vitreous.errors import RunError
from vitreous.metrics.ari import adjusted_rand_index
from vitreous.predict.segment import Segmenter
from vitreous.runs import WEIGHTS, Run

MOST_BYTES = 8_000_000


def ship(name: str, run: Path, home: Path = shipped.HERE) -> None:
    """Copy what is needed to segment, and measure FG-ARI of the copy on scenes that the package carries for tests.

    Args:
        name: still, or clip; another name would be found as well.
        run: Folder written by `vitreous train`.
        home: Where shipped runs stand.
    """
    loaded = Run.load(run)
    about = loaded.recipe.backbone
    if about["name"] not in PRESETS or PRESETS[about["name"]].hub_id is not None:
        raise RunError(
            f"{run} sees through {about['name']}, which the package does not carry: it would not run offline."
        )
    replace(loaded, folder=home / name).save()
    (home / name / WEIGHTS).chmod(0o644)  # safetensors writes for its owner alone
    size = sum(file.stat().st_size for file in home.rglob("*.*") if file.is_file())
    if size > MOST_BYTES:
        raise RunError(f"Shipped runs are {size / 1e6:.1f} MB together, and {MOST_BYTES / 1e6:.0f} MB is the limit.")
    print(f"{home / name}: {loaded.recipe.method}, grid {loaded.recipe.grid}; all shipped runs: {size / 1e6:.1f} MB")
    for refine in (False, True):
        print(f"FG-ARI {fg_ari(home / name, name != shipped.CLIP, refine):.3f}{', refined' if refine else ''}")


def fg_ari(run: Path, stills: bool, refine: bool = False) -> float:
    """Mean over the embedded test scenes; of clips over whole ones."""
    segmenter = Segmenter(run, device="cpu", refine=refine)
    source, found = open_source(MINI if stills else MINI_CLIPS, split="test"), []
    for key in source.keys:
        frames = [frame for frame in source.frames(key) if frame.ids is not None]
        seen = segmenter.stills(frames) if stills else segmenter.video(frames)
        pred = torch.stack([one.found.labels[0] for one in seen])
        true = torch.from_numpy(np.stack([segmenter.preprocess(frame).ids for frame in frames]).astype(np.int64))
        found.append(adjusted_rand_index(pred.flatten()[None], true.flatten()[None], ignore=0).item())
    return float(np.mean(found))


if __name__ == "__main__":
    auto_cli(ship, as_positional=True)
