"""Runs on the Hugging Face hub: hf://owner/name, or hf://owner/name@revision, wherever a run is wanted.

Naming one so is asking for a download; nothing else is. What is fetched is recipe, weights in safetensors, and what
people read; code and pickles stay on the hub, whoever put them there, and are named.
"""

import re
import warnings
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vitreous.errors import RunError
from vitreous.extras import need

RECIPE, WEIGHTS, CARD, SCORES, LOG, HISTORY, RESULT = (
    "recipe.yaml", "model.safetensors", "README.md", "scores.json", "log.csv", "training_history.png", "result.png",
)  # fmt: skip
ALLOWED = (RECIPE, WEIGHTS, CARD, SCORES, LOG, HISTORY, RESULT)
HARMLESS = {"", ".md", ".txt", ".json", ".yaml", ".yml", ".csv", ".png", ".jpg", ".jpeg", ".gif", ".safetensors"}
NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
SCHEME = re.compile(r"hf:/{1,2}(?=[^/])")  # a Path keeps one slash of the two


class HubName(NamedTuple):
    """owner/name on the hub, and which revision; None: the latest."""

    repo: str
    revision: str | None = None


class Pulled(NamedTuple):
    """A run that was fetched. left: what else is in its repository and was not, because it could run."""

    folder: Path
    left: tuple[str, ...]


def is_hub(run: Path | str) -> bool:
    return SCHEME.match(str(run)) is not None


def hub_name(text: Path | str) -> HubName:
    """From hf://owner/name@revision, or without the hf://. RunError for anything else."""
    found = NAME.fullmatch(SCHEME.sub("", str(text)))
    if found is None or ".." in str(text):
        raise RunError(
            f'"{text}" is no repository on the hub: it should read  owner/name  or  owner/name@revision'
            "\nA run on this machine goes by its folder."
        )
    return HubName(found["repo"], found["revision"])


def pull(name: HubName | str | Path) -> Pulled:
    """Fetch a run into the hub's cache, or take it from there; RunError where there is none."""
    repo, revision = name if isinstance(name, HubName) else hub_name(name)
    hub = need("huggingface_hub", "hub", "A run on the hub")
    errors = hub.errors
    try:
        folder = Path(hub.snapshot_download(repo, revision=revision, allow_patterns=list(ALLOWED)))
    except errors.GatedRepoError:
        raise RunError(f"{repo} wants its terms accepted first: see https://huggingface.co/{repo}") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(
            f"{repo} could not be fetched from the hub: {reason}\n"
            "Is there a network, is the name right, is HF_HUB_OFFLINE unset?  A private one needs:  hf auth login"
        ) from None
    left = tuple(name for name in others(hub, repo, folder) if Path(name).suffix.lower() not in HARMLESS)
    if missing := [name for name in (RECIPE, WEIGHTS) if not (folder / name).is_file()]:
        held = f" It holds {', '.join(left)}, which could run code and is not touched." if left else ""
        raise RunError(f"{repo} on the hub is no run of vitreous: it has no {' and no '.join(missing)}.{held}")
    return Pulled(folder, left)


def others(hub, repo: str, folder: Path) -> list[str]:
    """Files of the repository that were not fetched, as far as the hub can be asked."""
    try:
        names = hub.HfApi().list_repo_files(repo, revision=folder.name)
    except Exception:  # of which kind depends on the library below the hub's: what was fetched is safe either way
        return []
    return sorted(set(names) - set(ALLOWED))


@lru_cache
def pulled(run: str) -> Path:
    """The folder behind hf://owner/name, asked of the hub once per process."""
    folder, left = pull(run)
    if left:
        warnings.warn(f"{run} also holds {', '.join(left)}: it could run code and was not fetched.", stacklevel=2)
    return folder


def is_cached(folder: Path) -> bool:
    """Whether a folder belongs to the hub's cache, where nothing of ours is written."""
    parts = folder.absolute().parts
    return any(a.startswith("models--") and b == "snapshots" for a, b in pairwise(parts))
