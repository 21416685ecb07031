"""Objects and quantities in images and videos, from the patch features of a frozen Vision Transformer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Clip",
    "FeatureStore",
    "Frame",
    "Segmentation",
    "SlotOutput",
    "VitreousError",
    "__version__",
    "extract",
    "load_backbone",
    "open_source",
]

# name -> where it lives; loaded on first use, so that `import vitreous` costs nothing
_HOMES = {
    "Clip": "vitreous.types",
    "Frame": "vitreous.types",
    "Segmentation": "vitreous.types",
    "SlotOutput": "vitreous.types",
    "VitreousError": "vitreous.errors",
    "open_source": "vitreous.data",
    "load_backbone": "vitreous.backbones",
    "FeatureStore": "vitreous.features.store",
    "extract": "vitreous.features.extract",
}

if TYPE_CHECKING:
    from vitreous.backbones import load_backbone
    from vitreous.data import open_source
    from vitreous.errors import VitreousError
    from vitreous.features.extract import extract
    from vitreous.features.store import FeatureStore
    from vitreous.types import Clip, Frame, Segmentation, SlotOutput


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vitreous' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
