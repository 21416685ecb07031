"""Pictures whose numbers are known: pastures of green, brown and clover squares on bare ground."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vitreous.data.listed import ListedPictures
from vitreous.features.extract import extract
from vitreous.regress.division import Division
from vitreous.regress.folds import divide
from vitreous.regress.table import read_table

COLOURS = {"green": (40, 160, 40), "dead": (150, 110, 60), "clover": (90, 220, 120)}
GROUND = (60, 45, 40)


def paint(rng, size=(32, 64), cell=4):
    """A picture, and grams per kind: 2 for each square of it."""
    y, x = size[0] // cell, size[1] // cell
    amount = rng.uniform(0, 0.3, 3) * (rng.uniform(size=3) > [0, 0.1, 0.4])  # clover is often absent
    kinds = rng.choice(4, (y, x), p=[*amount, 1 - amount.sum()])
    colours = np.array([*COLOURS.values(), GROUND])[kinds] + rng.integers(-6, 7, (y, x, 1))
    image = np.clip(colours, 0, 255).astype(np.uint8).repeat(cell, 0).repeat(cell, 1)
    return image, {name: 2.0 * (kinds == k).sum() for k, name in enumerate(COLOURS)}


def write_pastures(folder: Path, count=40, seed=0, size=(32, 64), cell=4) -> Path:
    """images/*.png and train.csv below a folder; returns the table's path. Ten visits, each at one place."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        image, grams = paint(rng, size, cell)
        Image.fromarray(image).save(folder / "images" / f"{i:04d}.png")
        visit = int(rng.integers(10))
        row = {"image_path": f"images/{i:04d}.png", "date": f"2015/{visit + 1}/4", "state": "TV"[visit % 2]}
        total = sum(grams.values())
        rows.append(row | grams | {"total": total})
    pd.DataFrame(rows).to_csv(folder / "train.csv", index=False)
    return folder / "train.csv"


TARGETS = ("green", "dead", "clover", "total")
SUM = "total = green + dead + clover"


class Pasture:
    """A table, its store, and divisions of it."""

    def __init__(self, folder: Path, backbone, count: int, views, seed: int) -> None:
        self.csv = write_pastures(folder, count, seed)
        self.table = read_table(self.csv, folder, TARGETS)
        source = ListedPictures(folder, self.table.pictures)
        self.store = extract(
            source, folder / "store.lance", backbone, grid=8, fit="squash", views=views, progress=False, workers=1
        )

    def division(self, folds=3, seeds=1, groups=False):
        names = self.table.columns["date"].tolist() if groups else None
        found = [divide(len(self.table), folds, groups=names, seed=seed) for seed in range(seeds)]
        return Division(found, {"folds": folds, "seeds": seeds, "groups": "date" if groups else ""}, names)


@pytest.fixture(scope="session")
def pasture(tmp_path_factory, blobs):
    """Pastures with a store of coloured patches: pasture(count, views, seed); each is made once."""
    made = {}

    def make(count=40, views=("identity",), seed=0) -> Pasture:
        if (count, views, seed) not in made:
            folder = tmp_path_factory.mktemp("pasture")
            made[count, views, seed] = Pasture(folder, blobs[1](), count, views, seed)
        return made[count, views, seed]

    return make
