"""vitreous backbones: list, check, stats, panel."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vitreous.cli.panel import grouped, panel

if TYPE_CHECKING:
    import numpy as np

    from vitreous.backbones import Backbone
    from vitreous.types import Source

Facet = Literal["token", "key", "query", "value", "token+key"]


def list_presets(json: bool = False) -> None:
    """Print the backbones that have a name here. Any hub id (owner/name) or folder in the hub's format will do too.

    Args:
        json: Print JSON instead of a table.
    """
    from vitreous.backbones import PRESETS
    from vitreous.backbones.find import is_here

    rows = [
        {
            "name": name,
            "hub_id": preset.hub_id or "in this package",
            "revision": preset.revision,
            "patch": preset.patch,
            "width": preset.width,
            "layers": preset.layers,
            "licence": preset.licence + (" (accept it on the hub)" if preset.gated else ""),
            "here": is_here(name),
            "note": preset.note,
        }
        for name, preset in PRESETS.items()
    ]
    if json:
        print_json(rows)
        return
    shown = ("name", "hub_id", "patch", "width", "layers", "licence", "here")
    print_table([{name: row[name] for name in shown} for row in rows])
    print("Fetch one:  vitreous backbones check NAME --download")


def check(
    name: str,
    download: bool = False,
    layer: int | None = None,
    facet: Facet = "token",
    dtype: Literal["bfloat16", "float32"] = "bfloat16",
    device: str = "auto",
    grid: str = "16",
    json: bool = False,
) -> None:
    """Load a backbone, prove the order of its patches, time it, and print what it is.

    The proof: with attention off a token knows its own patch alone, so changing the pixels of one patch must change
    that token and no other.

    Args:
        name: Preset, hub id (owner/name, owner/name@revision), or folder in the hub's format.
        download: Fetch from the Hugging Face hub what is not here.
        layer: Block whose output is taken; default: the last one, after the final norm.
        facet: Patch tokens; the keys, queries or values of that block's attention; or tokens and keys side by side.
        dtype: Of the forward pass.
        device: auto, cpu, cuda, cuda:1 ...
        grid: Patches per side for the timing: 16, or 16x24 for 16 rows of 24.
        json: Print JSON instead of a table.
    """
    from vitreous.backbones import PRESETS, load_backbone
    from vitreous.backbones.order import check_patch_order
    from vitreous.features.preprocess import sides

    shape = sides(grid)
    backbone = load_backbone(name, layer=layer, facet=facet, dtype=dtype, device=device, download=download)
    proven = [(4, 4), (4, 6)]
    for small in proven:
        check_patch_order(backbone, small)
    preset = PRESETS.get(name)
    about = backbone.describe() | {
        "depth": backbone.depth,
        "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "licence": preset.licence if preset else None,
        "patch_order": "proven on grids " + " and ".join(f"{h}x{w}" for h, w in proven),
        "device": str(backbone.device),
        "ms_per_picture": round(milliseconds(backbone, shape), 2),
        "timed_on": "{}x{} px, grid {}x{}".format(*backbone.size_for(shape), *shape),
    }
    print_json(about) if json else print_pairs(about)


def stats(
    name: str,
    source: Path,
    grid: str = "16",
    pictures: int = 200,
    layer: int | None = None,
    facet: Facet = "token",
    dtype: Literal["bfloat16", "float32"] = "bfloat16",
    device: str = "auto",
    batch_size: int = 16,
    json: bool = False,
) -> None:
    """Print what the features of a backbone are like on some pictures: scale, similarity, dimensions, position.

    Args:
        name: Preset, hub id, or folder in the hub's format.
        source: Folder of pictures and videos, or of rendered clips; or one file.
        grid: Patches per side: 16, or 16x24 for 16 rows of 24. The largest centred part of that shape is seen.
        pictures: At most so many frames, evenly spread over the source.
        layer: Block whose output is taken; default: the last one, after the final norm.
        facet: Patch tokens; the keys, queries or values of that block's attention; or tokens and keys side by side.
        dtype: Of the forward pass.
        device: auto, cpu, cuda, cuda:1 ...
        batch_size: Pictures per forward pass.
        json: Print JSON instead of a table.
    """
    import numpy as np
    import torch
    from rich.console import Console
    from rich.progress import track

    from vitreous.backbones import load_backbone
    from vitreous.backbones.stats import FeatureStats
    from vitreous.data import open_source
    from vitreous.features.preprocess import sides

    shape = sides(grid)
    backbone = load_backbone(name, layer=layer, facet=facet, dtype=dtype, device=device)
    opened, found = open_source(source), FeatureStats()
    picked = spread(opened, pictures)
    seen = prepared(opened, picked, shape, backbone.size_for(shape))
    console = Console(stderr=True)
    batch: list[np.ndarray] = []
    for picture in track(seen, "Features", total=len(picked), console=console, disable=not console.is_terminal):
        batch.append(picture)
        if len(batch) == batch_size:
            found.add(backbone(torch.from_numpy(np.stack(batch))[:, None])[:, 0])
            batch = []
    if batch:
        found.add(backbone(torch.from_numpy(np.stack(batch))[:, None])[:, 0])
    numbers = {"name": backbone.name, "layer": backbone.layer, "facet": backbone.facet} | found.summary().numbers()
    if json:
        print_json(numbers)
        return
    print_pairs(numbers | {"position_share": f"{numbers['position_share']:.1%} of the variance"})


def spread(source: "Source", most: int) -> list[tuple[str, int]]:
    """At most so many frames (clip, index), evenly over the whole source."""
    frames = [(key, index) for key in source.keys for index in range(source.length(key))]
    count = min(most, len(frames))
    return [frames[i * len(frames) // count] for i in range(count)]


def prepared(
    source: "Source", picked: list[tuple[str, int]], grid: tuple[int, int], size: tuple[int, int]
) -> "Iterator[np.ndarray]":
    """As `vitreous extract` shows them to the backbone."""
    from vitreous.features.preprocess import fitted, resized

    for key, index in picked:
        frame = next(iter(source.frames(key, index)))
        yield resized(fitted(frame.image, grid, "crop"), size)


def milliseconds(backbone: "Backbone", grid: tuple[int, int], pictures: int = 16) -> float:
    """Per picture, of random ones that are in memory already; the quickest of three."""
    from time import perf_counter

    import torch

    y, x = backbone.size_for(grid)
    images = torch.randint(0, 256, (pictures, 1, y, x, 3), dtype=torch.uint8, device=backbone.device)
    times = []
    for _ in range(4):  # the first one warms up
        began = perf_counter()
        backbone(images).flatten()[0].item()  # waits for the device
        times.append(perf_counter() - began)
    return 1000 * min(times[1:]) / pictures


def print_json(values: Any) -> None:
    from json import dumps

    print(dumps(values, indent=2))


def print_pairs(values: dict[str, Any]) -> None:
    width = max(map(len, values)) + 2
    for name, value in values.items():
        text = f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)
        print(f"{name.replace('_', ' '):{width}}{text}")


def print_table(rows: list[dict[str, Any]]) -> None:
    """At the terminal's width, but whole where the output is a file or a pipe."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right" if isinstance(rows[0][name], int) else "left")
    for row in rows:
        table.add_row(
            *({True: "yes", False: "no"}.get(v, str(v)) if isinstance(v, bool) else str(v) for v in row.values())
        )
    console.print(table)


COMMANDS = {"list": list_presets, "check": check, "stats": stats, "panel": panel}
command = grouped(COMMANDS)
