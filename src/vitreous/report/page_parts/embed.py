"""Pictures and label maps as text that fits into a page."""

import zlib
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image

MEDIA = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
UNDECIDED = 255  # how -1 is written in a label map of the page


def data_uri(content: bytes, media: str) -> str:
    return f"data:{media};base64,{b64encode(content).decode()}"


def embed_file(path: Path) -> str:
    """A figure as it was written, by its ending: svg, png, jpg, webp."""
    return data_uri(path.read_bytes(), MEDIA[path.suffix.lower()])


def embed_drawing(figure: Any) -> str:
    """A matplotlib figure as SVG, the same text every time; as PNG where that is smaller."""
    import matplotlib

    found = []
    for media, options in (
        ("image/svg+xml", {"format": "svg", "metadata": {"Date": None}}),
        ("image/png", {"dpi": 150}),
    ):
        buffer = BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "vitreous"}):
            figure.savefig(buffer, **options)
        found.append(data_uri(buffer.getvalue(), media))
    return min(found, key=len)


def embed_picture(picture: UInt8[np.ndarray, "y x 3"], size: tuple[int, int], quality: int = 85) -> str:
    """A photograph of `size` (y, x) as JPEG."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")


def embed_labels(maps: Integer[np.ndarray, "n t y x"]) -> str:
    """Label maps of several runs over t frames: a byte per pixel, deflated, base64; -1 is 255.

    Each frame is written as what changes (exclusive or) since the one before: little does. A page unpacks it without
    reading a canvas back, which browsers that guard against fingerprinting blur.
    """
    labels = np.where(maps < 0, UNDECIDED, np.minimum(maps, UNDECIDED - 1)).astype(np.uint8)
    labels[:, 1:] ^= labels[:, :-1].copy()
    return b64encode(zlib.compress(labels.tobytes(), 9)).decode()


def display_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Size (y, x) to show a picture at: as it is, or with its longer side brought down to `side`."""
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(labels: Integer[np.ndarray, "y x"], size: tuple[int, int]) -> Integer[np.ndarray, "_ _"]:
    """Labels at a smaller size: those at the centre of each new pixel, since labels cannot be averaged."""
    rows, columns = (((np.arange(n) + 0.5) * old / n).astype(int) for n, old in zip(size, labels.shape, strict=True))
    return labels[np.ix_(rows, columns)]
