"""Runs and backbones, loaded once per process: the second picture does not wait for weights again."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from vitreous.backbones import Backbone, load_described
from vitreous.runs import WEIGHTS, Run
from vitreous.shipped import find_run


def warm_run(folder: Path | str, device: str) -> Run:
    """A run with its method on a device; read again when its weights were written anew."""
    folder = find_run(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        return Run.load(folder)  # which tells what is missing
    told = weights.stat()
    return _run(folder.resolve(), device, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=4)
def _run(folder: Path, device: str, written: int, size: int) -> Run:
    run = Run.load(folder)
    run.method.to(device)
    return run


def warm_backbone(description: dict[str, Any], device: str) -> Backbone:
    """As of `load_described`."""
    return _backbone(json.dumps(description, sort_keys=True), device)


@lru_cache(maxsize=2)  # a large one takes gigabytes
def _backbone(description: str, device: str) -> Backbone:
    return load_described(json.loads(description), device=device)
