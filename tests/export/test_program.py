"""torch.export: a file that says what PyTorch says. Tests load it; the package never does."""

import json

import pytest
import torch
from torch.testing import assert_close

from vitreous.export import export_run
from vitreous.export.graph import regression_graph, slot_graph
from vitreous.export.onnx_file import answers_of, save_onnx
from vitreous.export.program import program_of
from vitreous.export.write import TOLERANCE

from .conftest import scenes, small_run
from .test_graph import CASES, regression


@torch.no_grad()
def test_a_program_runs_batches_of_any_size(tmp_path):
    decoder = {"decoder": "mlp", "decoder_width": 64, "decoder_layers": 2}
    run = small_run(tmp_path / "run", "dinosaur", decoder | {"start": "gaussian"})
    run.save()
    path = tmp_path / "m.pt2"
    told = export_run(run.folder, path, count=2)
    assert told.apart == 0
    kept = {"vitreous.json": ""}
    program = torch.export.load(path, extra_files=kept)
    assert json.loads(kept["vitreous.json"])["method"] == "dinosaur"
    assert not any("decode" in name for name in program.state_dict)
    assert b"/export/graph.py" not in path.read_bytes()
    graph = slot_graph(run)
    for count in (1, 4):
        for one, other in zip(program.module()(scenes(count)), graph.module(scenes(count)), strict=True):
            assert_close(one, other)


@torch.no_grad()
def test_numbers_as_onnx(tmp_path):
    pytest.importorskip("onnxscript")
    graph = regression_graph(regression(tmp_path))
    save_onnx(program_of(graph), graph.outputs, {"vitreous": "0"} | graph.about, tmp_path / "m.onnx")
    found = answers_of(tmp_path / "m.onnx", scenes(3))
    for one, other in zip(graph.module(scenes(3)), found, strict=True):
        assert_close(one, torch.from_numpy(other), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
@torch.no_grad()
def test_every_method_as_onnx(tmp_path, name, settings):
    pytest.importorskip("onnxscript")
    graph, pictures = slot_graph(small_run(tmp_path, name, settings)), scenes(3)
    save_onnx(program_of(graph), graph.outputs, {"vitreous": "0"} | graph.about, tmp_path / "m.onnx")
    found = answers_of(tmp_path / "m.onnx", pictures)
    assert_close(graph.module(pictures)[1], torch.from_numpy(found[1]), atol=TOLERANCE, rtol=0)
