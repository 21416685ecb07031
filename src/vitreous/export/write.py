"""Export a run, and check the file against PyTorch before saying that it is there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor
from torch.export import ExportedProgram

from vitreous import __version__
from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.errors import DataError, RunError, VitreousError, did_you_mean
from vitreous.export.graph import Graph, Pixels, regression_graph, slot_graph
from vitreous.export.onnx_file import answers_of, packages, save_onnx
from vitreous.export.program import program_of, save_program
from vitreous.features.preprocess import Preprocess
from vitreous.features.standardise import Standardiser
from vitreous.predict.loading import warm_backbone
from vitreous.predict.segment import find_slots, to_pixels
from vitreous.regress.run import RegressionRun
from vitreous.runs import Run
from vitreous.share import load_run
from vitreous.shipped import find_run, is_shipped
from vitreous.types import Source

Format = Literal["onnx", "torch"]
SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}
TOLERANCE = 1e-3  # of shares, and of numbers and maps in units of the largest


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    pictures   that were compared
    apart      largest difference to PyTorch in any share, or in any number over the largest
    labels     share of pixels with the same label as PyTorch's; NaN for numbers
    as_used    share of pixels with the label that the run gives as it is used, its backbone in its own precision; NaN
               for numbers
    """

    path: Path
    pictures: int
    apart: float
    labels: float
    as_used: float
    bytes: int = 0

    def __str__(self) -> str:
        same = "" if np.isnan(self.labels) else f", {self.labels:.2%} of labels the same"
        used = "" if np.isnan(self.as_used) else f" ({self.as_used:.2%} as `vitreous segment` gives them)"
        return (
            f"{self.path}: {self.bytes / 1e6:.1f} MB, checked on {self.pictures} pictures: at most {self.apart:.1g} "
            f"from PyTorch{same}{used}"
        )


def export_run(
    folder: Path | str,
    out: Path | str | None = None,
    format: Format | None = None,
    pixels: Pixels = "uint8",
    pictures: Path | str | None = None,
    count: int = 8,
) -> Exported:
    """Write a run as one file and check it; RunError if its answers are not PyTorch's.

    Args:
        folder: A run that finds objects or measures quantities, or the name of a shipped one.
        out: The file; its ending says which format. Default: RUN/model.onnx; of a shipped run NAME.onnx, here.
        format: onnx or torch; default: by the ending of `out`, else onnx.
        pixels: What goes in: uint8, 0..255, or float32, 0..1; [batch y x 3] either way.
        pictures: What it is checked on; default: scenes that the package carries.
        count: So many of them.
    """
    folder = find_run(folder)
    path, format = where(folder, out, format)
    if format == "onnx":
        packages()
    run = load_run(folder)
    graph = slot_graph(run, pixels) if isinstance(run, Run) else regression_graph(run, pixels)
    about = {"vitreous": __version__, "run": folder.name} | graph.about
    seen = check_pictures(graph, pictures, count)
    program = program_of(graph)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.stem}.new{path.suffix}")  # in one move: what is there was checked
    try:
        if format == "onnx":
            save_onnx(program, graph.outputs, about, new)
        else:
            save_program(program, about, new)
        found = compared(run, graph, program if format == "torch" else new, seen, path)
        found = replace(found, bytes=new.stat().st_size)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return found


def where(folder: Path, out: Path | str | None, format: str | None) -> tuple[Path, Format]:
    """File and format, which have to agree."""
    kinds = {suffix: name for name, suffix in SUFFIX.items()}
    if format is not None and format not in get_args(Format):
        raise VitreousError(f'No format "{format}".{did_you_mean(format, get_args(Format))}')
    if out is None:
        format = format or "onnx"
        here = Path(folder.name) if is_shipped(folder) else folder / "model"  # nothing is written into the package
        return here.with_suffix(SUFFIX[format]), format  # pyright: ignore[reportReturnType]
    path = Path(out)
    if path.suffix not in kinds or (format is not None and kinds[path.suffix] != format):
        wanted = SUFFIX[format] if format else " or ".join(kinds)
        raise VitreousError(f"{path} should end in {wanted}: the ending says what the file is.")
    return path, kinds[path.suffix]  # pyright: ignore[reportReturnType]


