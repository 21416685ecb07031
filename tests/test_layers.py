"""Imports point one way. Every arrow that is allowed is listed here; anything else fails."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "vitreous"
BASE = {"types", "errors", "extras", "notebook"}  # open to all; import nothing of ours but each other
MAY_IMPORT = {
    "data": set(),
    "backbones": set(),
    "blocks": set(),
    "metrics": set(),
    "render": {"data"},
    "features": {"data", "backbones"},
    "methods": {"blocks"},  # no data, no Lightning: a paper is just a module
    "regress": {"blocks", "features", "metrics"},  # table to ensemble in one folder, without Lightning; see ON_STORES
    "hub": set(),  # runs on the Hugging Face hub, by name
    "shipped": {"hub"},  # runs inside the package, by name
    "runs": {"methods", "shipped"},
    "train": {"features", "methods", "runs", "metrics"},
    "predict": {"data", "backbones", "blocks", "features", "regress", "runs", "shipped"},  # blocks: which slots are one
    "report": {"backbones", "data", "features", "metrics", "predict", "runs", "shipped"},
    "share": {"hub", "metrics", "regress", "runs", "shipped"},
    "export": {"backbones", "blocks", "data", "features", "methods", "predict", "regress", "runs", "share", "shipped"},
    "front": {"data", "features", "predict", "report", "runs", "shipped"},  # `import vitreous as vt`
    "sweep": {"data", "backbones", "features", "methods", "metrics", "train", "runs", "report"},
    "view": {"blocks", "data", "features", "predict", "regress", "report", "runs", "shipped"},
}  # cli/ may import anything, inside its functions
ON_STORES = {  # of regress/; stacked: which tiles a larger model needs
    "pictures", "ensemble", "learn", "run", "fit", "scores", "answers", "report", "estimator", "stacked"
}  # fmt: skip
TRAINER = {"lightning", "pytorch_lightning"}


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    nodes = ast.parse(path.read_text()).body if top_only else ast.walk(ast.parse(path.read_text()))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files():
    return sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    place = path.relative_to(ROOT).parts[0].removesuffix(".py")
    used = {name.split(".")[1] for name in imports(path) if name.startswith("vitreous.")} - {"__version__"}
    if place == "cli":
        return
    if place in BASE:
        assert used <= BASE
        return
    assert place in MAY_IMPORT, f"{place} is not in the table of layers"
    assert used - BASE - {place} <= MAY_IMPORT[place]


@pytest.mark.parametrize("path", sorted((ROOT / "regress").glob("*.py")), ids=lambda p: p.name)
def test_a_head_is_just_a_module(path):
    if path.stem not in ON_STORES:
        used = {name.split(".")[1] for name in imports(path) if name.startswith("vitreous.")}
        assert used - BASE <= {"regress", "blocks", "metrics"}


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_train_knows_lightning(path):
    if path.relative_to(ROOT).parts[0] not in ("train", "cli"):
        assert not {name.split(".")[0] for name in imports(path)} & TRAINER


@pytest.mark.parametrize("path", sorted((ROOT / "cli").glob("*.py")), ids=lambda p: p.name)
def test_commands_load_nothing_heavy_to_answer_help(path):
    heavy = {"torch", "lightning", "numpy", "pandas", "lance", "transformers", "matplotlib", "PIL", "scipy"}
    top = imports(path, top_only=True)
    assert not {name.split(".")[0] for name in top} & heavy
    assert {n.split(".")[1] for n in top if n.startswith("vitreous.")} <= BASE | {"cli", "__version__"}
