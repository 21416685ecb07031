"""What scores.json and out_of_fold.csv of a run say: lines for the terminal, and figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vitreous.errors import RunError
from vitreous.metrics.regression import r2
from vitreous.regress.run import LOG, OUT_OF_FOLD, SCORES

PANEL = 3.4  # inches
MOST_GROUPS = 40  # shown one by one


def report_lines(folder: Path) -> list[str]:
    """Scores on held-out pictures with 95 % intervals, by target, fold and view; and what would do without pictures."""
    found = read_scores(folder)
    drawn = f"{found['groups']} groups" if found["groups"] else "pictures"
    lines = [
        f"{found['pictures']} pictures, each predicted by heads that had not seen it; intervals by drawing {drawn}",
        "",
        f"weighted R²          {with_interval(found['weighted_r2'])}",
        f"  before sums        {number(found['as_voted'])}",
        f"  mean of the target {number(found['mean_of_each_target'])}",
    ]
    known = {" and ".join(one["columns"]): one["weighted_r2"] for one in found["look_ups"][:2]}
    lines += [f"  mean of the same {names}: {number(score)}" for names, score in known.items()]
    width = max(8, *map(len, found["targets"]))
    lines += ["", f"{'target':{width}}  {'R²':24} mean absolute error"]
    for name, one in found["targets"].items():
        lines.append(f"{name:{width}}  {with_interval(one['r2']):24} {with_interval(one['mean_absolute_error'])}")
    lines += ["", "fold  pictures  weighted R²"]
    lines += [f"{at:4}  {one['pictures']:8}  {number(one['weighted_r2'])}" for at, one in enumerate(found["folds"])]
    if len(found["views"]) > 1:
        width = max(map(len, found["views"]))
        lines += ["", f"{'view':{width}}  alone   without it"]
        lines += [f"{n:{width}}  {number(v['alone'])}   {number(v['without'])}" for n, v in found["views"].items()]
    return lines + (["", f"warning: {found['warning']}"] if found["warning"] else [])


def read_scores(folder: Path) -> dict[str, Any]:
    path = folder / SCORES
    if not path.is_file():
        raise RunError(f"{folder} has no {SCORES}: it is written when a training ends. The same `fit` goes on with it.")
    return json.loads(path.read_text())


def number(value: float | None) -> str:
    return "    -" if value is None else f"{value:.3f}"


def with_interval(score: dict[str, float | None]) -> str:
    low, high = score["low"], score["high"]
    return number(score["value"]) + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")


def figures(folder: Path, out: Path) -> list[Path]:
    """predicted.png: predicted against true, a panel per target. residuals.png: errors by group (or fold).
    training_history.png: loss and score per epoch.
    """
    read_scores(folder)
    table = pd.read_csv(folder / OUT_OF_FOLD, dtype={"group": str, "fold": str}, keep_default_na=False)
    table["residual"] = table["predicted"] - table["true"]
    out.mkdir(parents=True, exist_ok=True)
    return [predicted(table, out / "predicted.png"), residuals(table, out / "residuals.png"), history(folder, out)]


def predicted(table: pd.DataFrame, path: Path) -> Path:
    from matplotlib.figure import Figure

    targets = list(dict.fromkeys(table["target"]))
    figure = Figure(figsize=(PANEL * len(targets), PANEL + 0.3), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(targets)))
    names = list(dict.fromkeys(table["group"]))
    for panel, target in zip(panels, targets, strict=True):
        one = table[table["target"] == target]
        colour = pd.Categorical(one["group"], names).codes if 1 < len(names) <= MOST_GROUPS else "tab:blue"
        panel.scatter(one["true"], one["predicted"], c=colour, cmap="turbo", s=12, alpha=0.7, linewidths=0)
        true, said = (np.asarray(one[name], dtype=float) for name in ("true", "predicted"))
        ends = [float(min(true.min(), said.min())), float(max(true.max(), said.max()))]
        panel.plot(ends, ends, color="black", linewidth=0.8)
        score = r2(true, said)
        title = f"{target}  R² {score:.3f}" if np.isfinite(score) else target
        panel.set(title=title, xlabel="true", ylabel="predicted")
    figure.savefig(path, dpi=120)
    return path


def residuals(table: pd.DataFrame, path: Path) -> Path:
    """Boxes of predicted minus true; the groups with the largest mean errors where there are many."""
    from matplotlib.figure import Figure

    by = "group" if len(set(table["group"])) > 1 else "fold"
    targets = list(dict.fromkeys(table["target"]))
    rows = min(MOST_GROUPS, len(set(table[by])))
    figure = Figure(figsize=(PANEL * len(targets), 1.2 + 0.2 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(targets), sharey=False))
    for panel, target in zip(panels, targets, strict=True):
        grouped = table[table["target"] == target].groupby(by)["residual"]
        each = {str(name): np.asarray(values, dtype=float) for name, values in grouped}
        worst = sorted(each, key=lambda name: -abs(each[name].mean()))[:MOST_GROUPS]
        worst.sort(key=lambda name: each[name].mean())
        panel.boxplot([each[name] for name in worst], orientation="horizontal", widths=0.6, showfliers=True)
        panel.set_yticks(range(1, len(worst) + 1), [name[:24] for name in worst], fontsize=7)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set(title=target, xlabel="predicted - true")
    panels[0].set_ylabel(by)
    figure.savefig(path, dpi=120)
    return path


def history(folder: Path, out: Path) -> Path:
    from matplotlib.figure import Figure

    log = pd.read_csv(folder / LOG)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    losses, scores = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    losses.plot(log["epoch"], log["loss"])
    losses.set(ylabel="loss", yscale="log", title=folder.name)
    seen = log.dropna(subset="held_out_r2")
    scores.plot(seen["epoch"], seen["held_out_r2"], ".-")
    scores.set(xlabel="epoch", ylabel="held-out R²")
    figure.savefig(out / "training_history.png", dpi=120)
    return out / "training_history.png"
