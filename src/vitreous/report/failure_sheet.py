"""Failures as pictures: a contact sheet of scene, truth, predictions, error maps and likely causes."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from vitreous.metrics.faults import CAUSES
from vitreous.report.failures import Failure, Prediction
from vitreous.report.pictures import PALETTE, overlay, paint, sheet

# right is the picture itself, in grey; the others from Okabe and Ito's set, told apart by most eyes
COLOURS = np.array(
    [(0, 0, 0), (240, 228, 66), (213, 94, 0), (0, 114, 178), (230, 159, 0), (204, 121, 167), (0, 158, 115)],
    dtype=np.uint8,
)
SIDE = 192  # of a tile, in pixels
Picture = UInt8[np.ndarray, "y x 3"]


def failure_sheet(failures: Sequence[Failure]) -> Image.Image:
    """A row per picture; a prediction, its errors and their causes per run."""
    columns = [
        ("picture", [failure.image for failure in failures]),
        ("truth", [truth_picture(failure) for failure in failures]),
    ]
    for i, first in enumerate(failures[0].predictions):
        own = [failure.predictions[i] for failure in failures]
        columns += [
            (first.run[:26], [prediction_picture(f.image, p) for f, p in zip(failures, own, strict=True)]),
            ("errors", [error_picture(f.image, p.errors) for f, p in zip(failures, own, strict=True)]),
            ("likely cause", [cause_tile(f, p) for f, p in zip(failures, own, strict=True)]),
        ]
    return sheet(columns, side=SIDE)


def truth_picture(failure: Failure) -> Picture:
    """True objects with their ids, which the causes speak of; the background is grey."""
    scale = max(1, round(SIDE / max(failure.true.shape)))  # enlarged before the ids are written, so they stay sharp
    large = failure.true.repeat(scale, 0).repeat(scale, 1)
    tile = Image.fromarray(paint(coloured(large)))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(13)
    for thing in np.unique(large[large > 0]).tolist():
        y, x = (min(max(at, 8), side - 8) for at, side in zip(middle(large == thing), large.shape, strict=True))
        draw.text((x, y), str(thing), fill="white", font=font, anchor="mm", stroke_width=1, stroke_fill="black")
    return np.asarray(tile)


def coloured(ids: Int[np.ndarray, "y x"]) -> Int[np.ndarray, "y x"]:
    """Places in the palette: grey, its last, for the background; objects share the others."""
    grey = len(PALETTE) - 1
    return np.where(ids > 0, (ids - 1) % grey, np.where(ids == 0, grey, -1))


def middle(mask: np.ndarray) -> tuple[int, int]:
    """A point well inside: of the mask's points the one nearest to their mean."""
    points = np.argwhere(mask)
    y, x = points[np.square(points - points.mean(0)).sum(1).argmin()]
    return int(y), int(x)


def prediction_picture(image: Picture, prediction: Prediction) -> Picture:
    """Slots over the picture, the background's untouched. An object's slot has its colour in the truth, spare ones have
    colours beyond.
    """
    whose = dict(prediction.owner)
    beyond = max([0, *whose.values()]) + 1
    for slot in np.unique(prediction.labels).tolist():
        if slot not in whose:
            whose[slot], beyond = beyond, beyond + 1
    names = np.array(sorted(whose))
    ids = np.array([whose[name] for name in names.tolist()])[np.searchsorted(names, prediction.labels)]
    tinted = overlay(image, coloured(ids))
    border = (tinted == 255).all(2)
    return np.where(((ids == 0) & ~border)[..., None], image, tinted)


def error_picture(image: Picture, errors: Int[np.ndarray, "y x"]) -> Picture:
    """What is wrong in its colour, over the picture in dark grey; what does not score is white."""
    grey = (0.5 * image.mean(2, keepdims=True)).repeat(3, 2)
    mixed = np.where((errors > 0)[..., None], 0.25 * grey + 0.75 * COLOURS[errors.clip(0)], grey)
    return np.where((errors < 0)[..., None], 255, mixed).round().astype(np.uint8)


def cause_tile(failure: Failure, prediction: Prediction) -> Picture:
    """The causes in words, each with its colour in the error map; the likely one first."""
    tile = Image.new("RGB", (SIDE, SIDE), "white")
    draw, small, font = ImageDraw.Draw(tile), ImageFont.load_default(12), ImageFont.load_default(14)
    draw.text((2, 1), f"{failure.metric} {prediction.value:.3f}", fill="black", font=font)
    top = 24
    for cause in prediction.causes:
        lines = wrap(cause.says, 28)
        if top + 16 + 14 * len(lines) > SIDE:
            break
        colour = tuple(COLOURS[CAUSES.index(cause.name)].tolist())
        draw.rectangle((2, top + 2, 12, top + 12), fill=colour, outline="black")
        draw.text((17, top), f"{cause.name} {cause.share:.0%}", fill="black", font=small)
        for i, line in enumerate(lines, start=1):
            draw.text((17, top + 14 * i), line, fill=(70, 70, 70), font=small)
        top += 18 + 14 * len(lines)
    if not prediction.causes:
        draw.text((2, top), "nothing is wrong", fill="black", font=small)
    draw.text((2, SIDE - 16), failure.name[:30], fill=(120, 120, 120), font=ImageFont.load_default(11))
    return np.asarray(tile)
