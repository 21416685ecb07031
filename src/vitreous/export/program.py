"""torch.export: the graph as a program of tensors, and the .pt2 file that holds it.

A .pt2 file is a zip of weights and of a graph; vitreous writes such files and loads none. Load only those that you
trust: torch.export.load is PyTorch's own, with its own promises.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind

from vitreous.export.graph import Graph

WEIGHTS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
ABOUT = "vitreous.json"


@torch.no_grad()
def program_of(graph: Graph) -> ExportedProgram:
    """Trace the module for batches of any size, and keep nothing that no answer depends on."""
    kind = torch.uint8 if graph.about["input"]["dtype"] == "uint8" else torch.float32
    pictures = torch.zeros(2, *graph.size, 3, dtype=kind)  # two: a batch of one would be taken for a constant
    shapes = {"pictures": {0: Dim("batch")}}
    program = torch.export.export(graph.module, (pictures,), dynamic_shapes=shapes, strict=False)
    return nameless(lean(program))


def lean(program: ExportedProgram) -> ExportedProgram:
    """Without the weights of what was left out, such as a decoder whose masks nobody asked for."""
    for node in list(program.graph.nodes):
        if node.target is torch.ops.aten._assert_tensor_metadata.default:  # they keep alive what is for nobody
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    signature, nodes = program.graph_signature, {node.name: node for node in program.graph.nodes}
    for spec in list(signature.input_specs):
        node = nodes[spec.arg.name]
        if spec.kind in WEIGHTS and not node.users:
            program.graph.erase_node(node)
            signature.input_specs.remove(spec)
            for where in (program.state_dict, program.constants):
                where.pop(str(spec.target), None)
    program.graph_module.recompile()
    return program


def nameless(program: ExportedProgram) -> ExportedProgram:
    """Without the stack traces of every node: they tell the folders of whoever exports."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def save_program(program: ExportedProgram, about: dict[str, Any], path: Path) -> None:
    torch.export.save(program, path, extra_files={ABOUT: json.dumps(about)})
