"""The method that docs/new_method.md builds keeps what every method promises: all of methods/test_all.py."""

import importlib.util
import inspect
import itertools
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vitreous.methods import METHODS

from .snippets import ROOT, snippets


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


CONTRACT = load(ROOT / "tests" / "methods" / "test_all.py", "contract_of_methods")  # before there is a method more


def promises():
    """Tests of every method, with the numbers of frames that they are run on."""
    for name, test in inspect.getmembers(CONTRACT, inspect.isfunction):
        if name.startswith("test_") and "case" in (asked := inspect.signature(test).parameters):
            for frames in (1, 3) if "frames" in asked else (None,):
                yield pytest.param(test, frames, id=f"{name[5:]}{'' if frames is None else f'-{frames}'}")


@pytest.fixture
def case():
    load(ROOT / "examples" / "06_new_method.py", "new_method_example")
    yield "soft_kmeans", {"sharpness": 2.0}  # at 10 there is hardly anything left to learn in two blobs
    del METHODS["soft_kmeans"]


@pytest.mark.parametrize(("test", "frames"), list(promises()))
def test_keeps_the_promise(test, frames, case):
    test(case, **({} if frames is None else {"frames": frames}))


def test_the_page_shows_the_file():
    shown = "".join(
        snippet.text for snippet in snippets(ROOT / "docs" / "new_method.md") if snippet.language == "python"
    )
    written = (ROOT / "examples" / "06_new_method.py").read_text()
    for here, there in itertools.zip_longest(code(shown), code(written[: written.index("def demonstrate")])):
        assert here == there


def code(text: str) -> list[str]:
    """Lines with something in them, without the docstring of the module and what only the script needs."""
    body = text[text.index("from dataclasses") :] if "from dataclasses" in text else text
    return [line for line in body.splitlines() if line.strip() and "pathlib" not in line and "cli.main" not in line]
