"""What is exported: a module from pictures to answers, without anything that is drawn or decided outside of tensors.

Pictures are of the run's own size, as `Preprocess` of the run cuts and resizes them. Everything is float32: a backbone
that ran in bfloat16 gives features a little different, and the check says what that does to labels.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int32, Num
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vitreous.backbones import Backbone
from vitreous.blocks.initial import SharedGaussian, SlotGaussian
from vitreous.errors import RunError
from vitreous.features.standardise import Standardiser
from vitreous.methods.base import Method
from vitreous.predict.loading import warm_backbone
from vitreous.predict.segment import find_slots
from vitreous.regress.constraints import Sums
from vitreous.regress.run import RegressionRun
from vitreous.runs import Run
from vitreous.types import Batch

Pixels = Literal["uint8", "float32"]  # RGB 0..255, or 0..1; [b y x 3] either way
IDS = "its slots start from the objects' true ids, which a new picture has not"
PICTURES = "beside features it needs pictures at a size of its own, and the graph resizes none"


@dataclass(frozen=True)
class Graph:
    """A module that can be exported, and all that whoever uses it has to know.

    about  plain values: what is in, what is out, of which run
    """

    module: nn.Module
    size: tuple[int, int]
    outputs: tuple[str, ...]
    about: dict[str, Any]


class FixedStart(SharedGaussian):
    """Initial slots that were drawn once, the same for every picture."""

    def __init__(self, drawn: Float[Tensor, "1 k s"]) -> None:
        nn.Module.__init__(self)
        self.register_buffer("drawn", drawn)

    def forward(self, features: Float[Tensor, "b n d"], *, noise: Tensor | None = None) -> Float[Tensor, "b k s"]:
        return self.get_buffer("drawn").expand(features.shape[0], -1, -1)


class Seen(nn.Module):
    """Pictures -> standardised features."""

    def __init__(self, backbone: Backbone, standardise: Standardiser, pixels: Pixels) -> None:
        super().__init__()
        self.backbone, self.standardise, self.pixels = backbone, standardise, pixels

    def forward(self, pictures: Num[Tensor, "b y x 3"], grid: tuple[int, int]) -> Float[Tensor, "b h w d"]:
        frames = (pictures * 255).round().clamp(0, 255).byte() if self.pixels == "float32" else pictures
        return self.standardise(self.backbone.patch_tokens(frames).unflatten(1, grid))


class SlotGraph(nn.Module):
    """Pictures -> who owns each pixel, the shares behind it, and a vector per object."""

    def __init__(self, seen: Seen, method: Method, size: tuple[int, int]) -> None:
        super().__init__()
        self.seen, self.method, self.size = seen, method, size

    def forward(
        self, pictures: Num[Tensor, "b y x 3"]
    ) -> tuple[Int32[Tensor, "b y x"], Float[Tensor, "b k y x"], Float[Tensor, "b k s"]]:
        out = self.method(Batch(self.seen(pictures, self.method.grid)[:, None]))
        shares = interpolate(out.masks[:, 0].float(), size=self.size, mode="bilinear", align_corners=False)
        return shares.argmax(1).int(), shares, out.slots[:, 0]


class RegressionGraph(nn.Module):
    """Pictures -> numbers, mean over folds and seeds, and the map of which each number is the mean."""

    def __init__(self, seen: Seen, run: RegressionRun) -> None:
        super().__init__()
        self.seen, self.heads, self.ensemble = seen, run.ensemble.heads, run.ensemble
        self.grid, self.positive = (run.recipe.grid[0], run.recipe.grid[1]), not run.negative
        basis = Sums.of(run.recipe.sums, run.recipe.targets) if run.recipe.reconcile == "compose" else None
        self.parts = list(basis.parts) if basis else None
        self.register_buffer("basis", torch.from_numpy(basis.basis).float() if basis else None)
        # logarithms do not add up, so no map of patches has the number as its mean
        self.maps = run.recipe.head in ("patch", "linear", "attention") and run.ensemble.scaling.kind != "log1p"

    def forward(
        self, pictures: Num[Tensor, "b y x 3"]
    ) -> tuple[Float[Tensor, "b t"]] | tuple[Float[Tensor, "b t"], Float[Tensor, "b t h w"]]:
        votes = self.heads(self.seen(pictures, self.grid).flatten(1, 2))
        y = self.settled(self.ensemble.numbers(votes.numbers).mean(1))
        if not self.maps or votes.each is None:
            return (y,)
        each = self.ensemble.numbers(votes.each).mean(2)  # b n t
        return y, self.settled(each).mT.unflatten(2, self.grid)

    def settled(self, y: Float[Tensor, "*b t"]) -> Float[Tensor, "*b t"]:
        y = y if self.parts is None else y[..., self.parts] @ self.get_buffer("basis").mT
        return y.clamp(min=0) if self.positive else y


def slot_graph(run: Run, pixels: Pixels = "uint8") -> Graph:
    """Of a run that finds objects; RunError, by name, for what cannot stand in a graph."""
    refuse_slots(run)
    recipe = run.recipe
    backbone = warm_backbone(recipe.backbone | {"dtype": "float32"}, "cpu")
    seen = Seen(backbone, Standardiser.from_state(run.statistics), pixels)
    size = backbone.size_for(recipe.grid)
    module = SlotGraph(seen, with_fixed_start(run), size).eval().requires_grad_(False)
    told = {
        "kind": "objects",
        "method": recipe.method,
        "slots": int(getattr(run.method.config, "slots", 0)),
        "outputs": {
            "labels": "int32 [b y x]: the slot that owns each pixel",
            "shares": "float32 [b k y x]: in [0, 1], summing to 1 over k",
            "slots": "float32 [b k s]: a vector per slot; of one that owns no pixel it means nothing",
        },
    }
    about = about_graph(recipe.backbone, recipe.grid, size, recipe.fit, pixels)
    return Graph(module, size, ("labels", "shares", "slots"), told | about)


def regression_graph(run: RegressionRun, pixels: Pixels = "uint8") -> Graph:
    """Of a run that measures quantities, as it answers for a picture as it is: no turned views, no tiles."""
    refuse_numbers(run)
    recipe = run.recipe
    backbone = warm_backbone(recipe.backbone | {"dtype": "float32"}, "cpu")
    size = backbone.size_for((recipe.grid[0], recipe.grid[1]))
    module = RegressionGraph(Seen(backbone, run.ensemble.standardise, pixels), run).eval().requires_grad_(False)
    outputs = {"numbers": "float32 [b t]: one per target, in its own units"}
    outputs |= (
        {"maps": "float32 [b t h w]: what each patch gives; the mean of each map is its number"} if module.maps else {}
    )
    about = about_graph(recipe.backbone, (recipe.grid[0], recipe.grid[1]), size, recipe.fit, pixels)
    told = {"kind": "numbers", "targets": list(recipe.targets), "outputs": outputs}
    return Graph(module, size, tuple(outputs), told | about)


def about_graph(
    backbone: dict[str, Any], grid: tuple[int, int], size: tuple[int, int], fit: str, pixels: Pixels
) -> dict[str, Any]:
    """What must be known to make the pictures that go in."""
    return {
        "input": {
            "name": "pictures",
            "dtype": pixels,
            "shape": ["batch", *size, 3],
            "range": [0, 255] if pixels == "uint8" else [0, 1],
            "colours": "RGB",
            "fit": fit,
            "resize": "bicubic, antialiased",
        },
        "grid": list(grid),
        "backbone": {name: backbone[name] for name in ("name", "layer", "facet", "digest")},
    }


def with_fixed_start(run: Run) -> Method:
    """A copy of the method in which what is drawn at the start is what `find_slots` draws for a single picture."""
    method, drawn = deepcopy(run.method).eval(), {}
    starts = {n: m for n, m in method.named_modules() if isinstance(m, SharedGaussian | SlotGaussian)}

    def hear(name: str) -> Any:
        return lambda module, seen, slots: drawn.update({name: slots.detach().clone()})

    handles = [module.register_forward_hook(hear(name)) for name, module in starts.items()]
    find_slots(replace(run, method=method), torch.zeros(1, 1, *run.recipe.grid, run.recipe.feature_dim))
    for handle in handles:
        handle.remove()
    for name, slots in drawn.items():
        method.set_submodule(name, FixedStart(slots))
    return method


def refuse_slots(run: Run) -> None:
    """Name what a graph of pictures alone cannot hold."""
    name, why = run.recipe.method, None
    if "first_ids" in run.method.needs:
        why = IDS
    elif "pictures" in run.method.needs:
        why = PICTURES
    if why:
        raise cannot(run.folder, name, why, "Segment with vitreous instead:  vitreous segment RUN PICTURES")


def refuse_numbers(run: RegressionRun) -> None:
    recipe, why = run.recipe, None
    if run.ensemble.heads.whole:
        why = "this model looks at a picture as a whole, in tiles of two sizes"
    elif recipe.head == "cls":
        why = "its heads see the class token, and the graph has the patches alone"
    elif any(view.startswith("crop:") for view in recipe.views):
        why = "it was trained on tiles of pictures, and the graph sees a picture at once"
    elif recipe.reconcile in ("project", "weighted"):
        why = f'its numbers are made to add up by "{recipe.reconcile}", a search that no graph holds'
    if why:
        raise cannot(run.folder, recipe.head, why, "Predict with vitreous instead:  vitreous regress predict RUN")


def cannot(folder: Path, name: str, why: str, instead: str) -> RunError:
    return RunError(f"{folder} ({name}) cannot be exported: {why}.\n{instead}")