def check_pictures(graph: Graph, place: Path | str | None, count: int) -> Num[Tensor, "b y x 3"]:
    """What the graph is checked on, as it takes them."""
    source = open_source(MINI, split="test") if place is None else open_source(place)
    preprocess = Preprocess(graph.size, graph.about["input"]["fit"])
    some = [preprocess.resize(preprocess(frame).image) for frame in spread(source, count)]
    if len(some) < 2:
        raise DataError(f"{place}: two pictures at least are needed to check an export.")
    pictures = torch.from_numpy(np.stack(some))
    return pictures if graph.about["input"]["dtype"] == "uint8" else pictures.float() / 255


def spread(source: Source, count: int) -> list:
    """First frames of clips, evenly over the source."""
    keys = list(source.keys)
    at = np.linspace(0, len(keys) - 1, min(count, len(keys))).round().astype(int)
    return [next(iter(source.frames(keys[i]))) for i in at]


@torch.no_grad()
def compared(
    run: Run | RegressionRun,
    graph: Graph,
    made: Path | ExportedProgram,
    pictures: Num[Tensor, "b y x 3"],
    path: Path,
) -> Exported:
    """Answers of the file beside PyTorch's: the first picture alone, then the others as a batch."""
    wrong, labels, used = 0.0, [], []
    for some in (pictures[:1], pictures[1:]):
        mine, its = list(graph.module(some)), answers(made, some)
        for name, one, other in zip(graph.outputs, mine, its, strict=True):
            if name == "slots" and not bool(other.isfinite().all()):
                raise RunError(f"{path} was not written: slots that are not numbers came out of it.")
            if name == "labels":
                labels.append((one == other).double().mean((1, 2)))
            elif name != "slots":
                unit = 1.0 if name == "shares" else max(float(one.abs().max()), 1e-12)
                apart = (one - other).abs().flatten(1).amax(1) / unit
                wrong = max(wrong, refuse(apart, name, path))
        if isinstance(run, Run):
            used.append(as_used(run, graph, some, its[0]))
    same, like_run = (float(torch.cat(values).mean()) if values else float("nan") for values in (labels, used))
    return Exported(path, len(pictures), wrong, same, like_run)


def refuse(apart: Tensor, name: str, path: Path) -> float:
    """The largest difference; RunError where it is too large, or is no number."""
    worst = float(apart.nan_to_num(nan=torch.inf).max())
    if worst > TOLERANCE:
        count = int((apart.nan_to_num(nan=torch.inf) > TOLERANCE).sum())
        raise RunError(
            f"{path} was not written: on {count} of {len(apart)} pictures its {name} differ from PyTorch's by up to "
            f"{worst:.2g}, and {TOLERANCE:g} is allowed.\nCheck on other pictures:  --pictures FOLDER"
        )
    return worst


def answers(made: Path | ExportedProgram, pictures: Tensor) -> Sequence[Tensor]:
    if isinstance(made, Path):
        return [torch.from_numpy(value) for value in answers_of(made, pictures)]
    return list(made.module()(pictures))


def as_used(run: Run, graph: Graph, pictures: Tensor, labels: Tensor) -> Tensor:
    """Share of pixels per picture whose label is what `Segmenter` gives, each picture by itself."""
    backbone, standardise = warm_backbone(run.recipe.backbone, "cpu"), Standardiser.from_state(run.statistics)
    images = pictures if pictures.dtype == torch.uint8 else (pictures * 255).round().byte()
    same = []
    for image, label in zip(images, labels, strict=True):
        masks = find_slots(run, standardise(backbone(image[None, None]))).masks
        same.append((to_pixels(masks[0], graph.size).labels[0] == label).double().mean())
    return torch.stack(same)
