"""Parts of the page as HTML. Names and keys come from people and files: all of them pass through `safe`."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from vitreous.features.store import FeatureStore
from vitreous.report.pictures import PALETTE
from vitreous.types import Segmentation
from vitreous.view.draw import cut_out, enlarged, looks, mixed, tinted
from vitreous.view.measured import Measured
from vitreous.view.names import LONGEST, Choices
from vitreous.view.nearest import Found
from vitreous.view.seen import Seen

TILE = 64  # px of a tile of attention, at least


def safe(text: str) -> str:
    """As text in HTML; braces too, as Gradio's templates know them."""
    return escape(text).replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;").replace("`", "&#96;")


def colour(slot: int) -> str:
    return "#" + bytes(PALETTE[slot % len(PALETTE)].tolist()).hex()


def embedded(pixels: UInt8[np.ndarray, "y x 3"], kind: str = "PNG") -> str:
    """A picture as an address, so that the page asks nobody for it."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, quality=85)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


def cards(seen: Seen, frame: int, found: Segmentation, choices: Choices, find: bool = True) -> str:
    """A card per slot, the largest first: its mask, its share, a switch, a name. Those that own nothing are counted."""
    assert found.shares is not None
    labels, shares = found.labels[0].numpy(), found.shares[0].numpy()
    owned = np.array([float((labels == slot).mean()) for slot in range(seen.slots)])
    order = [int(slot) for slot in np.argsort(-owned, kind="stable")]
    shown = [slot for slot in order if owned[slot] > 0]
    masks = {slot: cut_out(seen.pictures[frame], shares[slot]) for slot in shown}
    parts = [card(slot, choices, owned[slot], masks[slot], find) for slot in shown]
    empty = [hidden(slot, choices) for slot in order if owned[slot] == 0]
    said = f'<p class="vt-quiet">{len(empty)} of {seen.slots} slots own nothing here.</p>' if empty else ""
    return f'<div class="vt-cards">{"".join(parts + empty)}</div>{said}'


def card(slot: int, choices: Choices, share: float, mask: UInt8[np.ndarray, "y x 3"], find: bool) -> str:
    name = safe(choices.name(slot))
    checked = "" if slot in choices.off else " checked"
    button = '<button type="button" class="vt-find">Find elsewhere</button>' if find else ""
    return (
        f'<div class="vt-card" data-slot="{slot}" style="--slot: {colour(slot)}">'
        f'<img src="{embedded(mask, "JPEG")}" alt="mask of {name}">'
        f'<label class="vt-switch"><input type="checkbox"{checked} aria-label="show {name}">'
        f"<b>{share:.1%}</b></label>"
        f'<input type="text" value="{name}" maxlength="{LONGEST}" aria-label="name of slot {slot}" autocomplete="off">'
        f"{button}</div>"
    )


def hidden(slot: int, choices: Choices) -> str:
    """What a person said of a slot that owns nothing in this frame; it may do so in the next."""
    checked = "" if slot in choices.off else " checked"
    return (
        f'<div data-slot="{slot}" hidden><input type="checkbox"{checked}>'
        f'<input type="text" value="{safe(choices.name(slot))}"></div>'
    )


def attention(seen: Seen, frame: int, choices: Choices) -> str:
    """Who attends where, after each iteration; the masks last. A row of all slots together, then one per slot."""
    maps = looks(seen, frame)
    rounds = len(maps) - (0 if seen.attention is None else int(len(maps) > seen.attention.shape[1]))
    heads = [str(i + 1) for i in range(rounds)] if seen.attention is not None else []
    heads += ["masks"] * (len(maps) - len(heads))
    won = [int(slot) for slot in np.argsort(-seen.won()[frame], kind="stable") if seen.won()[frame, slot] > 0]
    rows = [row("all", [mixed(one) for one in maps])]
    rows += [row(choices.name(slot), [tinted(one[slot], slot) for one in maps], colour(slot)) for slot in won]
    said = "" if seen.attention is not None else '<p class="vt-quiet">This method has no attention to show.</p>'
    top = "".join(f"<th>{head}</th>" for head in ("iteration", *heads))
    return f'{said}<div class="vt-scroll"><table class="vt-looks"><tr>{top}</tr>{"".join(rows)}</table></div>'


def row(name: str, tiles: Sequence[UInt8[np.ndarray, "h w 3"]], mark: str = "transparent") -> str:
    images = "".join(
        f'<td><img class="vt-patches" src="{embedded(tile)}" alt="{safe(name)}, {at + 1}"></td>'
        for at, tile in enumerate(tiles)
    )
    return f'<tr><th scope="row" style="--slot: {mark}">{safe(name)}</th>{images}</tr>'


def neighbours(found: Sequence[Found], store: FeatureStore, name: str) -> str:
    """Cut-outs of the nearest slots, with their cosines."""
    if not found:
        return f'<p class="vt-quiet">No other picture of {safe(store.path.name)} has a slot to show.</p>'
    tiles = "".join(
        f'<figure><img src="{embedded(one.picture(store), "JPEG")}" alt="{safe(one.key)}"><figcaption>'
        f"<b>{one.cosine:.2f}</b> {safe(one.key)}{f' · frame {one.frame}' if one.frame else ''}</figcaption></figure>"
        for one in found
    )
    return (
        f'<p class="vt-quiet">Nearest to <b>{safe(name)}</b> in {safe(store.path.name)}; the number is the cosine of '
        f'the two slots, 1 is alike.</p><div class="vt-found">{tiles}</div>'
    )


def pca(
    picture: UInt8[np.ndarray, "y x 3"], patches: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "y x"]
) -> str:
    """The features beside the picture."""
    size = (picture.shape[0], picture.shape[1])
    tiles = (("picture", picture), ("features", enlarged(patches, size)), ("slots", PALETTE[labels % len(PALETTE)]))
    shown = "".join(
        f'<figure><img src="{embedded(image, "JPEG")}" alt="{name}"><figcaption>{name}</figcaption></figure>'
        for name, image in tiles
    )
    said = "Three principal components of the patches as red, green and blue: one colour is one kind of patch."
    return f'<p class="vt-quiet">{said}</p><div class="vt-found vt-wide">{shown}</div>'


def numbers(measured: Measured) -> str:
    """The numbers of a regression run."""
    lines = "".join(
        f'<tr><th scope="row">{safe(target)}</th><td>{value:.4g}</td><td>± {spread:.2g}</td></tr>'
        for target, value, spread in measured.numbers()
    )
    return f'<table class="vt-numbers"><tr><th></th><th>number</th><th>over folds</th></tr>{lines}</table>'


def message(lines: Sequence[str], bad: bool = False) -> str:
    """What one should know; an error is read aloud at once."""
    if not lines:
        return ""
    said = "<br>".join(safe(line) for text in lines for line in text.splitlines())
    return f'<div class="vt-message{" vt-bad" if bad else ""}" role="{"alert" if bad else "status"}">{said}</div>'
