"""Where in a picture a number comes from: what each patch gives, as a map whose mean is the number.

Views are turned back and tiles put together, so that a map lies on the picture; views and members are averaged as in
the prediction.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from vitreous.errors import VitreousError
from vitreous.features.preprocess import Preprocess
from vitreous.features.store import FeatureStore
from vitreous.features.views import TURNS
from vitreous.regress.answers import Answers
from vitreous.regress.ensemble import Ensemble, seen
from vitreous.regress.pictures import Box, Pictures
from vitreous.types import ValueMap

BACK = {"rot90": "rot270", "rot270": "rot90"}  # the others undo themselves
AS_A_WHOLE = (
    "These heads look at a picture as a whole: no patch gives anything of its own, so there is no map.\n"
    "Train heads that vote:  --head patch"
)
BRIGHT = 99.5  # percentile over all maps of a target that is shown as the brightest colour


def value_maps(ensemble: Ensemble, pictures: Pictures, answers: Answers) -> list[ValueMap]:
    """A map per picture, in the order of `pictures`; its mean is the number in `answers`."""
    if ensemble.heads.whole:
        raise VitreousError(AS_A_WHOLE)
    for view in pictures.views:
        sideways = "rot" in view and pictures.grid[0] != pictures.grid[1]
        if "turn:" in view or sideways:
            why = f"a grid of {pictures.grid[0]}x{pictures.grid[1]} turned aside" if sideways else "turned by an angle"
            raise VitreousError(
                f'What patches give in the view "{view}" cannot be put back in place: {why}.\n'
                'Make maps with views that can:  --views "identity hflip vflip hvflip"'
            )
    total = np.zeros((len(pictures), len(ensemble.targets), *whole_grid(pictures)))
    for some, view, x in seen(pictures, ensemble.standardise):
        each = votes(ensemble, x).reshape(len(some), len(ensemble.targets), len(pictures.tiles), *pictures.grid)
        for place, tiles in zip(some, each, strict=True):
            back = [turned_back(tile, pictures.views[view]) for tile in tiles.swapaxes(0, 1)]
            total[place] += assembled(back, pictures.tiles) / len(pictures.views)
    return [
        ValueMap(key, settled(values, numbers), tuple(answers.targets))
        for key, values, numbers in zip(pictures.keys, total, answers.y, strict=True)
    ]


def whole_grid(pictures: Pictures) -> tuple[int, int]:
    """Patches of a picture with all its tiles (rows, columns)."""
    rows, columns = len({box[1] for box in pictures.tiles}), len({box[0] for box in pictures.tiles})
    if rows * columns != len(pictures.tiles):
        raise VitreousError("Maps need tiles that cover the picture in rows and columns, as --tiles makes them.")
    return rows * pictures.grid[0], columns * pictures.grid[1]


@torch.no_grad()
def votes(ensemble: Ensemble, x: Float[torch.Tensor, "b n d"]) -> Float[np.ndarray, "b t n"]:
    """What patches give in units of the targets, mean over the members."""
    found = np.zeros((len(x), len(ensemble.targets), x.shape[1]))
    for at in range(len(ensemble.members)):
        said = ensemble.member(at)(x)
        if said.each is None:
            raise VitreousError(AS_A_WHOLE)
        here = slice(at, at + 1)
        numbers, each = ensemble.numbers(said.numbers, here)[:, 0], ensemble.numbers(said.each, here)[:, :, 0]
        if ensemble.scaling.kind == "log1p":  # logarithms do not add up: patches share the number by their votes
            z = said.each.reshape(*each.shape)
            each = numbers[:, None] * z / z.mean(1, keepdim=True).clamp(min=1e-12)
        found += each.transpose(1, 2).double().numpy() / len(ensemble.members)
    return found


def turned_back(values: Float[np.ndarray, "t h w"], view: str) -> Float[np.ndarray, "t h w"]:
    """As the patches lie in the picture itself."""
    for part in reversed(view.split("+")):
        if part in TURNS:
            values = np.stack([TURNS[BACK.get(part, part)](one) for one in values])
    return values


def assembled(tiles: Sequence[Float[np.ndarray, "t h w"]], boxes: Sequence[Box]) -> Float[np.ndarray, "t H W"]:
    """Tiles, in rows, as one map."""
    columns = len({box[0] for box in boxes})
    rows = [np.concatenate(tiles[i : i + columns], axis=2) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=1)


def settled(values: Float[np.ndarray, "t h w"], numbers: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t h w"]:
    """Maps with these means: where numbers were made to add up, all patches change in proportion."""
    mean = values.mean((1, 2))
    same = np.isclose(mean, numbers, rtol=1e-6, atol=1e-9)
    factor = np.where(same | (mean <= 0), 1.0, numbers / np.where(mean > 0, mean, 1.0))
    scaled = values * factor[:, None, None]
    return scaled + (numbers - scaled.mean((1, 2)))[:, None, None]  # rounding, or a number where nobody voted


def shown(
    picture: UInt8[np.ndarray, "y x 3"], values: Float[np.ndarray, "h w"], brightest: float
) -> UInt8[np.ndarray, "y x 3"]:
    """A map over the picture in grey: nothing is clear, `brightest` is full colour; patches keep their edges."""
    from matplotlib import colormaps

    y, x = picture.shape[:2]
    level = np.clip(values / max(brightest, 1e-12), 0, 1)
    large = np.asarray(Image.fromarray(level.astype(np.float32)).resize((x, y), Image.Resampling.NEAREST))
    colour = colormaps["plasma"](large)[..., :3] * 255
    grey = np.repeat(picture.mean(2, keepdims=True), 3, axis=2)
    alpha = 0.75 * np.sqrt(large)[..., None]
    return ((1 - alpha) * grey + alpha * colour).round().astype(np.uint8)


def write_maps(maps: Sequence[ValueMap], store: FeatureStore, out: Path, *, npz: bool = True) -> list[Path]:
    """NAME.png: the picture and a map per target, its number above; NAME.npz: the maps themselves, [targets rows
    columns] and the names of the targets. Colours mean the same in all pictures.
    """
    from vitreous.predict.sheets import row_of_pictures

    every = np.stack([one.values for one in maps])
    brightest = np.percentile(every, BRIGHT, axis=(0, 2, 3)).tolist()
    names, written = Counter(one.key.rpartition(".")[0] for one in maps), []
    for one in maps:
        short = one.key.rpartition(".")[0]  # a.jpg and a.png keep their endings, or one would overwrite the other
        path = out / f"{short if short and names[short] == 1 else one.key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = Preprocess(store.grid, store.meta.fit)(store.picture(int(store.rows_of(one.key)[0])))
        columns = [(Path(one.key).name, frame.image)]
        for at, name in enumerate(one.targets):
            title = f"{name} {one.values[at].mean():.4g}"
            columns.append((title, shown(frame.image, one.values[at].astype(np.float64), brightest[at])))
        row_of_pictures(columns).save(path)
        if npz:
            values = one.values.astype(np.float32)
            np.savez_compressed(path.with_name(f"{path.stem}.npz"), values=values, targets=np.array(one.targets))
        written.append(path)
    return written
