"""Lightning's checkpoints as safetensors: a pickle is neither written nor loaded."""

import json
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

TENSOR = "__tensor__"


class SafetensorsIO(CheckpointIO):
    """Nested dicts and lists of tensors and plain values, in one file that is replaced in one move."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        tensors: dict[str, Tensor] = {}
        shape = take_tensors(checkpoint, tensors)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        save_file(tensors, new, {"checkpoint": json.dumps(shape)})
        new.replace(path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            shape = json.loads(file.metadata()["checkpoint"])
        return put_tensors(shape, tensors)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def take_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Replace each tensor by its number among `tensors`. Dicts become lists of pairs: their keys may be integers."""
    if isinstance(value, Tensor):
        tensors[str(len(tensors))] = value.detach().cpu().contiguous().clone()
        return {TENSOR: len(tensors) - 1}
    if isinstance(value, dict):
        return {"pairs": [[key, take_tensors(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        return [take_tensors(inner, tensors) for inner in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds tensors and plain values only, not {type(value).__name__}")


def put_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if TENSOR in value:
            return tensors[str(value[TENSOR])]
        return {key: put_tensors(inner, tensors) for key, inner in value["pairs"]}
    if isinstance(value, list):
        return [put_tensors(inner, tensors) for inner in value]
    return value
