"""Regions of a label map, pixels of one label that touch: too small to be something, or each something of its own."""

import numpy as np
import torch
from jaxtyping import Int
from scipy.ndimage import distance_transform_edt
from skimage.measure import label

from vitreous.errors import VitreousError
from vitreous.types import Segmentation


def check_area(area: float | int, name: str = "min_area") -> float | int:
    """Refuse what is neither a share of the picture nor a number of pixels."""
    if area < 0:
        raise VitreousError(f"{name} is {area}: a share of the picture as 0.002, or a number of pixels as 50.")
    return area


def separated(found: Segmentation, area: float | int) -> tuple[Segmentation, list[int]]:
    """Regions of one slot that do not touch become segments of their own: like things share a slot, but not a place.

    The largest region keeps the slot's number, the others get numbers after those of all slots. Regions below `area`,
    and the slot's shares elsewhere, go with the nearest region of their slot that is large enough.

    area  below 1 a share of the picture, else a number of pixels

    Returns the segmentation of one picture, and which slot each number comes from.
    """
    labels = found.labels[0].numpy().copy()
    shares = None if found.shares is None else list(found.shares[0])
    origin = list(range(int(labels.max()) + 1 if shares is None else len(shares)))
    regions = np.asarray(label(labels, background=-1, connectivity=1))  # 0 where nothing was decided
    sizes, slots = np.bincount(regions.ravel()), np.zeros(regions.max() + 1, int)
    slots[regions.ravel()] = labels.ravel()
    large = np.flatnonzero((sizes >= pixels(area, labels)) & (slots >= 0))
    for slot in np.unique(slots[large]).tolist():
        first, *others = sorted(large[slots[large] == slot].tolist(), key=lambda region: -sizes[region])
        if not others:
            continue
        away = ~np.isin(regions, [first, *others])
        nearest = distance_transform_edt(away, return_distances=False, return_indices=True)
        near = regions[tuple(np.asarray(nearest))]
        for region in others:
            labels[(labels == slot) & (near == region)] = len(origin)
            origin.append(slot)
            if shares is not None:
                here = torch.from_numpy(near == region)
                shares.append(shares[slot] * here)
                shares[slot] = shares[slot] * ~here
    kept = None if shares is None else torch.stack(shares)[None]
    return Segmentation(torch.from_numpy(labels)[None], kept), origin


def pixels(area: float | int, labels: Int[np.ndarray, "y x"]) -> float:
    return float(area * labels.size if area < 1 else area)


def without_small(labels: Int[np.ndarray, "y x"], area: float | int) -> Int[np.ndarray, "y x"]:
    """Regions (pixels of one label that touch by their sides) below `area` go to the nearest pixel of what stays.

    area  below 1 a share of the picture, else a number of pixels; the largest region always stays
    """
    regions = np.asarray(label(labels, background=-2, connectivity=1))  # no label is -2: none is left out
    sizes = np.bincount(regions.ravel())
    stays = sizes >= min(pixels(area, labels), sizes.max())
    if stays.all():
        return labels
    nearest = distance_transform_edt(~stays[regions], return_distances=False, return_indices=True)
    return labels[tuple(np.asarray(nearest))]
