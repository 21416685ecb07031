"""Slot -> the pictures whose slots are closest: what a direction in slot space means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vitreous.features.store import FeatureStore
from vitreous.predict.segment import to_pixels
from vitreous.report.pictures import sheet
from vitreous.report.slot_space import SlotSpace, grouped

SIDE = 132  # of a tile, in pixels


@dataclass(frozen=True)
class Neighbours:
    """A slot and those closest to it, of other clips; lines of the table of a slot space.

    cosine  of each with the slot
    """

    slot: int
    others: tuple[int, ...]
    cosine: tuple[float, ...]


def neighbours(space: SlotSpace, queries: int = 8, count: int = 6, seed: int = 0) -> list[Neighbours]:
    """For slots from all over the space (each the nearest to the centre of a cluster), their nearest of other clips.

    Slots of the background are no queries; without the truth, neither are those that win half of a picture.
    """
    table = space.table
    asked = (table["kind"] == "object" if "kind" in table else table["share"] < 0.5).to_numpy()
    unit, clips = space.unit, table["key"].to_numpy()
    found = []
    for slot in centres(unit, np.flatnonzero(asked), queries, seed):
        cosine = unit @ unit[slot]
        cosine[clips == clips[slot]] = -np.inf
        best = [int(i) for i in np.argsort(-cosine, kind="stable")[:count] if np.isfinite(cosine[i])]
        found.append(Neighbours(slot, tuple(best), tuple(float(cosine[i]) for i in best)))
    return found


def centres(unit: Float[np.ndarray, "n s"], among: Int[np.ndarray, " m"], count: int, seed: int) -> list[int]:
    """Of each of so many clusters the slot nearest to its mean, the largest cluster first."""
    if len(among) <= count:
        return among.tolist()
    labels = grouped(unit[among], count, seed)
    order = np.argsort(-np.bincount(labels), kind="stable")
    members = [among[labels == label] for label in order]
    return [int(own[np.argmax(unit[own] @ unit[own].mean(0))]) for own in members]


def neighbour_sheet(space: SlotSpace, store: FeatureStore, found: Sequence[Neighbours]) -> Image.Image:
    """A row per slot: its own crop, then those of its neighbours, masks outlined, with their cosines."""
    most = max(len(near.others) for near in found)
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    columns = [("slot", [crop(space, store, near.slot, label(space, near.slot)) for near in found])]
    for i in range(most):
        tiles = [
            crop(space, store, near.others[i], label(space, near.others[i]), f"{near.cosine[i]:.2f}")
            if i < len(near.others)
            else blank
            for near in found
        ]
        columns.append(("nearest" if i == 0 else f"{i + 1}", tiles))
    return sheet(columns, side=SIDE)


def label(space: SlotSpace, slot: int) -> str:
    """What the truth says that it shows."""
    line = space.table.iloc[slot]
    if "kind" not in line or line["kind"] != "object":
        return str(line.get("kind", ""))
    return " ".join(str(line[name]) for name in ("colour", "material", "shape") if isinstance(line.get(name), str))


def crop(space: SlotSpace, store: FeatureStore, slot: int, text: str, above: str = "") -> UInt8[np.ndarray, "y x 3"]:
    """The part of the picture that a slot of a space owns."""
    line = space.table.iloc[slot]
    row = int(line["row"])
    return cut(store.frame(row).image, space.masks[row], int(line["slot"]), text, above)


def cut(
    image: UInt8[np.ndarray, "y x 3"], masks: Float[Tensor, "k h w"], slot: int, text: str = "", above: str = ""
) -> UInt8[np.ndarray, "side side 3"]:
    """The part of a picture that a slot owns, with some room around it, its mask outlined."""
    scale = 2 * SIDE / min(image.shape[:2])  # enlarged before it is cut: the outline stays thin
    size = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    owned = (to_pixels(masks[None], size).labels[0] == slot).numpy()
    top, left, side = window(owned)
    here = slice(top, top + side), slice(left, left + side)
    large = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    tile = Image.fromarray(np.asarray(large)[here]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    shape = np.asarray(Image.fromarray(owned[here]).resize((SIDE, SIDE), Image.Resampling.NEAREST))
    edge = np.zeros_like(shape)
    edge[:, 1:] |= shape[:, 1:] != shape[:, :-1]
    edge[1:] |= shape[1:] != shape[:-1]
    pixels = np.asarray(tile).copy()
    pixels[np.roll(edge, 1, (0, 1)) & ~edge] = 0  # a dark line beside the light one: it shows on any ground
    pixels[edge] = 255
    marked = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(marked), ImageFont.load_default(11)
    for at, words in (((3, 1), above), ((3, SIDE - 15), text[:26])):
        draw.text(at, words, fill="white", font=font, stroke_width=1, stroke_fill="black")
    return np.asarray(marked)


def window(owned: Bool[np.ndarray, "y x"]) -> tuple[int, int, int]:
    """Top, left and side of a square around a mask, half as large again, inside the picture."""
    y, x = np.flatnonzero(owned.any(1)), np.flatnonzero(owned.any(0))
    if not len(y):  # it owns patches, but no pixel once they are interpolated
        return 0, 0, min(owned.shape)
    wide = max(y[-1] - y[0], x[-1] - x[0]) + 1
    side = int(min(max(1.5 * wide, 0.3 * min(owned.shape)), *owned.shape))
    corner = [(a[0] + a[-1] + 1 - side) // 2 for a in (y, x)]
    top, left = (int(min(max(at, 0), length - side)) for at, length in zip(corner, owned.shape, strict=True))
    return top, left, side
