"""Links of README and docs lead somewhere: files and anchors exist; addresses outside are only looked at."""

import itertools
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from .snippets import PAGES, ROOT

MADE = {ROOT / "docs" / name for name in ("api.md", "commands.md")}


def links(page: Path) -> list[str]:
    """Targets of all links and pictures on a page."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        for child in token.children or []:
            found += [child.attrs[name] for name in ("href", "src") if name in child.attrs]
    return [str(target) for target in found]


def anchors(page: Path) -> set[str]:
    """Names that headings answer to, as GitHub and the site make them alike."""
    tokens = MarkdownIt("commonmark").parse(page.read_text())
    titles = [after.content for one, after in itertools.pairwise(tokens) if one.type == "heading_open"]
    bare = [re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()) for title in titles]
    return {title.strip().replace(" ", "-") for title in bare}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in links(page):
        if "://" in target:
            parts = urlsplit(target)
            assert parts.scheme == "https", target
            assert re.fullmatch(r"[\w.-]+\.[a-z]+", parts.netloc), target
            assert " " not in target, target
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        if there.resolve() in MADE:  # the site has them, and its build checks their anchors
            continue
        assert there.exists(), f"{page.name}: {target}"
        if "docs" in page.parts and path:
            assert (ROOT / "docs") in there.resolve().parents, f"{page.name}: {target} is not part of the site"
        if anchor:
            assert anchor in anchors(there), f"{page.name}: {target}: no such heading"
