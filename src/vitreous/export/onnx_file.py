"""The graph as ONNX: one file that onnxruntime runs without Python, PyTorch or vitreous."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from vitreous.extras import need

KEY = "vitreous"  # of the metadata
WHY = "Export to ONNX"


def save_onnx(program: ExportedProgram, outputs: tuple[str, ...], about: dict[str, Any], path: Path) -> None:
    """Translate, and write what is in the file into its metadata, as JSON under the key `vitreous`."""
    packages()
    import onnx
    from onnxscript import optimizer

    with quiet():
        made = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["pictures"],
            output_names=list(outputs),
            custom_translation_table={torch.ops.aten.sort.stable: sort_stable},
            optimize=False,
            verbose=False,
        )
        assert made is not None
        # not torch's optimize=True: its rewriter takes the 1e-8 that slot attention adds to shares for 0 and leaves it
        # out, and slots that win nothing become NaN (onnxscript 0.7); onnxruntime fuses by itself when it loads a file
        optimizer.inline(made.model)
        optimizer.fold_constants(made.model)
        optimizer.remove_unused_nodes(made.model)
    model = made.model_proto
    strip(model)
    dimension = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dimension and dim.dim_param == dimension:
                dim.dim_param = "batch"
    onnx.helper.set_model_props(model, {KEY: json.dumps(about)})
    model.producer_name, model.producer_version = "vitreous", about["vitreous"]
    onnx.checker.check_model(model)
    onnx.save_model(model, path)


def packages() -> None:
    """onnx, onnxscript and onnxruntime, or MissingExtra: before a minute of work, not after."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        need(name, "export", WHY)


def sort_stable(x, stable: bool = True, dim: int = -1, descending: bool = False):
    """ONNX sorts by TopK, which takes the first of equals first: that is what stable means."""
    op: Any = import_module("onnxscript").opset18
    count = op.Gather(op.Shape(x), op.Constant(value_ints=[dim]))
    return op.TopK(x, count, axis=dim, largest=int(descending), sorted=1)


def strip(model: Any) -> None:
    """Drop the stack traces that every node carries: they tell the folders of whoever exports."""
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        value.ClearField("doc_string")
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


def answers_of(path: Path, pictures: Tensor) -> list[np.ndarray]:
    """What onnxruntime says, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.asarray(answer) for answer in session.run(None, {"pictures": pictures.numpy()})]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's progress and remarks about itself: the check says whether it is right."""
    loggers = [logging.getLogger(name) for name in ("onnx_ir", "onnxscript", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
