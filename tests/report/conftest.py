"""Scored runs out of thin air: what `vitreous score` leaves in a folder, with scores that a test decides."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from vitreous.report.measure import CLIP_METRICS, METRICS, VERSION
from vitreous.runs import Recipe, write_recipe

OWN, OTHER = "dinosaur ({} slots)", "k-means, true number"
BACKBONE = {"name": "coloured_patches", "digest": "colours", "layer": 1, "facet": "token", "dim": 8, "patch_size": 4}


def lines(row, keys, rng, level, frames):
    """Pictures, objects, clips and slots of one row; a scene has 2 to 5 objects, and metal is 0.05 harder."""
    pictures, objects, clips, slots = [], [], [], []
    for i, key in enumerate(keys):
        scene, hard = ("metal", "rubber", "mixed")[i % 3], 0.05 * np.sin(i)
        for frame in range(frames):
            place = {"key": key, "frame": frame, "view": "identity"}
            seen = 2 + i % 4
            values = {m: float(np.clip(level + hard + rng.normal(0, 0.02), 0, 1)) for m in METRICS}
            pictures.append({**place, "row": row, **values, "objects": seen, "materials": scene, "scene": scene})
            slots.append(place | {"active_slots": 1.0 + i % 3, "entropy": 0.1, "top_share": 0.5, "mean_fill": 0.3})
            for j in range(seen):
                material = scene if scene != "mixed" else ("metal", "rubber")[j % 2]
                iou = float(np.clip(level + hard - 0.05 * (material == "metal") + rng.normal(0, 0.02), 0, 1))
                thing = {
                    "id": j + 1,
                    "best_iou": iou,
                    "object_ari": iou,
                    "share": 0.01 + 0.02 * j,
                    "size": "small (to 1 %)",
                }
                about = {"touching": 0.1 * j, "material": material, "shape": "cube", "colour": "red", "visible": None}
                objects.append({**place, "row": row, **thing, **about})
        if frames > 1:
            clips.append({"key": key, "view": "identity", "row": row} | dict.fromkeys(CLIP_METRICS, level))
    return pictures, objects, clips, slots


@pytest.fixture
def scored(tmp_path):
    """scored("a", slots=5, level=0.8) -> folder of a run whose pictures score about 0.8; more as below."""

    def make(
        name, *, slots=5, seed=0, level=0.7, pictures=30, frames=1, config=None, training=None, backbone=None,
        data=None, conventions=None, reference=True,
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir(parents=True)
        recipe = Recipe(
            "dinosaur", {"slots": slots} | (config or {}), (8, 8), "crop", 8, BACKBONE | (backbone or {}), "dataset",
            {"name": "other", "fingerprint": "0" * 64}, {"steps": 30, "lr": 1e-4, "seed": seed} | (training or {}), "0",
        )  # fmt: skip
        write_recipe(folder, recipe)
        keys = [f"clip_{i:02d}" for i in range(pictures)]
        own, rng = OWN.format(slots), np.random.default_rng([slots, seed])
        parts = [lines(own, keys, rng, level, frames)]
        if reference:
            parts.append(lines(OTHER, keys, np.random.default_rng(0), 0.6, frames))
        for i, (file, columns) in enumerate(
            [("scores", None), ("objects", None), ("clips", ["key", "view", "row", *CLIP_METRICS]), ("slots", None)]
        ):
            rows = [row for part in parts[: 1 if file == "slots" else None] for row in part[i]]
            table = pd.DataFrame(rows, columns=columns) if columns else pd.DataFrame(rows)
            table.to_csv(folder / f"{file}.csv", index=False, float_format="%.6f")
        source = {"name": "blobs", "path": "/blobs", "fingerprint": "f" * 64}
        about = {"store": str(tmp_path / "gone.lance"), "source": source, "grid": [8, 8], "pictures": pictures * frames}
        about |= {"list": f"list of {pictures}", "truth": f"truth of {pictures}"} | (data or {})
        said = {"metrics": VERSION, "resolution": ["32x32"], "fit": "crop", "refine": None} | (conventions or {})
        saved = {"data": about, "conventions": said, "rows": {own: {}, OTHER: {}}, "recipe": asdict(recipe)}
        (folder / "scores.json").write_text(json.dumps(saved))
        return folder

    return make
