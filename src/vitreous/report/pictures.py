"""Label maps and features as pictures that a person can look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Integer, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

# Twenty-one colours apart from each other for most eyes (after Okabe & Ito, and Tol's muted set)
PALETTE = np.array(
    [
        (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167), (86, 180, 233), (240, 228, 66),
        (136, 34, 85), (17, 119, 51), (136, 204, 238), (221, 204, 119), (51, 34, 136), (170, 68, 153), (68, 170, 153),
        (204, 102, 119), (153, 153, 51), (102, 37, 6), (166, 206, 227), (51, 160, 44), (251, 154, 153), (160, 160, 160),
    ],
    dtype=np.uint8,
)  # fmt: skip


def paint(labels: Integer[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x 3"]:
    """A colour per label; -1 (does not score, undecided) is white. Labels beyond the palette use it again."""
    return np.where(labels[..., None] < 0, np.uint8(255), PALETTE[labels % len(PALETTE)])


def overlay(
    picture: UInt8[np.ndarray, "y x 3"], labels: Integer[np.ndarray, "y x"], strength: float = 0.55
) -> UInt8[np.ndarray, "y x 3"]:
    """Labels over the picture, with their borders drawn in white."""
    mixed = (1 - strength) * picture + strength * paint(labels)
    edge = np.zeros(labels.shape, dtype=bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    mixed[edge] = 255
    return mixed.round().astype(np.uint8)


def principal_colours(features: Float[Tensor, "n h w d"], *, clip: float = 0.01) -> UInt8[np.ndarray, "n h w 3"]:
    """The first three principal components of the patches of all pictures together, as RGB.

    The same colour means the same kind of patch in every picture. The lowest and highest `clip` share are cut off.
    """
    n, h, w, d = features.shape
    x = features.reshape(-1, d).float()
    x = x - x.mean(0)
    _, _, axes = torch.pca_lowrank(x, q=min(3, d), center=False, niter=4)
    flat = x @ axes
    low, high = torch.quantile(flat[:: max(1, len(flat) // 100_000)], torch.tensor([clip, 1 - clip]), dim=0)
    scaled = ((flat - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    scaled = torch.nn.functional.pad(scaled, (0, 3 - scaled.shape[1]))
    return (scaled * 255).round().to(torch.uint8).reshape(n, h, w, 3).numpy()


def sheet(
    columns: Sequence[tuple[str, Sequence[UInt8[np.ndarray, "_ _ 3"]]]], *, side: int = 192, gap: int = 6
) -> Image.Image:
    """A contact sheet: one named column per kind of picture, one row per scene."""
    rows = len(columns[0][1])
    head = 22
    width = len(columns) * (side + gap) + gap
    page = Image.new("RGB", (width, head + rows * (side + gap) + gap), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for i, (title, pictures) in enumerate(columns):
        left = gap + i * (side + gap)
        draw.text((left, 3), title, fill="black", font=font)
        for j, picture in enumerate(pictures):
            tile = Image.fromarray(np.ascontiguousarray(picture))
            scale = side / max(tile.size)
            size = (max(1, round(tile.width * scale)), max(1, round(tile.height * scale)))
            how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
            page.paste(tile.resize(size, how), (left, head + j * (side + gap)))
    return page


def save(page: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path
