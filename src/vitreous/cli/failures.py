"""vitreous failures"""

from pathlib import Path

from vitreous.cli.parser import second_is


def failures(
    run: Path,
    other: Path | None = None,
    out: Path = Path("failures"),
    count: int = 8,
    metric: str = "mbo",
    refined: bool = False,
) -> None:
    """Show the scenes where a run fails most, or where two differ most: truth, prediction, errors, likely cause.

    A second run may follow the first: vitreous failures RUN RUN2. Both have to be scored (vitreous score), and alike.
    Writes failures.png, a contact sheet, and failures.csv, a line per picture, run and cause.

    Args:
        run: Folder of a scored run.
        other: Another one: show where the two differ most.
        out: Where sheet and table go; made if missing.
        count: Pictures to show; of a clip its worst frame only.
        metric: What is low there: fg_ari, ari, mbo, miou or boundary_f.
        refined: Look at the masks whose borders follow the edges of the picture, where these were scored.
    """
    from vitreous.report.failure_sheet import failure_sheet
    from vitreous.report.failures import cause_table, most_different, print_failures, worst
    from vitreous.report.pictures import save
    from vitreous.report.scored import read_scored

    first = read_scored(run, refined=refined)
    if other is None:
        found = worst(first, count, metric)
    else:
        found = most_different(first, read_scored(other, refined=refined), count, metric)
    print(f"{print_failures(found)}\n")
    print(save(failure_sheet(found), out / "failures.png"))
    cause_table(found).to_csv(out / "failures.csv", index=False, float_format="%.4f")
    print(out / "failures.csv")


command = second_is("other", failures)
