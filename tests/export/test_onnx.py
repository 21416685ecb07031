"""The ONNX file says what PyTorch says, tells how it is used, and knows nothing of who made it."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from vitreous.errors import RunError, VitreousError
from vitreous.export.graph import slot_graph
from vitreous.export.write import compared, export_run, where

from .conftest import scenes, small_run


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_batches_of_any_size_say_what_pytorch_says(saved, onnx_file, count):
    graph, pictures = slot_graph(saved), scenes(count, seed=count)
    with torch.no_grad():
        labels, shares, slots = graph.module(pictures)
    found = session(onnx_file[0]).run(None, {"pictures": pictures.numpy()})
    np.testing.assert_array_equal(found[0], labels)
    np.testing.assert_allclose(found[1], shares, atol=1e-4)
    np.testing.assert_allclose(found[2], slots, atol=1e-4)


def test_a_slot_that_is_not_there_is_no_nan(saved, onnx_file):
    """onnxscript's rewriter takes the 1e-8 that is added to shares for 0; then an empty slot is 0 / 0."""
    picture = torch.full((1, 32, 40, 3), 90, dtype=torch.uint8)
    picture[:, :, 20:] = torch.tensor([200, 30, 30], dtype=torch.uint8)
    _, shares, slots = session(onnx_file[0]).run(None, {"pictures": picture.numpy()})
    assert (shares.sum((2, 3)) == 0).any()  # of four slots not all are there
    assert np.isfinite(slots).all()


def test_the_check_tells_what_was_found(onnx_file):
    path, told = onnx_file
    assert told.pictures == 3
    assert told.apart < 1e-3
    assert told.labels == 1
    assert told.as_used > 0.95
    assert told.bytes == path.stat().st_size
    assert "checked on 3 pictures" in str(told)


def test_metadata_tell_how_it_is_used(onnx_file):
    model = session(onnx_file[0])
    about = json.loads(model.get_modelmeta().custom_metadata_map["vitreous"])
    assert about["input"]["shape"] == ["batch", 32, 40, 3] == model.get_inputs()[0].shape
    assert about["input"]["dtype"] == "uint8"
    assert about["method"] == "dinosaur"
    assert list(about["outputs"]) == ["labels", "shares", "slots"] == [out.name for out in model.get_outputs()]
    assert model.get_outputs()[1].shape == ["batch", 4, 32, 40]


def test_the_file_knows_no_folder_of_this_machine(onnx_file):
    held = onnx_file[0].read_bytes()
    assert b".py" not in held
    assert str(Path(__file__).parents[2]).encode() not in held


def test_a_decoder_that_nobody_asks_stays_out(onnx_file, saved):
    model = onnx.load(onnx_file[0])
    shapes = [tuple(tensor.dims) for tensor in model.graph.initializer]
    hidden = saved.method.config.decoder_width
    assert not any(hidden in shape for shape in shapes)


def test_another_run_s_answers_are_refused(onnx_file, saved, tmp_path):
    other = small_run(tmp_path, "dinosaur", {"slots": 4, "temperature": 0.2, "iterations": 1})
    with pytest.raises(RunError, match=r"was not written: on \d+ of \d pictures its shares differ"):
        compared(other, slot_graph(other), onnx_file[0], scenes(3), tmp_path / "m.onnx")


def test_nothing_is_left_where_an_export_failed(saved, tmp_path):
    with pytest.raises(VitreousError, match="two pictures at least"):
        export_run(saved.folder, tmp_path / "m.onnx", count=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("out", "format"), [("m.pt", None), ("m.onnx", "torch"), ("m", "onnx")])
def test_the_ending_says_what_the_file_is(out, format):
    with pytest.raises(VitreousError, match="should end in"):
        where(Path("run"), out, format)


def test_default_places():
    from vitreous.shipped import find_run

    assert where(Path("run"), None, None) == (Path("run/model.onnx"), "onnx")
    assert where(Path("run"), None, "torch") == (Path("run/model.pt2"), "torch")
    assert where(find_run("still"), None, "onnx") == (Path("still.onnx"), "onnx")
