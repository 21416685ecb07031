"""Whether scores may stand side by side: the same pictures, the same truth, counted the same way."""

from collections.abc import Sequence

from vitreous.errors import RunError
from vitreous.report.scored import Scored


def check_comparable(runs: Sequence[Scored]) -> None:
    """Refuse runs that were scored on different splits, resolutions or conventions, and name the difference.

    Stores may differ: other features of the same pictures are what is compared.
    """
    names = dict.fromkeys(name for run in runs for name in facts(run))
    lines = {name: line for name in names if (line := difference(runs, name))}
    if not lines:
        return
    found = [line for name, line in lines.items() if name != "truth" or "pictures" not in lines]  # it follows
    store = runs[0].data["store"]
    raise RunError(
        "These runs were not scored alike, so their scores do not compare:\n"
        + "\n".join(f"  {line}" for line in found)
        + f"\nScore all of them on the same data, with this version:  vitreous score RUN {store}"
    )


def facts(run: Scored) -> dict[str, str]:
    """What has to agree, in words; the refinement only where refined masks are compared."""
    source = run.data["source"]
    scored_on = f"{run.data['pictures']} of {source['name']} (list {run.data['list'][:8]})"
    about = {"pictures": scored_on, "truth": f"ids and materials {run.data['truth'][:8]}"}
    refined = run.row.endswith(", refined")
    for name, value in run.conventions.items():
        if name != "refine" or refined:
            about[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return about


def difference(runs: Sequence[Scored], name: str) -> str | None:
    """`resolution: 128x128 (a, b) against 96x96 (c)`; None where all agree."""
    by_value: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    for run in runs:
        text = facts(run).get(name, "not known")
        exact = run.data["list"] if name == "pictures" else text  # the same pictures under two names are the same
        by_value.setdefault(exact, []).append(run.folder.name)
        shown.setdefault(exact, text)
    if len(by_value) == 1:
        return None
    sides = [f"{shown[value]} ({some(names)})" for value, names in by_value.items()]
    return f"{name}: {' against '.join(sides)}"


def some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
