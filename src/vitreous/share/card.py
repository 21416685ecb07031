"""README.md of a run on the hub: what it is, how good, how to use it; filled from its recipe and scores.json."""

from typing import Any

import yaml

from vitreous.metrics.names import named

USE = """\
```bash
pip install vitreous
vitreous segment hf://{repo} desk.png
```

```python
from vitreous.runs import Run

run = Run.load("hf://{repo}")
```
"""
PREDICT = """\
```bash
pip install vitreous
vitreous hub pull {repo} --out {name}
vitreous regress predict {name} --images PICTURES
```
"""


def card(repo: str, recipe: dict[str, Any], scores: dict[str, Any] | None, license: str) -> str:
    """The whole file. `scores` as of scores.json of either kind of run; None: it says that nobody scored it."""
    numbers = recipe.get("kind") == "dense regression"
    name, about = repo.partition("/")[2], recipe["backbone"]
    rows = measured(scores) if scores else {}
    head = front_matter(name, recipe, scores, rows, license)
    what = (
        f"Measures {', '.join(recipe['targets'])} in pictures: `{recipe['head']}` heads"
        if numbers
        else f"Finds objects in pictures: `{recipe['method']}` with {recipe['config'].get('slots')} slots"
    )
    lines = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n",
        f"# {name}\n",
        f"{what} on the patch features of `{about['name']}` (layer {about.get('layer')}, {about.get('facet')}), "
        f"{recipe['grid'][0]} x {recipe['grid'][1]} patches. A run of [vitreous](https://pypi.org/project/vitreous) "
        f"{recipe['vitreous']}: recipe and weights (safetensors), no code.\n",
        "## Use\n",
        (PREDICT if numbers else USE).format(repo=repo, name=name),
        "## Scores\n",
        score_table(scores, rows) if rows else "Nobody has scored this run.\n",
        "## Recipe\n",
        "```yaml",
        yaml.safe_dump(shown(recipe), sort_keys=False, allow_unicode=True).rstrip(),
        "```\n",
        f"The backbone is not in here: {where_backbone(about)}\n",
    ]
    return "\n".join(lines)


def front_matter(
    name: str, recipe: dict[str, Any], scores: dict[str, Any] | None, rows: dict[str, Any], license: str
) -> dict[str, Any]:
    """What the hub reads: https://huggingface.co/docs/hub/model-cards"""
    numbers = recipe.get("kind") == "dense regression"
    kinds = ["dense-regression"] if numbers else ["object-centric-learning", "slot-attention", recipe["method"]]
    task = "image-to-image" if numbers else "image-segmentation"
    head: dict[str, Any] = {"license": license, "library_name": "vitreous", "tags": ["vitreous", *kinds]}
    if not numbers:
        head["pipeline_tag"] = task
    if recipe["backbone"].get("hub_id"):
        head |= {"base_model": recipe["backbone"]["hub_id"]}
    if not rows:
        return head
    own = next(iter(rows))
    results = [{"type": metric, "name": named(metric), "value": round(score["mean"], 4)}
               for metric, score in rows[own].items()]  # fmt: skip
    data = data_name(recipe, scores)
    head["metrics"] = list(rows[own])
    entry = {"task": {"type": task}, "dataset": {"name": data, "type": data}, "metrics": results}
    return head | {"model-index": [{"name": name, "results": [entry]}]}


def measured(scores: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Row -> metric -> mean, low, high; the run's own first."""
    rows = scores.get("rows") or {"all targets": {"weighted_r2": scores.get("weighted_r2") or {}}} | scores["targets"]
    found = {row: {metric: brief(score) for metric, score in metrics.items()} for row, metrics in rows.items()}
    return {row: {m: score for m, score in metrics.items() if "mean" in score} for row, metrics in found.items()}


def brief(score: dict[str, Any]) -> dict[str, float]:
    """Without the values of single pictures; a mean is called value in regression runs, and null where undefined."""
    values = {"mean": score.get("mean", score.get("value")), "low": score.get("low"), "high": score.get("high")}
    return {name: float(value) for name, value in values.items() if value is not None}


def score_table(scores: dict[str, Any] | None, rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """Means with intervals; what learns nothing stands below, so that a number can be judged."""
    metrics = list(dict.fromkeys(metric for found in rows.values() for metric in found))
    lines = ["| | " + " | ".join(named(metric) for metric in metrics) + " |"]
    lines.append("|---|" + "---:|" * len(metrics))
    for row, found in rows.items():
        cells = [cell(found[metric]) if metric in found else "" for metric in metrics]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    count = (scores or {}).get("pictures") or (scores or {}).get("data", {}).get("pictures")
    return "\n".join(lines) + f"\n\nMeans over {count} pictures, with 95 % intervals.\n"


def cell(score: dict[str, float]) -> str:
    low, high = score.get("low"), score.get("high")
    return f"{score['mean']:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def data_name(recipe: dict[str, Any], scores: dict[str, Any] | None) -> str:
    """Of what it was scored on."""
    data = (scores or {}).get("data") or {}
    return (data.get("source") or {}).get("name") or recipe.get("table", {}).get("name") or "unknown"


def shown(recipe: dict[str, Any]) -> dict[str, Any]:
    """What people want to read of a recipe; all of it is in recipe.yaml."""
    wanted = ("method", "head", "config", "targets", "standardise", "training")
    return {name: recipe[name] for name in wanted if name in recipe}


def where_backbone(about: dict[str, Any]) -> str:
    """Where its weights come from."""
    if about.get("hub_id"):
        return f"`vitreous backbones check {about['name']} --download` fetches it from `{about['hub_id']}`."
    if about.get("path"):
        return (
            f"it was a folder of its owner, `{about['path']}` (weights `{about['digest'][:12]}`). Put a folder of that "
            "name, with these weights, where you work."
        )
    return f"`{about['name']}` comes with vitreous."
