import pytest
import torch
from torch.testing import assert_close

from vitreous.train.checkpoint import SafetensorsIO


def test_everything_comes_back(tmp_path):
    weight = torch.randn(3, 4)
    saved = {"state": {0: {"step": 3, "exp_avg": weight}, "b": [1.5, None, (True, "x")]}, "tied": weight}
    SafetensorsIO().save_checkpoint(saved, tmp_path / "deep" / "c.safetensors")
    loaded = SafetensorsIO().load_checkpoint(tmp_path / "deep" / "c.safetensors")
    assert_close(loaded["state"][0]["exp_avg"], weight, atol=0, rtol=0)
    assert_close(loaded["tied"], weight, atol=0, rtol=0)
    assert loaded["state"][0]["step"] == 3
    assert loaded["state"]["b"] == [1.5, None, [True, "x"]]


def test_what_would_need_a_pickle_is_refused(tmp_path):
    with pytest.raises(TypeError, match="plain values only, not set"):
        SafetensorsIO().save_checkpoint({"a": {1}}, tmp_path / "c.safetensors")


def test_no_half_written_file_is_left_in_its_place(tmp_path):
    path = tmp_path / "c.safetensors"
    SafetensorsIO().save_checkpoint({"a": torch.zeros(2)}, path)
    with pytest.raises(TypeError):
        SafetensorsIO().save_checkpoint({"a": torch.ones(2), "b": object()}, path)
    assert SafetensorsIO().load_checkpoint(path)["a"].sum() == 0
