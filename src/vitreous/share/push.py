"""Run -> repository -> run."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from vitreous.errors import RunError
from vitreous.extras import need
from vitreous.hub import CARD, HISTORY, LOG, RECIPE, RESULT, SCORES, WEIGHTS, hub_name, pull
from vitreous.regress.run import KIND, RegressionRun
from vitreous.runs import Run
from vitreous.share.card import card
from vitreous.share.paths import without_paths
from vitreous.shipped import find_run

BESIDE = (LOG, HISTORY)  # curves and losses: they show no picture


def load_run(folder: Path) -> Run | RegressionRun:
    """A run of either kind, by its folder."""
    recipe = folder / RECIPE
    if recipe.is_file() and (yaml.safe_load(recipe.read_text()) or {}).get("kind") == KIND:
        return RegressionRun.load(folder)
    return Run.load(folder)


def from_pretrained(name: str) -> Run | RegressionRun:
    """The run in the repository owner/name, or owner/name@revision; fetched if it is not in the hub's cache."""
    return load_run(pull(name).folder)


def prepare(
    run: Path | str, out: Path, repo: str, license: str = "other", *, scores: bool = True, result: bool = False
) -> list[Path]:
    """Write the folder that would be pushed: recipe, weights, card, log, curves, scores; no picture but the curves.

    Every path in recipe and scores is cut down to its last part. Names stay: of stores, data sets, backbones, targets.
    Files that hold names or numbers of single pictures (scores.csv, out_of_fold.csv ...) never go along.

    result  with result.png, which shows pictures of the data
    """
    repo = hub_name(repo).repo
    folder = find_run(run)
    found = load_run(folder)
    recipe = replace(found.recipe, **without_paths(asdict(found.recipe)))
    replace(found, folder=out, recipe=recipe).save()  # pyright: ignore[reportArgumentType] - each has its own kind
    (out / WEIGHTS).chmod(0o644)  # safetensors writes for its owner alone
    told = json.loads((folder / SCORES).read_text()) if scores and (folder / SCORES).is_file() else None
    if told is not None:
        told = without_paths(told)
        (out / SCORES).write_text(json.dumps(told) + "\n")
    for name in [*BESIDE, *([RESULT] if result else [])]:
        if (folder / name).is_file():
            (out / name).write_bytes((folder / name).read_bytes())
    (out / CARD).write_text(card(repo, yaml.safe_load((out / RECIPE).read_text()), told, license))
    return sorted(out.iterdir())


def push_to_hub(
    run: Path | str,
    repo: str,
    license: str = "other",
    *,
    public: bool = False,
    scores: bool = True,
    result: bool = False,
    message: str | None = None,
) -> str:
    """Upload a run; returns the address of the commit. The token is that of `hf auth login`.

    Args:
        run: Folder of a run of either kind.
        repo: owner/name; made if it is not there.
        license: Of the weights, as the hub spells it: apache-2.0, mit, cc-by-4.0 ...
        public: A repository that is made now is private otherwise; one that is there stays what it is.
        scores: With scores.json, and a table in the card.
        result: With result.png, which shows pictures of the data.
        message: Of the commit.
    """
    repo = hub_name(repo).repo
    hub = need("huggingface_hub", "hub", "A run on the hub")
    api = hub.HfApi()
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "run"
        prepare(run, out, repo, license, scores=scores, result=result)
        try:
            api.create_repo(repo, private=not public, exist_ok=True)
            made = api.upload_folder(repo_id=repo, folder_path=out, commit_message=message or "A run of vitreous")
        except (hub.errors.HfHubHTTPError, hub.errors.OfflineModeIsEnabled, OSError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RunError(
                f"{repo} could not be pushed to the hub: {reason}\n"
                "Log in with a token that may write:  hf auth login   and look whether HF_HUB_OFFLINE is set."
            ) from None
    return str(made.commit_url)
