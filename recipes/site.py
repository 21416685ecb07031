"""Pages of the documentation site that are made from the code, so that they are true. Named in mkdocs.yml.

commands.md   what every command takes: its own --help
api.md        the front door of the package: every name in `vitreous.__all__`
"""

import inspect
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from typing import Any
from unittest.mock import patch

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

GROUPS = {"backbones": ("list", "check", "stats", "panel"), "regress": ("fit", "predict", "report")}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, "commands.md", content="\n".join(commands_page())))
    files.append(File.generated(config, "api.md", content="\n".join(api_page())))
    return files


def commands_page() -> Iterator[str]:
    from vitreous.cli.main import COMMANDS

    yield "# Commands\n\nWhat `--help` says, of every command.\n"
    yield "Settings of a method: `vitreous train --method NAME --help`.\n"
    for name, (_, about) in COMMANDS.items():
        yield f"## {name}\n\n{about[0].upper()}{about[1:]}.\n"
        for group in GROUPS.get(name, ("",)):
            yield from ["```text", help_of([name, group] if group else [name]), "```\n"]


def help_of(words: list[str]) -> str:
    from vitreous.cli.main import main

    shown = io.StringIO()
    with patch.dict(os.environ, COLUMNS="100"), redirect_stdout(shown), suppress(SystemExit):
        main([*words, "--help"])
    return shown.getvalue().strip()


def api_page() -> Iterator[str]:
    import vitreous

    yield "# Python\n\nThe front door: `import vitreous as vt`. Each name is loaded when it is first used.\n"
    for name in sorted(vitreous.__all__, key=lambda name: (name[0] == "_", name.lower())):
        thing = getattr(vitreous, name)
        if not callable(thing):
            continue
        yield f"## {name}\n"
        yield from described(thing, name)
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            yield from (line for method in methods_of(thing) for line in described(*method, level="###"))


def described(thing: object, name: str, level: str = "") -> Iterator[str]:
    """Signature, then the docstring as it is written: its columns carry meaning."""
    first, _, rest = (inspect.getdoc(thing) or "").partition("\n")
    if level:
        yield f"{level} {name}\n"
    if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
        yield f"```python\n{name.rpartition('.')[2]}{signature(thing)}\n```\n"
    yield f"{first}\n"
    if rest.strip():
        yield f"```text\n{inspect.cleandoc(rest)}\n```\n"


def signature(thing: Callable[..., Any]) -> str:
    """As it is written, one parameter per line where it is long; folders of types are left out."""
    found = inspect.signature(thing)
    parts = [spelled(str(p)) for p in found.parameters.values() if p.name != "self"]
    gives = "" if found.return_annotation in (inspect.Signature.empty, None, "None") else found.return_annotation
    gives = f" -> {spelled(gives if isinstance(gives, str) else inspect.formatannotation(gives))}" if gives else ""
    short = ", ".join(parts)
    return f"({short}){gives}" if len(short) < 80 else "(\n    " + ",\n    ".join(parts) + f",\n){gives}"


def spelled(annotation: str) -> str:
    """vitreous.types.Clip -> Clip."""
    return re.sub(r"\b(?:\w+\.)+(?=[A-Za-z]\w*)", "", annotation).replace("'", '"')


def methods_of(kind: type) -> Iterator[tuple[object, str]]:
    """What a class offers, in the order in which it is written, with a docstring of its own."""
    for name, member in vars(kind).items():
        plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if not name.startswith("_") and (inspect.isfunction(plain) or isinstance(plain, property)) and plain.__doc__:
            yield plain, f"{kind.__name__}.{name}"
