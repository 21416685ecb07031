"""What is on the screen, as a ZIP file."""

import io
import json
import re
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from jaxtyping import Int
from PIL import Image

from vitreous.report.pictures import PALETTE
from vitreous.view.draw import switched
from vitreous.view.measured import Measured
from vitreous.view.names import Choices
from vitreous.view.screen import Held, Wishes, target_of, within
from vitreous.view.seen import Seen


def pack(held: Held, wishes: Wishes, folder: Path) -> Path:
    """What a session has on its screen. Of a run that finds objects:

    picture.png         the part that was looked at
    overlay.png         the slots that are switched on, over it
    labels.png          8-bit palette: pixel = slot number, switched on or not
    masks/03_NAME.png   255 where a slot owns the pixel; of those that are switched on
    slots.json          run, picture, frame; a line per slot: name, on, share of the pixels, colour, file

    Of a regression run: picture.png, overlay.png (the map of one number) and numbers.json.
    """
    path = folder / f"{file_name(Path(held.pictures.name).stem)}.zip"
    files = of_numbers(held, wishes) if isinstance(held.shown, Measured) else of_slots(held, wishes)
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def of_slots(held: Held, wishes: Wishes) -> dict[str, bytes]:
    seen, choices = held.shown, held.choices
    assert isinstance(seen, Seen)
    frame = within(seen, wishes.frame)
    picture = seen.pictures[frame]
    labels = seen.pixels(picture, frame, wishes.follow_edges).labels[0].numpy()
    lines = [line(seen, choices, slot, labels) for slot in range(seen.slots)]
    about = {"run": seen.run.name, "picture": seen.name, "frame": frame, "size": list(labels.shape), "slots": lines}
    files = {
        "picture.png": png(Image.fromarray(picture)),
        "overlay.png": png(Image.fromarray(switched(picture, labels, choices.on(seen.slots), wishes.strength))),
        "labels.png": png(indexed(labels)),
    }
    for one in lines:
        if one["file"]:
            files[one["file"]] = png(Image.fromarray((labels == one["slot"]).astype(np.uint8) * 255))
    return files | {"slots.json": as_json(about)}


def of_numbers(held: Held, wishes: Wishes) -> dict[str, bytes]:
    measured = held.shown
    assert isinstance(measured, Measured)
    lines = [{"name": name, "number": value, "over_folds": spread} for name, value, spread in measured.numbers()]
    about = {"run": measured.run.name, "picture": measured.name, "numbers": lines}
    return {
        "picture.png": png(Image.fromarray(measured.picture)),
        "overlay.png": png(Image.fromarray(measured.drawn(target_of(measured, wishes)))),
        "numbers.json": as_json(about),
    }


def as_json(about: dict) -> bytes:
    return (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()


def line(seen: Seen, choices: Choices, slot: int, labels: Int[np.ndarray, "y x"]) -> dict:
    owned, on = labels == slot, slot not in choices.off
    colour = "#" + bytes(PALETTE[slot % len(PALETTE)].tolist()).hex()
    file = f"masks/{slot:02d}_{file_name(choices.name(slot))}.png" if on and owned.any() else None
    share = round(float(owned.mean()), 6)
    return {"slot": slot, "name": choices.name(slot), "on": on, "share": share, "colour": colour, "file": file}


def file_name(name: str) -> str:
    """Letters, digits and lines only: a name comes from whoever uses the page, and must not lead out of a folder.

    >>> file_name("../Red cube!")
    'Red_cube'
    """
    return re.sub(r"\W+", "_", name).strip("_") or "slot"


def indexed(labels: Int[np.ndarray, "y x"]) -> Image.Image:
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(np.resize(PALETTE, (256, 3)).tobytes())
    return picture


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
