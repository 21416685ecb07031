"""Pictures side by side with a line above each."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

HEIGHT, GAP, HEAD = 256, 8, 24  # px


def row_of_pictures(columns: Sequence[tuple[str, UInt8[np.ndarray, "_ _ 3"]]]) -> Image.Image:
    """One row; all of one height."""
    tiles = []
    for _, picture in columns:
        width = max(1, round(picture.shape[1] * HEIGHT / picture.shape[0]))
        how = Image.Resampling.NEAREST if picture.shape[0] < HEIGHT else Image.Resampling.LANCZOS
        tiles.append(Image.fromarray(picture).resize((width, HEIGHT), how))
    page = Image.new("RGB", (sum(tile.width + GAP for tile in tiles) + GAP, HEAD + HEIGHT + GAP), "white")
    draw, font, left = ImageDraw.Draw(page), ImageFont.load_default(14), GAP
    for (title, _), tile in zip(columns, tiles, strict=True):
        draw.text((left, 4), title, fill="black", font=font)
        page.paste(tile, (left, HEAD))
        left += tile.width + GAP
    return page
