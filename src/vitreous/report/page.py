"""A comparison as one page: a file that opens anywhere, needs no network, and says how it was made."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from vitreous import __version__
from vitreous.report.compare import Comparison
from vitreous.report.figures import Drawn, draw
from vitreous.report.page_parts import looks, sections
from vitreous.report.page_parts.layout import Part
from vitreous.report.page_parts.scenes import browse, open_sources

PARTS = resources.files("vitreous.report.page_parts")


def write_page(
    comparison: Comparison,
    folder: Path,
    *,
    scenes: int = 24,
    details: bool = True,
    command: str = "",
    figures: Iterable[Drawn] | None = None,
    tell: Callable[[str], None] = lambda said: None,
) -> Path:
    """Write FOLDER/index.html, in whole or not at all; returns its path.

    scenes   in the scene browser, at most; 0 for none
    command  that makes the page, as typed
    figures  that were drawn already; none: they are drawn into FOLDER/figures
    details  look at the runs again: failures, diagnosis, slot space, features; the longest part
    tell     is told what is being done
    """
    tell("figures")
    charts = sections.figures(draw(comparison, folder / "figures") if figures is None else figures)
    tell("scenes")
    sources, missing = open_sources(comparison.runs)
    values = {metric: comparison.values(metric) for metric in comparison.metrics}
    found = browse(sources, values, scenes)
    again = []
    if details:
        tell("failures, diagnosis, slot space")
        decisive = values[comparison.metrics[0]]
        again = [looks.failures(sources, missing, comparison.metrics), looks.diagnosis(sources, missing)]
        again += [looks.slots(sources, missing, decisive), looks.features(sources)]
    parts = [
        sections.scores(comparison),
        sections.differences(comparison),
        sections.scenes(found, missing),
        charts,
        sections.materials(comparison),
        *again,
        sections.made_by(comparison, command),
    ]
    data = found.data(comparison.metrics) if found.scenes else None
    html = render(sections.title(comparison), sections.summary(comparison), parts, data)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    new = path.with_name("index.html.new")
    new.write_text(html, encoding="utf-8")
    new.replace(path)
    return path


def render(heading: str, lines: Sequence[str], parts: Sequence[Part], browser: dict[str, Any] | None) -> str:
    """The page. Whatever comes from outside is escaped; scripts run by their digest, and nothing may be loaded."""
    scripts = [Markup(script("theme.js")), Markup(script("tables.js") + script("scenes.js"))]
    digests = " ".join(f"'sha256-{b64encode(sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {digests}"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # in the order given: metrics have one
    template = environment.from_string((PARTS / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        title=heading,
        summary=lines,
        parts=parts,
        browser=browser,
        scripts=scripts,
        style=Markup(script("page.css")),
        policy=Markup(policy),
        date=time.strftime("%Y-%m-%d"),
        footer=f"Made by vitreous {__version__}. This page is one file: it opens without a network and loads nothing.",
    )


def script(name: str) -> str:
    """A file of the page's own."""
    return (PARTS / name).read_text(encoding="utf-8")
