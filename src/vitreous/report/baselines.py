"""Rows of every table that learn nothing, and the ceiling that a grid sets: so that a number can be judged."""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageFilter
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, one_hot


def superpixels(
    picture: UInt8[np.ndarray, "y x 3"], scale: float = 2000, chroma: float = 3.0
) -> Int[np.ndarray, "y x"]:
    """Felzenszwalb & Huttenlocher 2004 on the smoothed picture: 5x5 median, Lab with chroma weighted `chroma`:1.

    Chroma counts more because shading and shadows move lightness only.
    """
    smooth = np.asarray(Image.fromarray(picture).filter(ImageFilter.MedianFilter(5)))
    lab = rgb2lab(smooth) * (1.0, chroma, chroma) / 100
    return felzenszwalb(lab, scale=scale, sigma=0.5, min_size=20)


def kmeans_masks(
    features: Float[Tensor, "h w d"], clusters: int, seed: int = 0, starts: int = 4
) -> Float[Tensor, "k h w"]:
    """k-means on the patches of one picture, the best of some starts; a hard mask per cluster."""
    h, w, d = features.shape
    flat = features.reshape(-1, d).float().numpy()
    clusters = min(clusters, len(np.unique(flat, axis=0)))
    # n_init takes a number too, whatever the stubs say
    labels = KMeans(clusters, n_init=starts, random_state=seed).fit_predict(flat)  # pyright: ignore[reportArgumentType]
    return one_hot(torch.from_numpy(labels).long(), clusters).T.reshape(clusters, h, w).float()


def ceiling_masks(ids: Int[Tensor, "y x"], grid: tuple[int, int]) -> Float[Tensor, "k h w"]:
    """The best soft masks that a grid can hold: the true share of each patch that each object covers."""
    names = ids.clamp(min=0).unique()
    hot = (ids[None] == names[:, None, None]).float()
    return adaptive_avg_pool2d(hot[None], grid)[0]
