"""Optional packages: asked for by name, when needed."""

from importlib import import_module
from types import ModuleType

from vitreous.errors import MissingExtra


def need(module: str, extra: str, why: str) -> ModuleType:
    """Import an optional package or say how to get it:  mi = need("mitsuba", "render", "Rendering")."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # installed but broken: show the real fault
        raise MissingExtra(f"{why} needs {module}:  pip install 'vitreous[{extra}]'") from None
