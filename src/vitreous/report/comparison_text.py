"""A comparison as text: for the screen, Markdown, LaTeX and notebooks. No mean stands without its interval."""

from collections.abc import Iterator, Sequence
from html import escape
from math import isnan
from typing import TYPE_CHECKING, Any

import pandas as pd

from vitreous.metrics.names import named
from vitreous.report.frames import dicts, rows
from vitreous.report.tables import Table, print_cells, print_table
from vitreous.types import Score

if TYPE_CHECKING:
    from vitreous.report.compare import Comparison

SURE = 0.05  # level of the tests, after Holm


def as_text(comparison: "Comparison") -> str:
    """Means and, below them, differences: for the screen."""
    title = "mean over pictures and seeds ±95 %" if seeds(comparison) > 1 else "mean over pictures ±95 %"
    blocks = [print_table(scores(comparison), title)]
    if len(comparison.tests):
        against = f"difference to {comparison.baseline or 'the best'} ±95 %, p (Holm)"
        blocks.append(f"{against}\n{print_cells(differences(comparison), '')}")
    if comparison.left_out:
        blocks.append(notes(comparison)[-1])
    return "\n\n".join(blocks)


def seeds(comparison: "Comparison") -> int:
    return max(len(group.runs) for group in comparison.groups)


def scores(comparison: "Comparison") -> Table:
    """The table by label and metric; labels tell of seeds where there are any."""
    table: Table = {}
    for row in dicts(comparison.table):
        label = f"{row['label']} ({row['seeds']} seeds)" if row["seeds"] > 1 else row["label"]
        table.setdefault(label, {})[row["metric"]] = Score((), row["mean"], row["low"], row["high"])
    return {label: {m: row.get(m, UNKNOWN) for m in comparison.metrics} for label, row in table.items()}


UNKNOWN = Score((), *[float("nan")] * 3)


def differences(comparison: "Comparison") -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {group.label: {} for group in comparison.groups}
    for row in dicts(comparison.tests):
        found[row["label"]][row["metric"]] = f"{difference(row)} {p_value(row['holm'])}"
        found[row["against"]].setdefault(row["metric"], "baseline" if comparison.baseline else "best")
    return {label: {m: row.get(m, "-") for m in comparison.metrics} for label, row in found.items()}


def difference(row: dict[str, Any]) -> str:
    if isnan(row["difference"]):
        return "-"
    return f"{plus(row['difference'])} ±{(row['high'] - row['low']) / 2:.3f}".replace("±0.", "±.")


def plus(value: float) -> str:
    return f"{value:+.3f}".replace("-0.000", "0.000").replace("+0.000", "0.000")


def p_value(p: float) -> str:
    if isnan(p):
        return ""
    return "p<.001" if p < 0.001 else f"p={p:.3f}".replace("=0.", "=.")


def leaders(comparison: "Comparison") -> dict[str, set[str]]:
    """By metric, the labels to set in bold: the best, and all that no test tells from it.

    Against a baseline nobody is tested with the best, so nothing is set in bold.
    """
    found: dict[str, set[str]] = {metric: set() for metric in comparison.metrics}
    if comparison.baseline is None:
        for row in dicts(comparison.tests):
            found[row["metric"]] |= {row["against"]} | ({row["label"]} if not row["behind"] <= SURE else set())
    return found


def interval(row: dict[str, Any], digits: int = 3) -> str:
    """0.798 [0.758, 0.829]; only the mean where there is nothing to draw from."""
    if isnan(row["mean"]):
        return "-"
    text = f"{row['mean']:.{digits}f}"
    return f"{text} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]" if row["high"] > row["low"] else text


def cells(comparison: "Comparison") -> Iterator[tuple[str, str, int, list[tuple[str, bool]]]]:
    """By row: label, kind, seeds, and per metric what is shown and whether in bold."""
    bold = leaders(comparison)
    for kind, label in dict.fromkeys(zip(comparison.table["kind"], comparison.table["label"], strict=True)):
        found = {row["metric"]: row for row in dicts(rows(comparison.table, kind=kind, label=label))}
        shown = [
            (interval(found[m]), kind == "run" and label in bold[m]) if m in found else ("", False)
            for m in comparison.metrics
        ]
        yield label, kind, next(iter(found.values()))["seeds"], shown


