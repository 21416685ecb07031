"""What README and docs show as code, and where it stands.

Every fenced block and every indented one is a snippet. A comment directly above it may say what is to be done with it:

    <!-- snippet: skip, because ... -->    not run, since it needs what is not here (weights, hours, a second machine)

Skipped commands are still parsed. That is the only rule that a page can ask for; what makes long commands short is told
in desk.py and holds for all pages alike.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "README.ja.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = [page for page in PAGES if page.is_file()] + sorted((ROOT / "docs").rglob("*.md"))
PROGRAM = re.compile(r"(vitreous|python|make|pip) (?!\w+:)")  # a command; `vitreous score: No ...` is what one says
RULE = re.compile(r"<!--\s*snippet:\s*(\w+)\s*,?\s*(.*?)\s*-->", re.S)


@dataclass(frozen=True)
class Snippet:
    """A block of code.

    language  as it is named at the fence; empty for indented blocks
    skip      why it is not run; empty if it is
    """

    page: Path
    line: int
    language: str
    text: str
    skip: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One line of a shell: its words, and the file that its output goes to, if any."""

    words: list[str]
    into: str
    snippet: Snippet

    def __str__(self) -> str:
        return f"{self.snippet}: {shlex.join(self.words)}"


def snippets(page: Path) -> list[Snippet]:
    """All blocks of code on a page, from top to bottom."""
    found, rule = [], ("", "")
    for token in MarkdownIt("commonmark").parse(page.read_text()):
        if token.type == "html_block" and (said := RULE.search(token.content)):
            assert said[1] == "skip", f"{page.name}: no rule {said[1]!r}: only skip"
            assert said[2], f"{page.name}: skip says why"
            rule = said[1], said[2]
        elif token.type in ("fence", "code_block"):
            line = (token.map or [0])[0] + 1
            found.append(Snippet(page, line, token.info.split(" ")[0], token.content, rule[1]))
            rule = "", ""
        elif token.nesting >= 0:
            assert not rule[0], f"{page.name}: a rule stands directly above its block"
    return found


def commands(snippet: Snippet) -> Iterator[Command]:
    """The commands in a block of shell; in an unnamed block, those lines that begin with a program we know."""
    if snippet.language not in ("sh", "bash", "console", ""):
        return
    for whole in snippet.text.replace("\\\n", " ").splitlines():
        if not snippet.language and not PROGRAM.match(whole):
            continue
        for part in whole.split("&&"):
            words = shlex.split(part.removeprefix("$ "), comments=True)
            into = ""
            if ">" in words:
                into, words = words[words.index(">") + 1], words[: words.index(">")]
            if words:
                yield Command(words, into, snippet)


def spoken(page: Path) -> Iterator[str]:
    """Commands within sentences: `vitreous score --prune auto`."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        for child in token.children or []:
            if child.type == "code_inline" and child.content.startswith("vitreous "):
                yield child.content
