"""Segments as COCO knows them: one file, masks run-length encoded by pycocotools (extra: coco).

An annotation per slot that owns a pixel. COCO's own tools load the file; beside what they know, an annotation holds
`slot`, its number, which lasts over a video, and `share`, the mean share of its pixels that it owns.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from vitreous import __version__
from vitreous.extras import need
from vitreous.predict.segment import Segmented


class CocoFile:
    """Collects frames; `write` makes the file, in whole or not at all."""

    def __init__(self, about: str) -> None:
        self.mask: Any = need("pycocotools.mask", "coco", "Writing COCO masks")
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.info = {
            "description": f"segments by {about}" if about else "segments",
            "version": f"vitreous {__version__}",
        }

    def add(self, found: Segmented, file: str) -> None:
        labels, image = found.found.labels[0].numpy(), len(self.images) + 1
        shares = None if found.found.shares is None else found.found.shares[0].numpy()
        size = {"height": labels.shape[0], "width": labels.shape[1]}
        self.images.append({"id": image, "file_name": file, **size, "clip": found.clip})
        for slot in np.unique(labels[labels >= 0]).tolist():
            owned = labels == slot
            share = None if shares is None else round(float(shares[slot][owned].mean()), 4)
            self.annotations.append(
                {"id": len(self.annotations) + 1, "image_id": image, "slot": slot, "share": share, **self.shape(owned)}
            )

    def shape(self, owned: Bool[np.ndarray, "y x"]) -> dict[str, Any]:
        """What COCO asks of an annotation; boxes are (x, y, width, height)."""
        coded = self.mask.encode(np.asfortranarray(owned.astype(np.uint8)))
        return {
            "category_id": 1,
            "segmentation": {"size": list(coded["size"]), "counts": coded["counts"].decode("ascii")},
            "area": int(self.mask.area(coded)),
            "bbox": [float(side) for side in self.mask.toBbox(coded)],
            "iscrowd": 0,
        }

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        categories = [{"id": 1, "name": "segment", "supercategory": "segment"}]
        saved = {"info": self.info, "categories": categories, "images": self.images, "annotations": self.annotations}
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(saved))
        new.replace(path)
        return path
