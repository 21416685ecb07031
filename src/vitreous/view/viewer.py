"""A viewer without its page: what each run answers. Nothing of a session is kept here."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from vitreous.data.reading import Unreadable
from vitreous.errors import DataError, VitreousError
from vitreous.predict.segment import Segmenter
from vitreous.runs import read_recipe
from vitreous.view.measured import Measured, measure
from vitreous.view.nearest import Found, nearest, slots_table
from vitreous.view.offer import Offer, is_regression
from vitreous.view.seen import STILL, Pictures, Seen, look, read_file
from vitreous.view.words import OF_ONE, about_run, diagnose_seen, in_words


class Viewer:
    """Answers for all sessions, one at a time: slots are drawn from one generator, which two would mix up.

    aside  a folder of its own for what can be made again
    """

    def __init__(self, offer: Offer, aside: Path | None = None, device: str = "auto") -> None:
        self.offer = offer
        self.aside = aside or Path(tempfile.mkdtemp(prefix="vitreous-view-"))
        self.lock = Lock()
        self.device = device

    def segmenter(self, run: Path, crop: bool = False) -> Segmenter:
        """Loaded once per process; all of a picture is looked at, as by `vitreous segment`, unless it is to be cut."""
        return Segmenter(run, self.device, fit="crop" if crop else "squash", keep_side=STILL)

    def run(self, name: str) -> Path:
        if name not in self.offer.runs:
            raise VitreousError(f'There is no run "{name}" here.')
        return self.offer.runs[name]

    def example(self, name: str) -> Pictures:
        if name not in self.offer.examples:
            raise VitreousError(f'There is no picture "{name}" here.')
        with self.lock:
            return self.offer.examples[name]()

    def upload(self, path: str | Path) -> Pictures:
        """A file that was brought; what is wrong with it is said without the folder that it lies in."""
        path = Path(path)
        try:
            return read_file(path)
        except VitreousError as error:
            said = f"{path.name}: {error.found}." if isinstance(error, Unreadable) else str(error)
            raise DataError(said.replace(f"{path.parent}/", "")) from None

    def look(self, run: str, pictures: Pictures, *, merge: bool = False, crop: bool = False) -> Seen | Measured:
        """What a run makes of pictures; `merge`: doubles become one, as --prune auto; `crop`: the middle alone."""
        folder = self.run(run)
        same: Literal["auto"] | None = "auto" if merge else None
        with self.lock:
            if is_regression(folder):
                return measure(folder, pictures, self.aside)
            return look(self.segmenter(folder, crop), pictures, same)

    def elsewhere(self, seen: Seen, frame: int, slot: int, count: int = 8) -> Sequence[Found]:
        """Slots like this one in other clips of the store."""
        if self.offer.store is None:
            raise VitreousError(
                "There is no store to look in. Start the viewer with one:  vitreous view RUN --store STORE.lance"
            )
        if slot not in range(seen.slots):
            raise VitreousError(f"There is no slot {slot} here.")
        with self.lock:
            table = slots_table(self.segmenter(seen.run).run, self.offer.store, self.aside)
            vector: Float[Tensor, " s"] = seen.output.slots[0, frame, slot]
            return nearest(table, vector, seen.name, count)

    def words(self, seen: Seen) -> str:
        """The diagnosis, as Markdown."""
        here = in_words(diagnose_seen(seen, read_recipe(seen.run)), f"this {'clip' if seen.frames > 1 else 'picture'}")
        return f"{here}\n\n{OF_ONE}\n\n---\n\n{about_run(seen)}"
