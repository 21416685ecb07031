"""The page: Gradio's components, and which of them changes when. What they show is made in `screen.py`."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when Gradio is imported: nobody is told

from vitreous.errors import VitreousError
from vitreous.extras import need
from vitreous.view import fragments
from vitreous.view.export import pack
from vitreous.view.measured import Measured
from vitreous.view.names import Choices
from vitreous.view.screen import Held, Number, Wishes, painted, screen, within
from vitreous.view.seen import Pictures
from vitreous.view.viewer import Viewer

gr: Any = need("gradio", "viewer", "The viewer")
HERE = Path(__file__).parent
HEAD = (
    '<div class="vt-head"><b>vitreous</b><span>Which objects does a run see? Drop a picture or a clip. '
    "Nothing leaves this machine.</span></div>"
)
KINDS = ["image", "video"]


def theme() -> Any:
    """Fonts of the system: nothing is fetched."""
    sans, mono = ("system-ui", "Segoe UI", "Roboto", "sans-serif"), ("ui-monospace", "Consolas", "monospace")
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=sans, font_mono=mono)


class Page:
    """Build it once, with `page.blocks`; every session has a `Held` of its own."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer, self.theme = viewer, theme()
        with gr.Blocks(
            title="vitreous", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True
        ) as self.blocks:
            gr.HTML(HEAD)
            self.held = gr.State(None)  # Gradio drops it an hour after the page is closed
            with gr.Row():
                with gr.Column(scale=1, min_width=300):
                    self.choosing()
                with gr.Column(scale=2, min_width=320):
                    self.showing()
            self.looking_closer()
            self.wire()

    def choosing(self) -> None:
        runs, examples = list(self.viewer.offer.runs), list(self.viewer.offer.examples)
        store = self.viewer.offer.store
        self.file = gr.File(label="Your picture or clip", file_types=KINDS, height=150, elem_id="vt-file")
        where = f"Or one of {store.path.name}" if store else "Or one of these"
        self.example = gr.Dropdown(examples, value=examples[0], label=where, elem_id="vt-example")
        self.run = gr.Dropdown(runs, value=runs[0], label="Run", elem_id="vt-run")
        with gr.Accordion("How it is shown", open=False):
            self.edges = gr.Checkbox(False, label="Borders follow the edges of the picture")
            self.merge = gr.Checkbox(False, label="Slots that double another become one")
            self.crop = gr.Checkbox(False, label="Only the middle of the picture, in the shape of the grid")
            self.strength = gr.Slider(0.0, 1.0, 0.55, step=0.05, label="Strength of the colours", buttons=[])
        self.export = gr.Button("Export what is on screen", elem_id="vt-export")
        self.zip = gr.File(label="Overlay, masks, names", visible=False, interactive=False, elem_id="vt-zip")

    def showing(self) -> None:
        self.message = gr.HTML(fragments.message(self.viewer.offer.notes), elem_id="vt-message")
        self.picture = gr.Image(interactive=False, show_label=False, elem_id="vt-picture", buttons=["fullscreen"])
        self.caption = gr.HTML(elem_id="vt-caption")
        self.frame = gr.Slider(0, 1, 0, step=1, label="Frame", visible=False, elem_id="vt-frame", buttons=[])
        self.target = gr.Dropdown([], label="Number", visible=False, elem_id="vt-target")

    def looking_closer(self) -> None:
        with gr.Tabs() as self.tabs:
            with gr.Tab("Objects", id="objects"):
                self.cards = gr.HTML(elem_id="vt-cards", js_on_load=(HERE / "page.js").read_text())
            with gr.Tab("Attention", id="attention"):
                self.attention = gr.HTML(elem_id="vt-attention")
            with gr.Tab("Features", id="features"):
                self.features = gr.HTML(elem_id="vt-features")
            with gr.Tab("Elsewhere", id="elsewhere"):
                self.elsewhere = gr.HTML(self.hint(), elem_id="vt-elsewhere")
            with gr.Tab("In words", id="words"):
                self.words = gr.Markdown(elem_id="vt-words")

    def wire(self) -> None:
        wishes = [self.frame, self.edges, self.strength, self.target]
        drawn = [self.picture, self.caption, self.cards, self.attention, self.features]
        all_of_it = [self.held, self.message, self.frame, self.target, self.zip, self.elsewhere, *drawn]
        in_order = dict(concurrency_id="held", api_visibility="private")  # an export sees the name that was just typed
        quiet = dict(show_progress="hidden", trigger_mode="always_last", **in_order)
        once = dict(outputs=[*all_of_it, self.file], show_progress_on=self.picture, **in_order)
        how = [self.run, self.merge, self.crop, self.edges, self.strength]
        again = dict(fn=self.look_again, inputs=[self.held, *how], **once)
        said = dict(fn=self.say, inputs=self.held, outputs=self.words, show_progress="hidden", api_visibility="private")
        chosen = dict(fn=self.take_example, inputs=[self.example, *how], **once)
        brought = dict(fn=self.take_file, inputs=[self.file, *how], **once)
        for event, what in (
            (self.blocks.load, chosen), (self.example.input, chosen), (self.file.upload, brought),
            (self.run.input, again), (self.merge.input, again), (self.crop.input, again),
        ):  # fmt: skip
            event(**what).then(**said)
        for part in (self.frame.change, self.edges.input, self.target.input):
            part(self.draw, [self.held, *wishes], drawn, **quiet)
        self.strength.change(self.paint, [self.held, *wishes], self.picture, **quiet)
        self.cards.switched(self.switch, [self.held, *wishes], [self.held, self.picture, self.attention], **quiet)
        found = [self.elsewhere, self.tabs, self.message]
        self.cards.wanted(self.find, [self.held, self.frame], found, **in_order)
        self.export.click(self.pack, [self.held, *wishes], [self.zip, self.message], **in_order)

    def take_file(self, path: str | None, *how: Any) -> dict:
        if not path:
            return {}
        return self.take(lambda: self.viewer.upload(path), *how) | {self.file: None}  # free for the next one

    def take_example(self, name: str, *how: Any) -> dict:
        return self.take(lambda: self.viewer.example(name), *how)

    def look_again(self, held: Held | None, *how: Any) -> dict:
        return self.take(lambda: held.pictures, *how) if held else {}

    def take(
        self, read: Callable[[], Pictures], run: str, merge: bool, crop: bool, edges: bool, strength: Number
    ) -> dict:
        """New pictures, or another run: all of the page changes, or a message says why not."""
        try:
            pictures = read()
            shown = self.viewer.look(run, pictures, merge=merge, crop=crop)
        except VitreousError as error:
            return self.trouble(error)
        held = Held(pictures, shown)
        numbers = isinstance(shown, Measured)
        frames = 1 if isinstance(shown, Measured) else shown.frames
        targets = list(shown.targets) if isinstance(shown, Measured) else []
        return {
            self.held: held,
            self.message: fragments.message((*self.viewer.offer.notes, *shown.notes)),
            self.frame: gr.Slider(0, max(1, frames - 1), 0, step=1, visible=frames > 1),
            self.target: gr.Dropdown(targets, value=targets[0] if targets else None, visible=numbers),
            self.zip: gr.File(None, visible=False),
            self.elsewhere: self.hint(),
            **self.drawing(held, Wishes(0, edges, strength)),
        }

    def hint(self) -> str:
        """What to do to find objects elsewhere."""
        if self.viewer.offer.store is not None:
            return '<p class="vt-quiet">Press “Find elsewhere” on an object.</p>'
        return '<p class="vt-quiet">There is no store to look in. Start with one: <code>vitreous view STORE</code></p>'

    def trouble(self, error: VitreousError) -> dict:
        return {self.message: fragments.message([str(error)], bad=True)}

    def drawing(self, held: Held, wishes: Wishes) -> dict:
        now = screen(held, wishes, find=self.viewer.offer.store is not None)
        return {
            self.picture: now.picture,
            self.caption: f'<p class="vt-quiet">{fragments.safe(now.caption)}</p>',
            self.cards: now.cards,
            self.attention: now.attention,
            self.features: now.features,
        }

    def draw(self, held: Held | None, *wishes: Any) -> dict:
        return self.drawing(held, Wishes(*wishes)) if held else {}

    def paint(self, held: Held | None, *wishes: Any) -> Any:
        return painted(held, Wishes(*wishes)) if held else gr.skip()

    def switch(
        self, held: Held | None, frame: Number, edges: bool, strength: Number, target: str | None, event: gr.EventData
    ) -> dict:
        """Slots were switched on or off, or named."""
        if held is None or isinstance(held.shown, Measured):
            return {}
        seen = held.shown
        held = replace(held, choices=Choices.told(event._data["cards"], seen.slots))
        attention = fragments.attention(seen, within(seen, frame), held.choices)
        picture = painted(held, Wishes(frame, edges, strength, target))
        return {self.held: held, self.picture: picture, self.attention: attention}

    def find(self, held: Held | None, frame: Number, event: gr.EventData) -> dict:
        """The objects of a store that are like this one."""
        if held is None or isinstance(held.shown, Measured):
            return {}
        try:
            slot = int(event._data["slot"])
            found = self.viewer.elsewhere(held.shown, within(held.shown, frame), slot)
        except VitreousError as error:
            return self.trouble(error)
        assert self.viewer.offer.store is not None
        shown = fragments.neighbours(found, self.viewer.offer.store, held.choices.name(slot))
        return {self.elsewhere: shown, self.tabs: gr.Tabs(selected="elsewhere")}

    def pack(self, held: Held | None, *wishes: Any) -> dict:
        """What is on screen, to keep."""
        if held is None:
            return {}
        path = pack(held, Wishes(*wishes), Path(mkdtemp(dir=self.viewer.aside)))
        return {self.zip: gr.File(str(path), visible=True)}

    def say(self, held: Held | None) -> str:
        if held is None or isinstance(held.shown, Measured):
            return "A regression run is judged by `vitreous regress report`." if held else ""
        return self.viewer.words(held.shown)
