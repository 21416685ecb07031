"""vitreous regrid, from what is typed to scores on other patches than those of the training."""

import json

import pytest

from vitreous.cli.main import main
from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.errors import FeatureMismatch
from vitreous.features.extract import extract
from vitreous.predict.segment import check_store
from vitreous.runs import Run


def test_a_run_goes_to_the_grid_of_a_store(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = extract(open_source(MINI, split="test"), "test.lance", "glass_tiny", grid=12, progress=False)
    with pytest.raises(FeatureMismatch, match="Or take the run to it:  vitreous regrid .*still 12x12"):
        check_store(Run.load("still"), store)
    assert main(["regrid", "still", "12"]) == 0
    assert "dias, 32 x 32 -> 12 x 12 patches" in capsys.readouterr().out
    assert main(["score", "still_12x12", "test.lance", "--baselines", "false"]) == 0
    scores = json.loads((tmp_path / "still_12x12/scores.json").read_text())
    assert next(iter(scores["rows"].values()))["fg_ari"]["mean"] > 0.6
    capsys.readouterr()
    assert main(["regrid", "still", "12"]) == 1
    assert "still_12x12 is there already" in capsys.readouterr().err
    assert main(["regrid", "still", "4x"]) == 1
    assert 'grid "4x" is not a number of patches' in capsys.readouterr().err