def notes(comparison: "Comparison") -> list[str]:
    """What the numbers are, in a few sentences."""
    data = comparison.runs[0].data
    pictures = f"{data['pictures']:,} pictures of {data['source']['name']}"
    said = [f"Means over {pictures}, with 95 % intervals (BCa bootstrap, clips drawn whole)."]
    if seeds(comparison) > 1:
        said.append(
            "Of several seeds, means and intervals are over seeds too: for new pictures and new seeds; how much seeds "
            "scatter is pooled over settings, unless one stands out."
        )
    if len(comparison.tests):
        if min(len(group.runs) for group in comparison.groups) == 1:
            said.append("A difference to a setting of one seed tells of these very runs; another seed may turn it.")
        said.append(
            f"Differences are to {comparison.baseline or 'the best of each metric'}, on the same pictures; p is "
            f"corrected metric by metric for {'all of them' if comparison.baseline else 'all pairs'} (Holm)."
        )
        if comparison.baseline is None:
            said.append(f"Bold: what may be the best, at {100 * SURE:.0f} % (multiple comparisons with the best).")
    if len(rows(comparison.table, kind="reference")):
        said.append("Rows without seeds learn nothing.")
    if comparison.left_out:
        names = ", ".join(path.name for path in comparison.left_out[:3])
        more = f" and {len(comparison.left_out) - 3} more" if len(comparison.left_out) > 3 else ""
        said.append(f"Left out, since not scored: {names}{more}.")
    return said


def as_markdown(comparison: "Comparison") -> str:
    """Table, differences and materials, each with what it says."""
    head = ["", "seeds", *map(named, comparison.metrics)]
    lines = [
        [label, str(count) if kind == "run" else "", *(f"**{text}**" if bold else text for text, bold in shown)]
        for label, kind, count, shown in cells(comparison)
    ]
    blocks = [pipes(head, lines), "\n".join(notes(comparison))]
    if len(comparison.tests):
        blocks += ["## Differences", pipes(*test_rows(comparison.tests))]
    objects = rows(comparison.materials, unit="object")
    if len(objects):
        blocks += ["## Objects by material", pipes(*material_rows(objects)), MATERIALS]
    return "\n\n".join(blocks) + "\n"


MATERIALS = (
    "Values of objects, averaged over seeds; objects of a scene are drawn together. p of Welch's test, and of labels "
    "drawn anew; the latter also after Holm, for all lines. Scenes by material are in materials.csv."
)


def test_rows(tests: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    rows = [
        [r["label"], r["against"], named(r["metric"]), signed(r), number(r["p"]), number(r["holm"]), r["test"]]
        for r in dicts(tests)
    ]
    return ["", "against", "metric", "difference", "p", "p (Holm)", "test"], rows


def material_rows(lines: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    rows = []
    for r in dicts(lines):
        sides = [f"{r[f'mean_{side}']:.3f} ({r[f'count_{side}']})" for side in ("first", "second")]
        p = [number(r[name]) for name in ("welch", "permutation", "holm")]
        rows.append([r["label"], named(r["metric"]), f"{r['first']} - {r['second']}", *sides, signed(r), *p])
    head = ["", "metric", "first - second", "first (objects)", "second (objects)", "difference"]
    return [*head, "p Welch", "p labels", "p (Holm)"], rows


def signed(row: dict[str, Any]) -> str:
    if isnan(row["difference"]):
        return "-"
    return f"{plus(row['difference'])} [{plus(row['low'])}, {plus(row['high'])}]"


def number(p: float) -> str:
    return "-" if isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def pipes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    lines = [head, rule, *([text.replace("|", "\\|") for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_latex(comparison: "Comparison") -> str:
    """A booktabs table: \\input it below \\usepackage{booktabs}."""
    kinds, lines = [], []
    for label, kind, count, shown in cells(comparison):
        if kind == "reference" and "reference" not in kinds:
            lines.append(r"\midrule")
        kinds.append(kind)
        row = [tex(label), str(count) if kind == "run" else "", *(tex_interval(text, bold) for text, bold in shown)]
        lines.append(" & ".join(row) + r" \\")
    head = " & ".join(["", "seeds", *(tex(named(metric)) for metric in comparison.metrics)]) + r" \\"
    comment = [f"% {line}" for line in notes(comparison)]
    columns = "lr" + "l" * len(comparison.metrics)
    body = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([*comment, *body]) + "\n"


def tex_interval(text: str, bold: bool) -> str:
    mean, _, rest = text.partition(" ")
    shown = f"{mean} {{\\scriptsize {rest}}}" if rest else mean
    return rf"\textbf{{{shown}}}" if bold else shown


def tex(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, f"\\{sign}")
    return text


def as_html(comparison: "Comparison") -> str:
    """For a notebook."""
    head = "".join(f"<th>{escape(text)}</th>" for text in ["", "seeds", *map(named, comparison.metrics)])
    rows = []
    for label, kind, count, shown in cells(comparison):
        style = ' style="color: gray"' if kind == "reference" else ""
        texts = [f"<b>{escape(text)}</b>" if bold else escape(text) for text, bold in shown]
        texts = [escape(label), str(count) if kind == "run" else "", *texts]
        rows.append(f"<tr{style}>" + "".join(f"<td>{text}</td>" for text in texts) + "</tr>")
    said = escape(" ".join(notes(comparison)))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table><p>{said}</p>"
