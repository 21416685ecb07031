"""A run as one graph, pictures in and masks out, for where neither vitreous nor Python has to be.

    export_run("RUN", "objects.onnx")     onnxruntime, in any language
    export_run("RUN", "objects.pt2")      torch.export, for C++ and AOTInductor

Backbone, standardisation, slots and the enlargement to pixels are inside; cutting and resizing pictures is not.
"""

from vitreous.export.write import Exported, export_run

__all__ = ["Exported", "export_run"]
