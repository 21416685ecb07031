"""vitreous backbones panel"""

from itertools import takewhile
from json import dumps
from pathlib import Path
from typing import Any

from vitreous.cli.parser import Completed


def panel(stores: list[Path], out: Path = Path("panel.png"), pictures: int = 200, json: bool = False) -> None:
    """Compare features of several stores: scale, similarity of patches, dimensions, position; a table and a figure.

    Args:
        stores: Feature stores, as of several backbones on the same pictures.
        out: The figure; PNG, SVG or PDF by its ending.
        pictures: At most so many of each store, spread evenly over it.
        json: Print JSON instead of a table.
    """
    from vitreous.features.store import FeatureStore
    from vitreous.report.feature_space import draw_panels, feature_panels, print_panels

    found = feature_panels([FeatureStore(store) for store in stores], pictures)
    print(dumps([{"name": p.name} | p.numbers for p in found], indent=2) if json else print_panels(found))
    out.parent.mkdir(parents=True, exist_ok=True)
    draw_panels(found).savefig(out, dpi=120)
    if not json:
        print(out)


def grouped(commands: dict[str, Any]) -> Completed:
    """The group of commands, `panel STORE STORE ...` among them: its stores become one argument, a list."""

    def complete(arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
        if arguments[:1] == ["panel"]:
            stores = list(takewhile(lambda argument: not argument.startswith("-"), arguments[1:]))
            listed = [dumps(stores)] if stores else []
            arguments = ["panel", *listed, *arguments[1 + len(stores) :]]
        return commands, arguments

    return Completed(complete)
