"""The documentation builds as a site, strictly, and asks nothing of the network; every page is in its menu."""

import os
import re
import subprocess
import sys

import yaml

from .snippets import ROOT


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without making the objects that it names."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def in_menu(entry) -> set[str]:
    if isinstance(entry, str):
        return {entry}
    return {page for part in (entry.values() if isinstance(entry, dict) else entry) for page in in_menu(part)}


def test_every_page_is_in_the_menu():
    menu = in_menu(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"])
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert menu == pages | {"api.md", "commands.md"}  # which are made from the code


def test_builds_and_needs_no_network(tmp_path):
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"']?(https?:[^\"'> ]+)", page.read_text()
        )
        assert not loaded, f"{page.name} loads {loaded[0]}"
    assert "--slots" in (tmp_path / "commands.html").read_text()
    assert "FeatureStore.batch" in (tmp_path / "api.html").read_text()
