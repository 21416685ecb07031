"""Segmentations as files."""

from pathlib import Path

import numpy as np
from PIL import Image

from vitreous.predict.segment import Segmented
from vitreous.report.pictures import PALETTE, overlay


def write_segmentation(found: Segmented, out: Path) -> Path:
    """labels/NAME.png (8-bit palette: pixel = slot number) and overlays/NAME.png; returns the overlay."""
    labels = found.found.labels[0].numpy().astype(np.uint8)
    name = f"{found.name}.png"
    indexed = Image.fromarray(labels)
    indexed.putpalette(np.resize(PALETTE, (256, 3)).tobytes())
    for folder, picture in (("labels", indexed), ("overlays", Image.fromarray(overlay(found.picture, labels)))):
        path = out / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    return out / "overlays" / name
