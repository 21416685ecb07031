import pandas as pd
import pytest

from vitreous.metrics.names import named
from vitreous.report.tables import parts, print_cells, print_table, table
from vitreous.types import Score

RECORDS = pd.DataFrame(
    {
        "key": ["a", "a", "b", "b"],
        "row": ["ours", "theirs", "ours", "theirs"],
        "scene": ["metal", "metal", "mixed", None],
        "mbo": [0.2, 0.4, 0.6, float("nan")],
    }
)


def test_means_by_row_and_by_part():
    rows = table(RECORDS, ["mbo"])
    assert list(rows) == ["ours", "theirs"]
    assert [row["mbo"].mean for row in rows.values()] == pytest.approx([0.4, 0.4])
    scenes = parts(RECORDS, ["mbo"], "scene")
    assert {scene: list(rows) for scene, rows in scenes.items()} == {"metal": ["ours", "theirs"], "mixed": ["ours"]}
    assert scenes["mixed"]["ours"]["mbo"].mean == 0.6


def test_a_line_holds_100_characters():
    metrics = {f"metric_{i}": Score((), -0.0123, -0.1, 0.1) for i in range(12)}
    text = print_table({"a": metrics, "a method (11 slots), refined": metrics}, "title")
    assert max(map(len, text.splitlines())) <= 100
    assert all(text.count(name) == 1 for name in (*list(metrics)[:1], "metric_11"))
    assert text.count("-0.012 ±.100") == 24
    assert text.startswith("title ")


def test_what_is_not_known_is_not_printed():
    nan = float("nan")
    text = print_table({"one": {"mbo": Score((), 0.5, 0.5, 0.5)}, "none": {"mbo": Score((), nan, nan, nan)}})
    assert text.splitlines()[1].split() == ["one", "0.500"]
    assert text.splitlines()[2].split() == ["none", "-"]


def test_cells_of_text_line_up():
    text = print_cells({"one": {"mbo": "best", "a long one": "-"}, "two": {"mbo": "-0.012 ±.100 p=.345"}}, "")
    lines = text.splitlines()
    assert len({line.index(word) + len(word) for line, word in zip(lines, ("mbo", "best", "p=.345"), strict=True)}) == 1


def test_metrics_as_people_write_them():
    assert [named(name) for name in ("fg_ari", "miou", "keeps_object")] == ["FG-ARI", "mIoU", "keeps object"]
