"""Where the files of a backbone lie: in this package, in a folder, or in the cache of the Hugging Face hub.

Nothing is downloaded without being asked.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitreous.backbones.presets import PRESETS, Preset
from vitreous.errors import BackboneError, did_you_mean

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
WANTED = [CONFIG, "preprocessor_config.json", SINGLE, "model-*-of-*.safetensors", INDEX]
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)  # owner/name, or owner/name@revision
COMMIT = re.compile(r"[0-9a-f]{40}")
EMBEDDED = Path(__file__).parent


@dataclass(frozen=True)
class Checkpoint:
    """Files of a backbone on this machine, in the hub's format.

    name      preset, hub id, or name of the folder
    revision  commit of the hub that the files are; None for files that do not come from there
    """

    folder: Path
    name: str
    hub_id: str | None = None
    revision: str | None = None
    preset: Preset | None = None


def find_checkpoint(name: str, *, download: bool = False) -> Checkpoint:
    """Find a preset, a folder in the hub's format, or a hub id (`owner/name`, `owner/name@revision`)."""
    preset = PRESETS.get(name)
    if preset and preset.hub_id is None:
        return Checkpoint(embedded(name), name, preset=preset)
    if preset and preset.hub_id:
        folder = from_hub(name, preset.hub_id, preset.revision, download, preset)
        return Checkpoint(folder, name, preset.hub_id, commit_of(folder), preset)
    if Path(name).expanduser().is_dir():
        folder = Path(name).expanduser().resolve()
        return Checkpoint(folder, folder.name)
    if HUB_ID.fullmatch(name) and not Path(name).exists():
        hub_id, _, revision = name.partition("@")
        known = next((p for p in PRESETS.values() if p.hub_id == hub_id), None)
        folder = from_hub(name, hub_id, revision or None, download, known)
        return Checkpoint(folder, name, hub_id, commit_of(folder), known)
    raise BackboneError(
        f'No backbone "{name}": it is neither a preset, nor a folder, nor a hub id (owner/name).'
        f"{did_you_mean(name, PRESETS)}\nSee them all:  vitreous backbones list"
    )


def embedded(name: str) -> Path:
    folder = EMBEDDED / name
    if not (folder / CONFIG).is_file():
        raise BackboneError(
            f"{name} is part of this package, but {folder} holds no {CONFIG}: this installation is not complete.\n"
            "Install it again:  pip install --force-reinstall vitreous"
        )
    return folder


def from_hub(name: str, hub_id: str, revision: str | None, download: bool, preset: Preset | None) -> Path:
    """Folder of the hub's cache; fetches what is missing only if `download`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    def here(local: bool) -> Path:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=WANTED, local_files_only=local))

    try:
        folder = here(local=True)
        if not download or has_weights(folder):
            return folder
    except LocalEntryNotFoundError:
        if not download:
            raise BackboneError(not_here(name, hub_id, revision)) from None
    try:
        return here(local=False)
    except GatedRepoError:
        url = f"https://huggingface.co/{hub_id}"
        raise BackboneError(
            f"{name} ({hub_id}) is behind a licence{f' ({preset.licence})' if preset else ''} that the hub wants "
            f"accepted first.\nAccept it at {url}, then:  hf auth login  and again:  "
            f"vitreous backbones check {name} --download"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackboneError(
            f"{name} could not be downloaded from {hub_id} on the hub: {reason}\n"
            f"Is there a network, is the id right, is HF_HUB_OFFLINE unset?  {or_a_folder()}"
        ) from None


def not_here(name: str, hub_id: str, revision: str | None) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    lines = [
        f"{name} is not on this machine: looked for {hub_id} at {revision or 'its main branch'} in {HF_HUB_CACHE} "
        "($HF_HUB_CACHE, or hub/ in $HF_HOME).",
        f"Fetch it:  vitreous backbones check {name} --download",
    ]
    snapshots = Path(HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    others = sorted(path.name for path in snapshots.glob("*") if path.is_dir())
    lines += [f"Another revision is there; to take it, name it:  {hub_id}@{commit}" for commit in others]
    if name not in PRESETS:
        lines.append(f"There is no folder {name} either.")
    return "\n".join([*lines, or_a_folder()])


def or_a_folder() -> str:
    return f"Or give a folder with {CONFIG} and {SINGLE} in place of the name."


def commit_of(folder: Path) -> str | None:
    """Folders of the hub's cache are named after their commit."""
    return folder.name if COMMIT.fullmatch(folder.name) else None


def has_weights(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and ((folder / SINGLE).is_file() or (folder / INDEX).is_file())


def is_here(name: str) -> bool:
    """Whether a preset can be loaded without a download."""
    try:
        return has_weights(find_checkpoint(name).folder)
    except BackboneError:
        return False


def read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BackboneError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise BackboneError(f"{path} holds a {type(values).__name__} where settings by name should be.")
    return values


def read_config(found: Checkpoint) -> dict[str, Any]:
    path = found.folder / CONFIG
    if not path.is_file():
        raise BackboneError(f"{found.folder} is not a backbone in the hub's format: it holds no {CONFIG}.")
    return read_json(path)


def weight_files(found: Checkpoint) -> list[Path]:
    """The safetensors of a checkpoint, one file or shards. Pickles are never read."""
    folder = found.folder
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise BackboneError(no_safetensors(found))
    names = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise BackboneError(
            f"{folder / INDEX} names weights that are not there: {', '.join(missing) or 'none at all'}."
        )
    return [folder / name for name in names]


def no_safetensors(found: Checkpoint) -> str:
    pickles = sorted(path.name for path in found.folder.glob("*.bin")) + sorted(
        path.name for path in found.folder.glob("*.pt*")
    )
    name, target = found.hub_id or str(found.folder), found.name.replace("/", "--") + "-safetensors"
    text = f"{found.folder} holds no {SINGLE}"
    if found.hub_id and not pickles:
        text += f".\nFetch it:  vitreous backbones check {found.name} --download\nIf the hub has none at this revision"
    else:
        text += f", only {', '.join(pickles)}: a pickle, and loading one can run any code" if pickles else ""
        text += ".\nIf you trust its origin"
    at = f", revision='{found.revision}'" if found.revision else ""
    lines = [
        f"{text}, convert it once and give the folder:",
        f"  python -c \"from transformers import AutoModel as A; A.from_pretrained('{name}'{at})"
        f".save_pretrained('{target}')\"",
        f"  (and copy preprocessor_config.json into {target}, which tells mean and std)",
    ]
    if found.hub_id:
        lines.append(f"Or name a revision of the hub that holds {SINGLE}:  {found.hub_id}@refs/pr/NUMBER")
    return "\n".join(lines)
