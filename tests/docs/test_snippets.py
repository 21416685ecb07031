"""README and docs are run, page by page, from top to bottom, on small data; but for blocks marked as skipped."""

import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

import pytest

from vitreous.cli.main import main

from .desk import Desk, short
from .snippets import PAGES, ROOT, Snippet, commands, snippets

QUICK = ("README.md", "docs/segment.md", "docs/data.md", "docs/stores.md", "docs/backbones.md")  # of these, the Python
RUN = [str(page.relative_to(ROOT)) for page in PAGES if page.name != "README.ja.md"]  # which has README's own blocks


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return Desk(tmp_path_factory.mktemp("desk"))


def run_python(snippet: Snippet, names: dict[str, Any]) -> None:
    padded = "\n" * snippet.line + snippet.text  # so that an error names the line of the page
    exec(compile(padded, str(snippet.page), "exec"), names)


OUT = {"train": "run", "sweep": "sweep"}  # commands that refuse a folder of another recipe, and where they write


def make_room(words: list[str]) -> None:
    """A page that names one folder twice gives a choice; whoever reads it takes one."""
    if words[0] in OUT:
        out = words[words.index("--out") + 1] if "--out" in words else OUT[words[0]]
        shutil.rmtree(out, ignore_errors=True)


def run_shell(snippet: Snippet) -> None:
    for command in commands(snippet):
        words = short(command.words[1:]) if command.words[0] == "vitreous" else None
        if words is None:  # scripts, make, git: see test_commands.py
            continue
        make_room(words)
        shown = io.StringIO()
        try:
            with contextlib.redirect_stdout(shown):
                status = main(words)
        except SystemExit as stop:  # --help, --print-config
            status = stop.code
        assert status == 0, str(command)
        if command.into:
            Path(command.into).write_text(shown.getvalue())


def laid(desk: Desk, blocks: list[Snippet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Snippet]:
    blocks = [snippet for snippet in blocks if not snippet.skip]
    desk.lay(tmp_path, "\n".join(snippet.text for snippet in blocks))
    monkeypatch.chdir(tmp_path)
    return blocks


@pytest.mark.parametrize("name", QUICK)
def test_python_runs(name, desk, tmp_path, monkeypatch):
    names: dict[str, Any] = {"__name__": "page"}
    for snippet in laid(desk, [s for s in snippets(ROOT / name) if s.language == "python"], tmp_path, monkeypatch):
        run_python(snippet, names)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_page_runs(name, desk, tmp_path, monkeypatch):
    names: dict[str, Any] = {"__name__": "page"}
    for snippet in laid(desk, snippets(ROOT / name), tmp_path, monkeypatch):
        if snippet.language == "python":
            run_python(snippet, names)
        else:
            run_shell(snippet)
