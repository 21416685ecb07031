"""What a regression run measures in a picture: numbers, and what each patch gives to them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from vitreous.errors import VitreousError
from vitreous.features.preprocess import Preprocess
from vitreous.predict.features import FeatureMaker
from vitreous.predict.maps import BRIGHT, shown, value_maps
from vitreous.regress.answers import Answers, answer
from vitreous.regress.pictures import Pictures as Stored
from vitreous.regress.run import RegressionRun
from vitreous.types import ValueMap
from vitreous.view.seen import Pictures


@dataclass(frozen=True)
class Measured:
    """A picture as a regression run sees it.

    picture  the part that was looked at
    map      what each patch gives; None where the heads look at a picture as a whole, `notes` say so
    """

    run: Path
    name: str
    picture: UInt8[np.ndarray, "y x 3"]
    answers: Answers
    map: ValueMap | None
    notes: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        return self.answers.targets

    def drawn(self, target: str) -> UInt8[np.ndarray, "y x 3"]:
        """The map of one number over the picture."""
        if self.map is None:
            return self.picture
        values: Float[np.ndarray, "h w"] = self.map.values[self.targets.index(target)].astype(np.float64)
        return shown(self.picture, values, float(np.percentile(values, BRIGHT)))

    def numbers(self) -> list[tuple[str, float, float]]:
        """Target, number, and by how much the folds differ on it (standard deviation)."""
        return [
            (target, float(self.answers.y[0, at]), float(self.answers.over_folds[0, at]))
            for at, target in enumerate(self.targets)
        ]


def measure(run: Path, pictures: Pictures, aside: Path) -> Measured:
    """Measure the first of the pictures, in the views that the run was trained with."""
    trained = RegressionRun.load(run)
    frame = pictures.frames[0]
    with tempfile.TemporaryDirectory(dir=aside) as folder:
        Image.fromarray(frame.image).save(Path(folder) / "picture.png")
        store = FeatureMaker.of(trained.recipe).store(
            Path(folder) / "features.lance", Path(folder), ["picture.png"], tuple(trained.recipe.views), progress=False
        )
        answers, notes = answer(trained, store), list(pictures.notes)
        try:
            drawn = value_maps(trained.ensemble, Stored.of_store(store), answers)[0]
        except VitreousError as error:
            drawn = None
            notes.append(str(error).splitlines()[0])
    seen = Preprocess((trained.recipe.grid[0], trained.recipe.grid[1]), trained.recipe.fit)(frame)
    if len(pictures.frames) > 1:
        notes.append("A regression run looks at pictures: only the first frame was measured.")
    return Measured(run, pictures.name, seen.image, answers, drawn, tuple(notes))
