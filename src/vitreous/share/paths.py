"""What a recipe and its scores tell about the machine they were made on, taken out before others see them."""

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def without_paths(value: Any) -> Any:
    """Plain values, with every absolute path, path of a home and address cut down to its last part.

    >>> without_paths({"path": "/home/ann/plates", "seed": 0, "also": ["s3://lab/val.lance", "mini/train"]})
    {'path': 'plates', 'seed': 0, 'also': ['val.lance', 'mini/train']}
    """
    if isinstance(value, dict):
        return {name: without_paths(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(without_paths(inner) for inner in value)
    return last_part(value) if isinstance(value, str) else value


def last_part(text: str) -> str:
    """The name of a file or folder for a path that tells where it stands; any other text as it is.

    A path that climbs (../plates) tells of folders too.
    """
    windows, posix = PureWindowsPath(text), PurePosixPath(text)
    if windows.is_absolute() or text.startswith("\\\\") or "..\\" in text:
        return windows.name
    if posix.is_absolute() or text.startswith("~") or ".." in posix.parts or ADDRESS.match(text):
        return posix.name
    return text
