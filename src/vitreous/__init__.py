"""Objects and quantities in images and videos, from the patch features of a frozen Vision Transformer.

import vitreous as vt

vt.segment("desk.png").show()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "DenseRegressor",
    "FeatureStore",
    "Run",
    "VitreousError",
    "__version__",
    "compare",
    "extract",
    "load_backbone",
    "open_source",
    "score",
    "segment",
    "train",
]

# name -> where it lives; loaded on first use, so that `import vitreous` costs nothing
_HOMES = {
    "segment": "vitreous.front",
    "extract": "vitreous.features.extract",
    "score": "vitreous.front",
    "compare": "vitreous.report.compare",
    "open_source": "vitreous.data",
    "load_backbone": "vitreous.backbones",
    "Backbone": "vitreous.backbones",
    "FeatureStore": "vitreous.features.store",
    "Run": "vitreous.runs",
    "DenseRegressor": "vitreous.regress.estimator",
    "VitreousError": "vitreous.errors",
}

if TYPE_CHECKING:
    from vitreous.backbones import Backbone, load_backbone
    from vitreous.data import open_source
    from vitreous.errors import VitreousError
    from vitreous.features.extract import extract
    from vitreous.features.store import FeatureStore
    from vitreous.front import score, segment
    from vitreous.regress.estimator import DenseRegressor
    from vitreous.report.compare import compare
    from vitreous.runs import Run
    from vitreous.train.door import train


def __getattr__(name: str) -> Any:
    if name == "train":
        return import_module("vitreous.train")  # the folder is callable: see its __init__.py
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vitreous' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
