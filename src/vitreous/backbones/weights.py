"""Weights from safetensors, strictly: all that features depend on comes from the checkpoint, or loading fails."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from vitreous.backbones.architectures import Architecture
from vitreous.backbones.find import Checkpoint
from vitreous.errors import BackboneError

# no patch feature depends on these, wherever they stand in a name: heads, decoders, text towers, mask tokens
UNUSED = {
    "classifier",
    "cls_classifier",
    "decoder",
    "distillation_classifier",
    "head",
    "logit_bias",
    "logit_scale",
    "mask_token",
    "pooler",
    "position_ids",
    "text_model",
    "text_projection",
    "visual_projection",
}
# an encoder inside a larger model: same tensors, same digest
INSIDE = ("vision_model.", "vit.", "dinov2.", "dinov2_with_registers.", "ijepa.")


def used(name: str) -> bool:
    return UNUSED.isdisjoint(name.split("."))


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 over name, type, shape and bytes of the encoder's tensors, in order of name, as the checkpoint has them.

    So it is the same for one file and for shards, for the encoder alone and inside a larger model, whatever dtype it
    runs in, and whatever names a version of `transformers` gives its modules.
    """
    places: dict[str, tuple[Path, str]] = {}
    for path in files:
        with opened(path) as file:
            names = file.keys()
        places |= {bare(name): (path, name) for name in names if used(name)}
    digest = hashlib.sha256()
    for short in sorted(places):
        path, name = places[short]
        with opened(path) as file:
            tensor = file.get_tensor(name)
        digest.update(f"{short} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def bare(name: str) -> str:
    return next((name.removeprefix(outer) for outer in INSIDE if name.startswith(outer)), name)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise BackboneError(f"{path} cannot be read as safetensors: {error}\nFetch or copy it again.") from None


def load_encoder(found: Checkpoint, architecture: Architecture) -> tuple[nn.Module, Any]:
    """The vision tower in float32, and its settings."""
    with quiet():
        import transformers

        if not hasattr(transformers, architecture.model):
            raise BackboneError(
                f"{found.name} needs {architecture.model}, which transformers {transformers.__version__} does not have."
                "\nUpgrade it:  pip install --upgrade transformers"
            )
        try:
            config = transformers.AutoConfig.from_pretrained(
                found.folder, trust_remote_code=False, local_files_only=True
            )
            config = getattr(config, "vision_config", config)
            for name, value in architecture.config.items():
                setattr(config, name, value)
            model, report = getattr(transformers, architecture.model).from_pretrained(
                found.folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="sdpa",
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # reported below, with names
                output_loading_info=True,
                **architecture.build,
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise BackboneError(f"{found.folder} cannot be loaded as {architecture.model}: {error}") from error
    refuse_gaps(found, report)
    return model.eval().requires_grad_(False), config


def refuse_gaps(found: Checkpoint, report: dict[str, Any]) -> None:
    """A tensor that is missing, misshapen or left over: the features would not be those of the name."""
    shapes = [str(entry[0] if isinstance(entry, tuple) else entry) for entry in report["mismatched_keys"]]
    faults = {
        "missing": [name for name in report["missing_keys"] if used(name) and name not in shapes],
        "of another shape than config.json says": shapes,
        "that this architecture does not have": [name for name in report["unexpected_keys"] if used(name)],
    }
    lines = [f"- {what}: {some(sorted(names))}" for what, names in faults.items() if names]
    if lines:
        raise BackboneError(
            f"The weights of {found.folder} do not fit its config.json, so they would not give the features of "
            f"{found.name}. Tensors\n" + "\n".join(lines) + "\nFetch or convert the checkpoint again."
        )


def some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the reports and bars of `transformers`: what matters is checked here and said in our words."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
