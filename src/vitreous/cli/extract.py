"""vitreous extract: pictures or videos -> feature store."""

import sys
from pathlib import Path
from typing import Literal


def extract_features(
    source: Path,
    out: Path | None = None,
    backbone: str = "glass_tiny",
    grid: str = "16",
    fit: Literal["crop", "squash"] = "crop",
    views: str = "identity",
    split: str | None = None,
    layer: int | None = None,
    facet: Literal["token", "key", "query", "value", "token+key"] = "token",
    dtype: Literal["bfloat16", "float32"] = "bfloat16",
    device: str = "auto",
    batch_size: int = 32,
    on_error: Literal["raise", "skip"] = "raise",
    keep_side: int = 1024,
    workers: int | None = None,
    commit_rows: int = 512,
    frames_as_video: Literal["auto", "never", "always"] = "auto",
    stride: int = 1,
    max_pixels: int = 100_000_000,
    grey_bits: int = 16,
    void: int | None = None,
) -> None:
    """Run a frozen backbone over pictures and videos once and keep its features, with the pictures and ids.

    Call it again to go on after an interruption, or in a second terminal to share the work.

    Args:
        source: Folder of pictures and videos, or of rendered clips; or one file.
        out: The store; default: the source's name and the backbone's, here.
        backbone: Preset (see `vitreous backbones list`), hub id, or folder in the hub's format.
        grid: Patches per side: 16, or 16x24 for 16 rows of 24.
        fit: crop the largest centred part with the grid's aspect ratio, or squash the whole picture.
        views: Stored for each frame, as in "identity hflip"; also vflip, hvflip, rot90, rot270, turn:DEGREES (an angle
            drawn by the picture), crop:LEFT,TOP,RIGHT,BOTTOM in shares of the picture, and these joined and
            blurred, as in "hflip+blur:5".
        split: Take one part of the data set: its folder train or test.
        layer: Block whose output is taken; default: the last one, after the final norm.
        facet: Patch tokens; the keys, queries or values of that block's attention; or tokens and keys side by side.
        dtype: Of the forward pass; features are stored as float16.
        device: auto, cpu, cuda, cuda:1 ...
        batch_size: Pictures per forward pass; a store that goes on keeps its own.
        on_error: Stop at what cannot be read, or skip it and list it.
        keep_side: Longest side of the stored pictures, in pixels.
        workers: Threads that read pictures; default: one per core, at most 8.
        commit_rows: Rows become safe in groups of this size, or after 10 seconds.
        frames_as_video: Whether a sub-folder of numbered pictures is a video; auto goes by names and sizes.
        stride: Take every n-th frame of videos.
        max_pixels: Larger pictures are refused before they are decoded.
        grey_bits: White in 16-bit grey pictures is 2**grey_bits - 1; many microscopes write 12.
        void: One more id that marks pixels not to score.
    """
    from vitreous.backbones import load_backbone
    from vitreous.data import Reading, open_source
    from vitreous.features.extract import extract
    from vitreous.features.preprocess import sides

    reading = Reading(frames_as_video, stride, max_pixels, grey_bits, void)
    data = open_source(source, on_error, split, None if reading == Reading() else reading)
    model = load_backbone(backbone, layer=layer, facet=facet, dtype=dtype, device=device)
    out = out or Path(f"{data.name.replace('/', '-')}-{model.name.replace('/', '--')}.lance")
    store = extract(
        data,
        out,
        model,
        grid=sides(grid),
        fit=fit,
        views=views.split(),
        batch_size=batch_size,
        on_error=on_error,
        keep_side=keep_side,
        workers=workers,
        commit_rows=commit_rows,
    )
    for line in getattr(data, "notes", []):
        print(f"note: {line}", file=sys.stderr)
    for what, why in store.meta.skipped:
        print(f"skipped {what}: {why}", file=sys.stderr)
    h, w, d = store.meta.shape
    about = getattr(data, "describe", lambda: f"{len(data.keys)} clips")
    print(f"source          {data.name}: {about()}")
    print(f"store           {out}")
    print(f"rows            {len(store)} of {len(store.keys)} clips, {len(store.meta.skipped)} skipped")
    print(f"features        {h} x {w} patches of {d} numbers, {store.meta.backbone['name']}")
    print(f"position share  {store.stats.position_share:.1%} of the variance")
    print(f"Next:  vitreous train {out}")
