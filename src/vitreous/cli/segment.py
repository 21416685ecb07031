"""vitreous segment"""

from pathlib import Path
from typing import Literal


def segment(
    run: Path,
    source: Path,
    out: Path = Path("masks"),
    refine: bool = False,
    prune: float | Literal["auto"] | None = None,
    npz: bool = False,
    mp4: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    device: str = "auto",
) -> None:
    """Segment images or videos with a trained run: label maps and overlays as PNG; videos keep their slot numbers.

    Args:
        run: Folder written by `vitreous train`.
        source: An image, a video, or a folder of either.
        out: Where labels/ and overlays/ go, one file per frame; made if missing.
        npz: Also write soft shares of every slot, to shares/ (float16, large).
        mp4: Also write the overlays of each video as a video (extra `video`).
        refine: Let borders follow the edges of the picture (guided filter) instead of interpolating the patches.
        prune: Make slots one that are nearer than this cosine distance, as 0.2, or auto: chosen for each picture.
        on_error: What a file that cannot be read does: stop with its name, or be skipped and listed.
        device: auto, cpu or gpu.
    """
    from vitreous.data import open_source
    from vitreous.predict.segment import Segmenter
    from vitreous.report.write import MaskWriter

    clips = open_source(source, on_error=on_error)
    with MaskWriter(out, npz=npz, mp4=mp4) as write:
        for found in Segmenter(run, device=device, refine=refine, same=prune).source(clips):
            print(write(found))
    for path, reason in clips.skipped:
        print(f"skipped {path}: {reason}")
