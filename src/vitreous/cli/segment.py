"""vitreous segment"""

from pathlib import Path
from typing import Literal


def segment(
    run: Path,
    source: Path,
    out: Path = Path("masks"),
    refine: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    device: str = "auto",
) -> None:
    """Segment images or videos with a trained run: label maps and overlays as PNG.

    Args:
        run: Folder written by `vitreous train`.
        source: An image, a video, or a folder of either.
        out: Where labels/ and overlays/ go, one file per frame; made if missing.
        refine: Let borders follow the edges of the picture (guided filter) instead of interpolating the patches.
        on_error: What a file that cannot be read does: stop with its name, or be skipped and listed.
        device: auto, cpu or gpu.
    """
    from vitreous.data import open_source
    from vitreous.predict.segment import Segmenter
    from vitreous.report.write import write_segmentation

    clips = open_source(source, on_error=on_error)
    for found in Segmenter(run, device=device, refine=refine).source(clips):
        print(write_segmentation(found, out))
    for path, reason in clips.skipped:
        print(f"skipped {path}: {reason}")
