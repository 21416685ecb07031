"""One paper, one file; chosen by name."""

from importlib import import_module

from vitreous.errors import RunError, did_you_mean
from vitreous.methods.base import Method

METHODS = {
    "dinosaur": "vitreous.methods.dinosaur:DINOSAUR",
    "savi_dinosaur": "vitreous.methods.savi_dinosaur:SAViDINOSAUR",
}


def method_class(name: str) -> type[Method]:
    """The class behind a method's name."""
    if name not in METHODS:
        raise RunError(f'No method "{name}".{did_you_mean(name, METHODS)}')
    module, _, attribute = METHODS[name].partition(":")
    return getattr(import_module(module), attribute)
