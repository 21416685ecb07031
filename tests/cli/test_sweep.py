"""vitreous sweep: how axes are typed, and what is refused before anything starts."""

import pytest

from vitreous.cli.main import main
from vitreous.cli.parser import run
from vitreous.cli.sweep import axis_texts, gathered, parsed, processes, split, with_axes
from vitreous.data.mini import MINI
from vitreous.errors import RunError
from vitreous.sweep.plan import Range


@pytest.fixture(scope="module")
def pair(blobs_store):
    return blobs_store().path, blobs_store(clips=6, seed=1).path


def understood(typed):
    """What a command line hands on."""
    found = {}
    run(*with_axes(typed, then=lambda **given: found.update(given)), "sweep")
    return found


def refused(capsys, *arguments):
    assert main(["sweep", *map(str, arguments)]) == 1
    return capsys.readouterr().err.removeprefix("vitreous sweep: ")


def test_axes_are_gathered_wherever_they_stand():
    typed = ["train", "--grid", "slots=3,5", "seed=1,2", "--test", "x", "--out=y", "--grid", "lr=1e-3"]
    axes = '--grid=["slots=3,5", "seed=1,2", "lr=1e-3"]'
    assert gathered(typed, ("grid", "search")) == ["train", "--test", "x", "--out=y", axes]
    assert gathered(["--grid", "slots=3", "train"], ("grid",)) == ["train", '--grid=["slots=3"]']
    assert axis_texts('["mask-temperature=0.1, 0.5"]') == {"mask_temperature": "0.1, 0.5"}
    for wrong, why in ((["slots=3", 5], "is not a setting with its values"), (["slots=3", "slots=5"], "varied twice")):
        with pytest.raises(RunError, match=why):
            axis_texts(wrong)


def test_values_are_read_as_train_would_read_them():
    assert parsed("slots", "3,5", [int]) == [3, 5]
    assert parsed("lr", "1e-4,1", [float]) == [1e-4, 1.0]
    assert parsed("decoder", "mlp,null", [str | None]) == ["mlp", None]
    assert parsed("centre", "true,false", [bool]) == [True, False]
    assert parsed("slots", "3..13", [int]) == Range(3, 13)
    assert parsed("lr", "1e-5..1e-3:log", [float]) == Range(1e-5, 1e-3, log=True)
    assert split('["identity hflip", "crop:0,0,0.5,1"]') == ["identity hflip", "crop:0,0,0.5,1"]
    with pytest.raises(RunError, match=r"slots=x: Expected a <class 'int'>"):
        parsed("slots", "3,x", [int])
    with pytest.raises(RunError, match=r"decoder=a\.\.b is a range, but decoder is not a number"):
        parsed("decoder", "a..b", [str])


def test_help_shows_the_settings_of_the_method_that_is_meant(capsys):
    for arguments, there, absent in (
        ([], ["--grid", "--search", "--jobs", "--retry-failed", "--steps", "--standardise"], ["--refresh"]),
        (["--method", "savi_dinosaur"], ["--refresh", "--mask-temperature"], ["--online"]),
    ):
        with pytest.raises(SystemExit):
            main(["sweep", *arguments, "--help"])
        text = capsys.readouterr().out
        assert all(f"{name} " in text for name in there)
        assert not any(f"{name} " in text for name in absent)


def test_what_is_typed_becomes_the_plan(pair):
    typed = [str(pair[0]), "--test", str(pair[1]), "--grid", "method=dinosaur,savi_dinosaur", "slots=3,5"]
    found = understood([*typed, "--lr", "1e-3"])
    assert found["axes"] == {"method": ["dinosaur", "savi_dinosaur"], "slots": [3, 5]}
    assert (found["lr"], found["mode"], found["train"]) == (1e-3, None, pair[0])
    assert "steps" not in found  # what is not typed is left to its default, whatever the method
    assert "slot_dim" not in found


def test_a_preset_is_fixed_and_can_be_varied():
    typed = ["a", "--test", "b", "--preset", "dinosaur/coco", "--steps", "10", "--grid", "slots=3,5", "lr=1e-3,1e-4"]
    found = understood(typed)
    assert found["axes"] == {"slots": [3, 5], "lr": [1e-3, 1e-4]}
    assert (found["steps"], found["batch_size"], found["method"], found["lr_rule"]) == (10, 64, "dinosaur", "none")
    assert not {"slots", "lr"} & set(found)
    with pytest.raises(RunError, match="cannot be given to savi_dinosaur"):
        with_axes([*typed, "--method", "savi_dinosaur"])


def test_a_config_file_says_the_same(pair, tmp_path):
    (tmp_path / "night.yaml").write_text(f"train: {pair[0]}\ntest: {pair[1]}\ngrid:\n- slots=3,5\nlr: 0.001\n")
    found = understood(["--config", str(tmp_path / "night.yaml")])
    assert found["axes"] == {"slots": [3, 5]}
    assert found["lr"] == 1e-3


def test_what_cannot_be_is_refused_before_anything_starts(pair, tmp_path, capsys):
    train, test = pair
    asked = [train, "--test", test, "--out", tmp_path / "out"]
    assert 'has no setting "slotz". Did you mean "slots"?' in refused(capsys, *asked, "--grid", "slotz=3,5")
    assert 'no setting "stepz". Did you mean "steps"?' in refused(capsys, *asked, "--stepz", 3, "--grid", "seed=1,2")
    assert 'no setting "serach". Did you mean "search"?' in refused(capsys, *asked, "--serach", "slots=3,5")
    methods = ["--grid", "method=dinosaur,savi_dinosaur", "refresh=1,2"]
    assert 'dinosaur has no setting "refresh"' in refused(capsys, *asked, *methods)
    assert "Nothing varies" in refused(capsys, *asked)
    assert "name some with --test" in refused(capsys, train, "--grid", "slots=3,5")
    assert "a grid or a search" in refused(capsys, *asked, "--grid", "seed=1,2", "--search", "slots=3..5")
    assert "a grid has values" in refused(capsys, *asked, "--grid", "slots=3..5")
    assert "fixed to 3 and varied" in refused(capsys, *asked, "--grid", "slots=3,5", "--slots", 3)
    assert "asks for more" in refused(capsys, *asked, "--grid", "slots=3,5", "--jobs", 2, "--mode", "sequential")
    assert "jobs must be at least 1" in refused(capsys, *asked, "--grid", "slots=3,5", "--jobs", 0)
    assert "backbone decided on" in refused(capsys, *asked, "--grid", "backbone=glass_tiny,dino_vits16")
    assert 'Did you mean "fg_ari"' in refused(capsys, *asked, "--grid", "slots=3,5", "--objective", "fgari")
    pictures = [MINI / "train", "--test", MINI / "test", "--out", tmp_path / "out"]
    assert 'No backbone "glas_tiny"' in refused(capsys, *pictures, "--grid", "backbone=glass_tiny,glas_tiny")
    assert not (tmp_path / "out").exists()


def test_processes_by_mode():
    assert processes(None, None, 1) == processes("sequential", 1, 1) == processes("debug", None, 1) == 1
    assert processes(None, 3, 1) == processes("parallel", 3, 2) == processes("debug", 3, 1) == 3
    assert processes("parallel", None, 1) >= 1
    assert processes("parallel", None, 10_000) == 1
