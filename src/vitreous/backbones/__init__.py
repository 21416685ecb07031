"""Frozen Vision Transformers: pictures in, patch features on their grid out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vitreous.backbones.presets import PRESETS, Preset

__all__ = ["PRESETS", "Backbone", "Preset", "load_backbone", "load_described"]

# loaded on first use: the table of presets costs nothing, torch does
_HOMES = {
    "Backbone": "vitreous.backbones.backbone",
    "load_backbone": "vitreous.backbones.load",
    "load_described": "vitreous.backbones.load",
}

if TYPE_CHECKING:
    from vitreous.backbones.backbone import Backbone
    from vitreous.backbones.load import load_backbone, load_described


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
