"""Views of a picture: flips, turns and crops of all that is kept of it, and a blur of what the backbone sees.

A view is one of these, or several joined by "+", done from left to right:

    identity hflip vflip hvflip rot90 rot270
    crop:LEFT,TOP,RIGHT,BOTTOM   in shares of the picture
    turn:A                       by an angle from -A to A degrees, nearest pixel, corners cut off and black
    blur:N  blur:N,random        Gaussian over N x N pixels of what the backbone sees; last part only

What is drawn (the angle; with `random`, the width of the blur) is drawn by the picture's own pixels, so that features
can be computed again from the stored picture.
"""

from zlib import crc32

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image

from vitreous.errors import VitreousError, did_you_mean

TURNS = {
    "identity": lambda a: a,
    "hflip": lambda a: a[:, ::-1],
    "vflip": lambda a: a[::-1],
    "hvflip": lambda a: a[::-1, ::-1],
    "rot90": lambda a: np.rot90(a),  # counter-clockwise
    "rot270": lambda a: np.rot90(a, 3),
}
RANDOM_SIGMA = (0.1, 2.0)  # px; what torchvision's GaussianBlur draws from when it is given a size alone


def check_views(views: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an empty list, unknown names, boxes outside the picture and the same view twice."""
    if not views or len(set(views)) < len(views):
        raise VitreousError(f"Views must be one or more different names, got {list(views)}.")
    for view in views:
        parts = view.split("+")
        for part in parts:
            kind = part.partition(":")[0]
            if kind not in ("crop", "turn", "blur") and part not in TURNS:
                known = [*TURNS, "crop:0.1,0.1,0.9,0.9", "turn:90", "blur:5"]
                raise VitreousError(f'No view "{part}".{did_you_mean(part, known)}')
            {"crop": crop_box, "turn": most_degrees, "blur": blur_size}.get(kind, str)(part)
        if any(part.startswith("blur:") for part in parts[:-1]):
            raise VitreousError(f'View "{view}": a blur is the last part, as it comes after the resize.')
    return views


def crop_box(view: str) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of "crop:0.1,0.1,0.9,0.9", as shares of the picture."""
    try:
        left, top, right, bottom = map(float, view.removeprefix("crop:").split(","))
    except ValueError:
        raise VitreousError(f'View "{view}" is not crop:LEFT,TOP,RIGHT,BOTTOM, as in crop:0.1,0.1,0.9,0.9') from None
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise VitreousError(f'View "{view}": needs 0 <= left < right <= 1 and 0 <= top < bottom <= 1.')
    return left, top, right, bottom


def most_degrees(part: str) -> float:
    """180 of "turn:180"."""
    try:
        degrees = float(part.removeprefix("turn:"))
    except ValueError:
        degrees = float("nan")
    if not 0 < degrees <= 360:
        raise VitreousError(f'View "{part}" is not turn:DEGREES, as in turn:90.')
    return degrees


def blur_size(part: str) -> tuple[int, bool]:
    """Pixels, and whether the width is drawn: (5, True) of "blur:5,random"."""
    number, comma, how = part.removeprefix("blur:").partition(",")
    if not number.isdigit() or int(number) % 2 == 0 or (comma and how != "random"):
        raise VitreousError(f'View "{part}" is not blur:PIXELS with an odd number, as in blur:5 or blur:5,random.')
    return int(number), bool(comma)


def viewed(
    pixels: Shaped[np.ndarray, "y x *c"], view: str, drawn_by: UInt8[np.ndarray, "y x 3"] | None = None
) -> Shaped[np.ndarray, "Y X *c"]:
    """A view of a picture or an id map, without its blur; not copied where nothing is turned by an angle.

    drawn_by  the picture that an id map belongs to, so that both are turned alike
    """
    drawn_by = pixels if drawn_by is None else drawn_by
    for part in view.split("+"):
        if part in TURNS:
            pixels = TURNS[part](pixels)
        elif part.startswith("crop:"):
            left, top, right, bottom = crop_box(part)
            y, x = pixels.shape[:2]
            rows = slice(round(top * y), max(round(bottom * y), round(top * y) + 1))
            pixels = pixels[rows, round(left * x) : max(round(right * x), round(left * x) + 1)]
        elif part.startswith("turn:"):
            most = most_degrees(part)
            pixels = turned(pixels, float(draws(drawn_by, view).uniform(-most, most)))
    return pixels


def draws(pixels: Shaped[np.ndarray, "y x *c"], view: str) -> np.random.Generator:
    return np.random.default_rng([crc32(np.ascontiguousarray(pixels).tobytes()), crc32(view.encode())])


def turned(pixels: Shaped[np.ndarray, "y x *c"], degrees: float) -> Shaped[np.ndarray, "y x *c"]:
    """Counter-clockwise about the centre; ids outside are background."""
    kind = pixels.dtype if pixels.ndim == 3 else np.int32
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=kind))
    return np.asarray(picture.rotate(degrees, Image.Resampling.NEAREST)).astype(pixels.dtype)


def blurred(image: UInt8[np.ndarray, "y x 3"], view: str) -> UInt8[np.ndarray, "y x 3"]:
    """With the blur that the view ends in, if any; borders are mirrored.

    The usual width for N pixels, 0.3 ((N - 1) / 2 - 1) + 0.8: 1.1 for 5.
    """
    part = view.split("+")[-1]
    if not part.startswith("blur:"):
        return image
    from scipy.ndimage import correlate1d

    size, random = blur_size(part)
    sigma = draws(image, view).uniform(*RANDOM_SIGMA) if random else 0.3 * ((size - 1) / 2 - 1) + 0.8
    kernel = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    soft = image.astype(np.float32)
    for axis in (0, 1):
        soft = correlate1d(soft, kernel / kernel.sum(), axis, mode="mirror")
    return soft.round().astype(np.uint8)
