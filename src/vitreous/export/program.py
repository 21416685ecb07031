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
from torch.fx import Graph, GraphModule

from vitreous.export.graph import Graph as Exportable

WEIGHTS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
ABOUT = "vitreous.json"


@torch.no_grad()
def program_of(graph: Exportable) -> ExportedProgram:
    """Trace the module for batches of any size, and keep nothing that no answer depends on."""
    kind = torch.uint8 if graph.about["input"]["dtype"] == "uint8" else torch.float32
    pictures = torch.zeros(2, *graph.size, 3, dtype=kind)  # two: a batch of one would be taken for a constant
    shapes = {"pictures": {0: Dim("batch")}}
    program = torch.export.export(graph.module, (pictures,), dynamic_shapes=shapes, strict=False)
    return nameless(lean(program))


def lean(program: ExportedProgram) -> ExportedProgram:
    """Without the weights of what was left out, such as a decoder whose masks nobody asked for."""
    for graph in graphs(program):
        for node in list(graph.nodes):
            if node.target is torch.ops.aten._assert_tensor_metadata.default:  # they keep alive what is for nobody
                graph.erase_node(node)
        graph.eliminate_dead_code()
    signature, nodes = program.graph_signature, {node.name: node for node in program.graph.nodes}
    for spec in list(signature.input_specs):
        node = nodes[spec.arg.name]
        if spec.kind in WEIGHTS and not node.users:
            program.graph.erase_node(node)
            signature.input_specs.remove(spec)
            for where in (program.state_dict, program.constants):
                where.pop(str(spec.target), None)
    for part in program.graph_module.modules():
        if isinstance(part, GraphModule):
            part.recompile()
    return program


def nameless(program: ExportedProgram) -> ExportedProgram:
    """Without the stack traces of every node: they tell the folders of whoever exports."""
    for graph in graphs(program):
        for node in graph.nodes:
            node.meta.pop("stack_trace", None)
    return program


def graphs(program: ExportedProgram) -> list[Graph]:
    """The graph, and those within it: of what ran under no_grad or autocast."""
    return [part.graph for part in program.graph_module.modules() if isinstance(part, GraphModule)]


def save_program(program: ExportedProgram, about: dict[str, Any], path: Path) -> None:
    torch.export.save(program, path, extra_files={ABOUT: json.dumps(about)})
