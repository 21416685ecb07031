"""Pictures of what was seen, as arrays: overlay, masks, attention, features."""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from vitreous.report.pictures import PALETTE, overlay
from vitreous.view.seen import Seen

LEAST = 512  # longest side of a picture on the page, in pixels: borders drawn on a smaller one are thick
DIMMED = 0.25  # how much is left of a picture outside of a mask


def readable(picture: UInt8[np.ndarray, "y x 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Large enough to be looked at."""
    y, x = picture.shape[:2]
    times = max(1.0, LEAST / max(y, x))
    return np.asarray(Image.fromarray(picture).resize((round(x * times), round(y * times)), Image.Resampling.BICUBIC))


def switched(
    picture: UInt8[np.ndarray, "y x 3"],
    labels: Int[np.ndarray, "y x"],
    on: Bool[np.ndarray, " k"],
    strength: int | float = 0.55,
) -> UInt8[np.ndarray, "y x 3"]:
    """The overlay where slots are switched on, the picture itself elsewhere."""
    return np.where(on[labels][..., None], overlay(picture, labels, float(strength)), picture)


def cut_out(
    picture: UInt8[np.ndarray, "y x 3"], share: Float[np.ndarray, "shares_y shares_x"], side: int = 128
) -> UInt8[np.ndarray, "_ _ 3"]:
    """What a slot owns, by its soft share; the rest of the picture is grey and dim."""
    small = Image.fromarray(picture)
    small.thumbnail((side, side))
    alpha = Image.fromarray(share.astype(np.float32)).resize(small.size, Image.Resampling.BILINEAR)
    pixels, weight = np.asarray(small).astype(np.float32), np.asarray(alpha).clip(0, 1)[..., None]
    rest = DIMMED * pixels.mean(2, keepdims=True) + (1 - DIMMED) * 24
    return (weight * pixels + (1 - weight) * rest).round().astype(np.uint8)


def looks(seen: Seen, frame: int) -> Float[np.ndarray, "i k h w"]:
    """Attention of each iteration, and the masks last, which may be something else."""
    masks = seen.masks[frame, None].float().numpy()
    if seen.attention is None:
        return masks
    attention = seen.attention[frame].float().numpy()
    return np.concatenate([attention, masks]) if attention.shape[1:] == masks.shape[1:] else attention


def tinted(share: Float[np.ndarray, "h w"], slot: int) -> UInt8[np.ndarray, "h w 3"]:
    """A share from black to the colour of its slot."""
    return (share.clip(0, 1)[..., None] * PALETTE[slot % len(PALETTE)]).round().astype(np.uint8)


def mixed(shares: Float[np.ndarray, "k h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """All slots at once: colours mixed by shares; what is disputed turns grey."""
    colours = PALETTE[np.arange(len(shares)) % len(PALETTE)].astype(np.float32)
    return np.einsum("khw,kc->hwc", shares, colours).clip(0, 255).round().astype(np.uint8)


def enlarged(pixels: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "_ _ 3"]:
    """To (y, x), every patch with its edges."""
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.NEAREST))
