"""An extraction in a process of its own, for tests to kill. The tests put this folder on the path of modules."""

import resource
import signal
from multiprocessing.connection import Connection
from typing import Any

import torch

from conftest import Scenes
from vitreous.backbones import load_backbone
from vitreous.errors import VitreousError
from vitreous.features.extract import extract


class Counted:
    """A backbone that counts its calls."""

    def __init__(self, folder: str) -> None:
        self.backbone, self.calls = load_backbone(folder, device="cpu"), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backbone, name)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.backbone(images)


def run(
    pipe: Connection,
    folder: str,
    out: str,
    lengths: dict[str, int],
    slow: float = 0.0,
    commit_rows: int = 4,
    largest_file: int | None = None,
) -> None:
    """Say "ready", wait for a word, extract; answer with the number of forward passes, or the error.

    No file may grow beyond `largest_file` bytes: like a full disk, but anyone may set it.
    """
    torch.set_num_threads(1)
    if largest_file:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    source, backbone = Scenes(lengths, slow=slow), Counted(folder)
    pipe.send("ready")
    pipe.recv()
    options = {"grid": 4, "batch_size": 4, "views": ("identity", "hflip"), "workers": 2, "progress": False}
    try:
        extract(source, out, backbone, commit_rows=commit_rows, **options)
    except VitreousError as error:
        pipe.send(str(error))
    else:
        pipe.send(backbone.calls)
