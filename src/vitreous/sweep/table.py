"""What a sweep found: sweep.csv, a line per trial, and a table averaged over seeds."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev

from vitreous.report.tables import Table, print_table
from vitreous.sweep.plan import Plan, label, shown
from vitreous.sweep.study import SCORE, Trial
from vitreous.types import Score

FILE = "sweep.csv"
SHOWN = ("fg_ari", "ari", "mbo", "miou")  # after the objective
BEST = 20  # rows of a search that are printed


def write_csv(path: Path, plan: Plan, trials: Sequence[Trial], names: dict[int, str]) -> None:
    """A line per trial, in the order of the grid or the search, whatever order they ran in."""
    metrics = list(dict.fromkeys(name for trial in trials for name in trial.scores))
    metrics.sort(key=lambda name: name != plan.objective)
    head = ["trial", "run", *plan.axes, "state"]
    head += [column for name in metrics for column in (name, f"{name}_low", f"{name}_high")]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*head, "seconds", "reason"])
    for trial in trials:
        values = [f"{number:.6f}" for name in metrics for number in trial.scores.get(name, ())]
        values += [""] * (3 * len(metrics) - len(values))
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        settings = [exact(trial.settings.get(name)) for name in plan.axes]
        row = [
            trial.place,
            names[trial.place],
            *settings,
            trial.state,
            *values,
            seconds,
            " ".join(trial.reason.split()),
        ]
        table.writerow(row)
    new = path.with_name(f"{path.name}.new")
    new.write_text(text.getvalue())
    new.replace(path)


def exact(value: object) -> str:
    return repr(value) if isinstance(value, float) else shown(value)


def print_means(plan: Plan, trials: Sequence[Trial]) -> str:
    """Means over seeds with their standard deviation; of a single seed the interval over pictures. Best of a search."""
    groups = by_seed(plan, trials)
    if not groups:
        return "No trial is done."
    wanted = list(dict.fromkeys((plan.objective, *SHOWN)))
    several = max(len(group) for group in groups.values()) > 1
    table: Table = {}
    for name, group in groups.items():
        title = f"{name} ({len(group)})" if several else name
        table[title] = {m: over_seeds([t.scores[m] for t in group if m in t.scores], several) for m in wanted}
    if plan.search:
        order = sorted(table, key=lambda title: -table[title][plan.objective].mean)
        table = {title: table[title] for title in order[:BEST]}
    return print_table(table, "mean ± deviation (seeds)" if several else "mean ±95 % over pictures")


def by_seed(plan: Plan, trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials that are done and differ in nothing but the seed."""
    others = [name for name in plan.varied if name != "seed"]
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.state == "done":
            groups.setdefault(label(others, trial.settings), []).append(trial)
    return groups


def over_seeds(scores: Sequence[SCORE], several: bool) -> Score:
    """Not a number where no seed has one. A single seed among several has no deviation, and is printed without."""
    means = [score[0] for score in scores]
    if not means:
        return Score((), float("nan"), float("nan"), float("nan"))
    if not several:
        return Score(means, *scores[0])
    spread = max(stdev(means), 1e-9) if len(means) > 1 else 0.0  # seeds that agree are seeds, and print as ±.000
    return Score(means, mean(means), mean(means) - spread, mean(means) + spread)


def print_failures(plan: Plan, trials: Sequence[Trial]) -> Iterator[str]:
    for trial in trials:
        if trial.state == "failed":
            yield f"failed  {label(plan.varied, trial.settings)}: {' '.join(trial.reason.split())}"
