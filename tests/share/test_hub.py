"""Runs on the hub: what is pushed, what comes back, and what does not."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from vitreous import hub as at_hub
from vitreous.cli.main import main
from vitreous.errors import RunError
from vitreous.hub import hub_name, is_hub, pull
from vitreous.predict.segment import find_slots
from vitreous.runs import Recipe, Run, build
from vitreous.share import from_pretrained, push_to_hub
from vitreous.share.paths import without_paths
from vitreous.shipped import find_run, is_shipped

from .hub import serving

PRIVATE = "/home/ann/secret/plates"
BACKBONE = {
    "name": "vits", "hub_id": None, "path": f"{PRIVATE}/vits", "digest": "0" * 64, "dim": 12, "layer": 2,
    "facet": "token",
}  # fmt: skip


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """huggingface_hub talks to a server of this test and keeps its cache in a folder of it."""
    from huggingface_hub import constants, hf_api

    with serving() as (made, address):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(hf_api.api, "endpoint", address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
        at_hub.pulled.cache_clear()
        yield made


@pytest.fixture
def run(tmp_path):
    """A trained run as far as anybody can tell, with paths of its owner in it."""
    torch.manual_seed(0)
    config = {"slots": 3, "slot_dim": 16}
    source = {"name": "plates", "fingerprint": "f"}
    training = {"seed": 0, "validate": f"{PRIVATE}/val.lance"}
    recipe = Recipe("dinosaur", config, (4, 4), "crop", 12, BACKBONE, "none", source, training, "0.1.0")
    statistics = {"mode": torch.tensor(list(b"none"), dtype=torch.uint8)}
    run = Run(tmp_path / "run", recipe, build(recipe).eval(), statistics)
    run.save()
    score = {"values": [0.5, 0.7], "mean": 0.6, "low": 0.5, "high": 0.7}
    rows = {"dinosaur (3 slots)": {"fg_ari": score}, "k-means": {"fg_ari": score | {"mean": 0.4}}}
    data = {"store": f"{PRIVATE}/test.lance", "source": {"name": "plates/test", "path": PRIVATE}, "pictures": 2}
    (run.folder / "scores.json").write_text(json.dumps({"data": data, "rows": rows}))
    (run.folder / "scores.csv").write_text("key\nann_and_bob.jpg\n")
    (run.folder / "result.png").write_bytes(b"a picture of the data")
    (run.folder / "log.csv").write_text("step,loss\n0,1\n")
    return run


def private(hub):
    """As releases of huggingface_hub spell it."""
    asked = hub.made["ann/plates"]
    return asked.get("visibility") == "private" or bool(asked.get("private"))


def test_what_was_pushed_comes_back(hub, run):
    push_to_hub(run.folder, "ann/plates", "cc-by-4.0")
    back = from_pretrained("ann/plates")
    assert isinstance(back, Run)
    features = torch.randn(1, 1, 4, 4, 12)
    assert torch.equal(find_slots(back, features).masks, find_slots(run, features).masks)
    assert back.recipe.config == run.recipe.config
    assert private(hub)


def test_nothing_of_this_machine_is_pushed(hub, run):
    push_to_hub(run.folder, "ann/plates", public=True)
    files = hub.repositories["ann/plates"]
    assert set(files) == {"recipe.yaml", "model.safetensors", "README.md", "scores.json", "log.csv"}
    everything = b"".join(files.values())
    assert b"secret" not in everything
    assert b"ann_and_bob" not in everything
    assert yaml.safe_load(files["recipe.yaml"])["training"]["validate"] == "val.lance"
    assert not private(hub)


def test_the_card_tells_scores_and_use(hub, run):
    push_to_hub(run.folder, "ann/plates", "cc-by-4.0")
    text = hub.repositories["ann/plates"]["README.md"].decode()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "cc-by-4.0"
    assert head["library_name"] == "vitreous"
    assert "dinosaur" in head["tags"]
    assert head["metrics"] == ["fg_ari"]
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.6
    assert "| k-means | 0.400 (0.500 to 0.700) |" in text
    assert "vitreous segment hf://ann/plates" in text or "--run hf://ann/plates" in text


def test_code_and_pickles_stay_on_the_hub_and_are_named(hub, run, tmp_path, capsys):
    push_to_hub(run.folder, "ann/plates")
    hub.repositories["ann/plates"] |= {"setup.py": b"boom", "weights.pkl": b"boom", "notes.txt": b"hello"}
    folder, left = pull("ann/plates")
    assert left == ("setup.py", "weights.pkl")
    assert {path.name for path in folder.iterdir()} <= set(at_hub.ALLOWED)
    assert not {"setup.py", "weights.pkl", "notes.txt"} & set(hub.fetched())
    with pytest.warns(UserWarning, match=r"setup\.py, weights\.pkl"):
        assert Run.load("hf://ann/plates").folder == folder
    assert main(["hub", "pull", "ann/plates", "--out", str(tmp_path / "mine")]) == 0
    assert "setup.py, weights.pkl" in capsys.readouterr().err
    assert not any(path.is_symlink() for path in (tmp_path / "mine").iterdir())


def test_a_repository_of_pickles_is_refused(hub):
    hub.repositories["eve/model"] = {"recipe.yaml": b"method: dinosaur", "pytorch_model.bin": b"boom"}
    with pytest.raises(RunError, match=r"no model.safetensors. It holds pytorch_model.bin, which could run code"):
        pull("eve/model")
    assert hub.fetched() == ["recipe.yaml"]


def test_a_name_of_the_hub_is_a_run_anywhere(hub, run):
    push_to_hub(run.folder, "ann/plates")
    named = find_run(Path("hf://ann/plates"))  # a Path keeps one slash of the two
    assert named == find_run("hf://ann/plates")
    assert is_shipped(named)  # nothing is written there
    asked = len(hub.asked)
    find_run("hf://ann/plates")
    assert len(hub.asked) == asked


def test_nothing_is_asked_of_the_hub_for_other_names(hub, tmp_path):
    for name in ("ann/plates", str(tmp_path / "none")):
        with pytest.raises(RunError, match="No finished run"):
            Run.load(name)
    assert hub.asked == []


def test_what_is_not_there_is_said(hub):
    with pytest.raises(RunError, match="nobody/nothing could not be fetched from the hub"):
        Run.load("hf://nobody/nothing")


@pytest.mark.parametrize("name", ["plates", "a/b/c", "../x", "ann/..", "ann/pl ates", ""])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(RunError, match="is no repository on the hub"):
        hub_name(name)


def test_names():
    assert hub_name("hf://ann/plates@v1.0") == ("ann/plates", "v1.0")
    assert hub_name("hf:/ann/plates") == ("ann/plates", None)
    assert not is_hub("runs/hf")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ann/x.lance", "x.lance"), ("~/x", "x"), ("../../x", "x"), ("C:\\Users\\ann\\x", "x"),
        ("\\\\server\\ann\\x", "x"), ("s3://bucket/ann/x", "x"), ("mini/train", "mini/train"),
        ("a = b / c", "a = b / c"),
    ],
)  # fmt: skip
def test_paths_are_cut_to_their_last_part(text, left):
    assert without_paths({"deep": [{"path": text}]}) == {"deep": [{"path": left}]}


def test_a_dry_run_shows_all_and_asks_nobody(hub, run, capsys):
    assert main(["hub", "push", str(run.folder), "ann/plates", "--dry-run", "true"]) == 0
    shown = capsys.readouterr().out
    assert "library_name: vitreous" in shown
    assert "model.safetensors" in shown
    assert hub.asked == []
