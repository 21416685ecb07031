"""vitreous view: what is typed, and what is said when it cannot start."""

import pytest

from vitreous.cli.main import main
from vitreous.cli.view import complete


def test_what_to_open_needs_no_option():
    assert complete(["runs/a", "--port", "8000"])[1] == ["--what", "runs/a", "--port", "8000"]
    assert complete(["--share"])[1] == ["--share"]
    assert complete([])[1] == []


def test_help_says_who_can_see_it(capsys):
    with pytest.raises(SystemExit):
        main(["view", "--help"])
    told = capsys.readouterr().out
    assert "127.0.0.1 is this machine only" in " ".join(told.split())
    assert "--no-browser" in told


def test_what_is_no_run_is_refused_before_anything_listens(capsys, tmp_path):
    pytest.importorskip("gradio")
    assert main(["view", str(tmp_path), "--no-browser"]) == 1
    assert "no run, no folder of runs and no store" in capsys.readouterr().err
