"""vitreous compare"""

import json
import shlex
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path

from vitreous.cli.parser import Completed


def compare_runs(
    runs: list[Path],
    out: Path = Path("compare"),
    metric: str | None = None,
    baseline: Path | None = None,
    refined: bool = False,
    figures: bool = True,
    html: Path | None = None,
    scenes: int = 24,
    details: bool = True,
) -> None:
    """Compare scored runs: one table with intervals, a test for every difference, figures, a page.

    Runs that differ in their seed only are one setting, and its interval is over pictures and seeds. Refused where
    runs were not scored alike: on other pictures or another truth, at another resolution, by other conventions.

    Args:
        runs: Folders of scored runs, or folders that hold them, as that of a sweep.
        out: Where tables and figures go; made if missing.
        metric: Names with commas between, as in fg_ari,mbo,entropy; default: all of pictures, the main ones of clips.
        baseline: Run that the others are tested against; default: the best, metric by metric.
        refined: Compare the masks whose borders follow the edges of the picture.
        figures: Draw figures, as SVG and PNG. Those that show masks need the runs' weights and the store.
        html: Folder for a page with everything, in one file that needs no network.
        scenes: On the page, to look through: the worst, median and best, and where runs differ most.
        details: On the page, failures, diagnosis, slot space and features, which take a minute or more.
    """
    from vitreous.report.compare import compare
    from vitreous.report.comparison_files import write_tables

    metrics = [name.strip() for name in metric.split(",")] if metric else None
    found = compare(runs, metrics, baseline=baseline, refined=refined)
    print(f"{found}\n")
    print(*write_tables(found, out), sep="\n")
    drawn = []
    if figures:
        from vitreous.report.figures import draw

        for figure in draw(found, out / "figures"):
            print(f"no figure {figure.name}: {figure.skipped}" if figure.skipped else figure.png)
            drawn.append(figure)
    if html is not None:
        from vitreous.report.page import write_page

        typed = shlex.join(["vitreous", *sys.argv[1:]])
        print(write_page(found, html, scenes=scenes, details=details, command=typed, figures=drawn, tell=tell))


def tell(said: str) -> None:
    print(f"page: {said} ...", file=sys.stderr)


def with_runs(arguments: list[str]) -> tuple[Callable, list[str]]:
    """RUN RUN ... becomes one argument, a list, wherever options stand."""
    flags = {f"--{p.name}" for p in signature(compare_runs).parameters.values() if p.annotation is bool}
    runs, rest, now = [], [], ""
    for argument in arguments:
        if argument.startswith("-"):
            rest.append(argument)
            now = "" if "=" in argument else argument
        elif now in flags and argument not in ("true", "false"):  # the option stands alone
            runs.append(argument)
            now = ""
        elif now:
            rest.append(argument)
            now = ""
        else:
            runs.append(argument)
    return compare_runs, ([json.dumps(runs)] if runs else []) + rest


command = Completed(with_runs)
