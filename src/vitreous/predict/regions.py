"""Regions of a label map that are too small to be something."""

import numpy as np
from jaxtyping import Int
from scipy.ndimage import distance_transform_edt
from skimage.measure import label

from vitreous.errors import VitreousError


def check_area(area: float | int) -> float | int:
    """Refuse what is neither a share of the picture nor a number of pixels."""
    if area < 0:
        raise VitreousError(f"min_area is {area}: a share of the picture as 0.002, or a number of pixels as 50.")
    return area


def without_small(labels: Int[np.ndarray, "y x"], area: float | int) -> Int[np.ndarray, "y x"]:
    """Regions (pixels of one label that touch by their sides) below `area` go to the nearest pixel of what stays.

    area  below 1 a share of the picture, else a number of pixels; the largest region always stays
    """
    least = area * labels.size if area < 1 else area
    regions = np.asarray(label(labels, background=-2, connectivity=1))  # no label is -2: none is left out
    sizes = np.bincount(regions.ravel())
    stays = sizes >= min(least, sizes.max())
    if stays.all():
        return labels
    nearest = distance_transform_edt(~stays[regions], return_distances=False, return_indices=True)
    return labels[tuple(np.asarray(nearest))]
