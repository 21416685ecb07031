"""vitreous hub: push, pull."""

from pathlib import Path


def push(
    run: Path,
    repo: str,
    license: str = "other",
    public: bool = False,
    scores: bool = True,
    result: bool = False,
    dry_run: bool = False,
) -> None:
    """Upload a run to the Hugging Face hub: recipe, weights, scores and a card; paths of this machine are taken out.

    Args:
        run: Folder written by `vitreous train` or `vitreous regress fit`.
        repo: owner/name; made if it is not there.
        license: Of the weights, as the hub spells it: apache-2.0, mit, cc-by-4.0 ...
        public: A repository that is made now is private otherwise.
        scores: With scores.json, and a table in the card.
        result: With result.png, which shows pictures of the data.
        dry_run: Show what would be pushed, and push nothing.
    """
    import tempfile

    from vitreous.share import prepare, push_to_hub

    if not dry_run:
        print(push_to_hub(run, repo, license, public=public, scores=scores, result=result))
        return
    with tempfile.TemporaryDirectory() as place:
        files = prepare(run, Path(place) / "run", repo, license, scores=scores, result=result)
        print((Path(place) / "run" / "README.md").read_text())
        for file in files:
            print(f"{file.stat().st_size:>12,}  {file.name}")


def pull(repo: str, out: Path | None = None) -> None:
    """Fetch a run from the Hugging Face hub; hf://owner/name in place of a run does the same.

    Args:
        repo: owner/name, or owner/name@revision.
        out: Copy it there, as a run to be scored or trained on; default: it stays in the hub's cache.
    """
    import shutil
    import sys

    from vitreous.errors import RunError
    from vitreous.hub import ALLOWED
    from vitreous.hub import pull as fetch

    if out is not None and out.exists():
        raise RunError(f"{out} is there already. Choose another --out.")
    folder, left = fetch(repo)
    if left:
        print(f"left on the hub, as it could run code: {', '.join(left)}", file=sys.stderr)
    if out is not None:
        out.mkdir(parents=True)
        for name in ALLOWED:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, out / name)
    print(out or folder)


command = {"push": push, "pull": pull}
