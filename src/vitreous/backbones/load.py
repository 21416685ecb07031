"""load_backbone: from a name to a frozen network, or an error that says what to do."""

from typing import Any

import torch

from vitreous.backbones.architectures import ARCHITECTURES, Architecture
from vitreous.backbones.backbone import Backbone
from vitreous.backbones.blocks import FACETS
from vitreous.backbones.find import Checkpoint, find_checkpoint, read_config, read_json, weight_files
from vitreous.backbones.presets import Triple
from vitreous.backbones.weights import digest_of, load_encoder
from vitreous.errors import BackboneError, FeatureMismatch, did_you_mean

DTYPES = ("bfloat16", "float32")


def load_backbone(
    name_or_path: str,
    *,
    layer: int | None = None,
    facet: str = "token",
    norm: bool | None = None,
    dtype: str = "bfloat16",
    device: str = "auto",
    download: bool = False,
    mean: Triple | None = None,
    std: Triple | None = None,
) -> Backbone:
    """Load a frozen backbone.

    Args:
        name_or_path: Preset (`vitreous backbones list`), folder in the hub's format, or hub id (`owner/name`,
            `owner/name@revision`).
        layer: Block whose output is taken, from 1; default the last. The blocks after it are not kept.
        facet: `token` for the output of the block; `key`, `query` or `value` for what its attention makes of its
            input, all heads side by side (before any rotary position); `token+key` for both, one after the other.
        norm: Whether tokens pass the network's final norm. Default: as `transformers` gives them, so after the last
            block only, and never for CLIP, whose final norm is for its CLS token.
        dtype: `bfloat16` runs under autocast with weights and residual stream in float32; `float32` runs in it.
            Features are float32 either way.
        device: `auto` takes CUDA, then MPS, then the CPU.
        download: Fetch from the Hugging Face hub what is not here. Nothing is fetched otherwise.
        mean: Of RGB in [0, 1], where the checkpoint's preprocessor_config.json does not tell or should not count.
        std: The same.

    Raises:
        BackboneError: not found, not complete, not of a known architecture, or nothing that can be asked of it.
    """
    check_choice("facet", facet, FACETS)
    check_choice("dtype", dtype, DTYPES)
    found = find_checkpoint(name_or_path, download=download)
    settings = read_config(found)
    kind = str(settings.get("model_type"))
    if kind not in ARCHITECTURES:
        raise BackboneError(
            f"{found.folder} holds a model of type {kind}, which is no Vision Transformer that is known here.\n"
            f"Known: {', '.join(sorted(ARCHITECTURES))}."
        )
    architecture = ARCHITECTURES[kind]
    pixels = pixel_norm(found, architecture, mean, std)
    digest = digest_of(weight_files(found))
    encoder, config = load_encoder(found, architecture)
    backbone = Backbone(
        encoder,
        config,
        architecture,
        origin_of(found, kind),
        layer=layer,
        facet=facet,
        norm=norm,
        dtype=dtype,
        pixels=pixels,
        digest=digest,
    )
    return backbone.to(device_for(device))


def load_described(description: dict[str, Any], *, device: str = "auto", download: bool = False) -> Backbone:
    """The backbone that `describe()` told of: for new pictures under an old run. FeatureMismatch for other weights."""
    name = description.get("path") or description["name"]
    if description.get("hub_id") and description.get("revision"):
        name = f"{description['hub_id']}@{description['revision']}"
    backbone = load_backbone(
        name,
        layer=description["layer"],
        facet=description["facet"],
        norm=description["norm"],
        dtype=description["dtype"],
        device=device,
        download=download,
        mean=triple(description["mean"], "mean", name),
        std=triple(description["std"], "std", name),
    )
    if backbone.digest != description["digest"]:
        raise FeatureMismatch(
            f"{name} holds weights {backbone.digest[:12]}, but the features were made with "
            f"{description['digest'][:12]}: they would differ.\n"
            f"Bring the old weights back to {name}, or extract and train again."
        )
    return backbone


def check_choice(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise BackboneError(f'No {what} "{given}".{did_you_mean(given, known)}')


def pixel_norm(
    found: Checkpoint, architecture: Architecture, mean: Triple | None, std: Triple | None
) -> tuple[Triple, Triple]:
    """Mean and std of RGB: as given, else the checkpoint's own, else the preset's, else the architecture's."""
    path = found.folder / "preprocessor_config.json"
    own = read_json(path) if path.is_file() else {}
    known = found.preset.norm if found.preset else architecture.pixels
    if own.get("do_normalize") is False:
        known = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    elif "image_mean" in own and "image_std" in own:
        known = (own["image_mean"], own["image_std"])
    if known is None and (mean is None or std is None):
        raise BackboneError(
            f"{found.folder} has no preprocessor_config.json with image_mean and image_std, and models of its kind "
            "were trained with different ones, so the features could silently be wrong.\nPut that file there, as in "
            '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}, or call load_backbone(..., mean=, std=).'
        )
    middle, spread = known or (mean, std)
    return triple(mean or middle, "mean", found.name), triple(std or spread, "std", found.name)


def triple(values: Any, what: str, name: str) -> Triple:
    try:
        r, g, b = map(float, values)
    except (TypeError, ValueError):
        raise BackboneError(f"The {what} of {name} must be 3 numbers, one each for R, G and B; got {values}.") from None
    if what == "std" and min(r, g, b) <= 0:
        raise BackboneError(f"The std of {name} must be above 0; got {values}.")
    return r, g, b


def origin_of(found: Checkpoint, kind: str) -> dict[str, Any]:
    local = found.hub_id is None and found.preset is None
    return {
        "name": found.name,
        "hub_id": found.hub_id,
        "revision": found.revision,
        "path": str(found.folder) if local else None,
        "architecture": kind,
    }


def device_for(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BackboneError(f'No device "{device}" here: {reason}\nTry --device auto, or cpu.') from None
