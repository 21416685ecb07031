"""vitreous export"""

from pathlib import Path
from typing import Literal


def export(
    run: Path,
    out: Path | None = None,
    format: Literal["onnx", "torch"] | None = None,
    pixels: Literal["uint8", "float32"] = "uint8",
    pictures: Path | None = None,
    count: int = 8,
) -> None:
    """Write a run as one graph, pictures in and masks (or numbers) out, and check it against PyTorch.

    Args:
        run: Folder written by `vitreous train` or `vitreous regress fit`, or the name of a shipped run.
        out: The file; default: RUN/model.onnx or RUN/model.pt2.
        format: onnx, for onnxruntime (extra `export`), or torch, for torch.export; default: by the ending of --out.
        pixels: What goes in: uint8 in 0..255, or float32 in 0..1.
        pictures: Pictures to check it on; default: scenes that the package carries.
        count: How many.
    """
    from vitreous.export import export_run  # heavy imports wait until here

    print(export_run(run, out, format, pixels, pictures, count))
