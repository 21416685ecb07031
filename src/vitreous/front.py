"""What `import vitreous as vt` does on its own account: see `vitreous/__init__.py` for all its names.

vt.segment("desk.png").show()
vt.segment("film.mp4").save("out", ["mp4", "coco"])
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from vitreous.data import open_source
from vitreous.data.given import Given
from vitreous.data.stream import is_stream, stream_frames
from vitreous.errors import DataError
from vitreous.features.store import FeatureStore
from vitreous.predict.prune import Same
from vitreous.predict.segment import KEEP_SIDE, Segmented, Segmenter, segment_source
from vitreous.report.found import Found, FoundMany
from vitreous.report.score import score as score_run
from vitreous.report.tables import ScoreTable
from vitreous.runs import Run
from vitreous.shipped import CLIP, STILL
from vitreous.types import Source

LIVE_CHUNK = 1  # frames of a live stream at once: what is seen is not old


def segment(
    source: Any,
    run: Run | Path | str | None = None,
    *,
    refine: bool = False,
    prune: Same | None = None,
    min_area: float | int = 0,
    apart: float | int = 0,
    fit: Literal["crop", "squash"] | None = "squash",
    device: str = "auto",
    on_error: Literal["raise", "skip"] = "raise",
    keep_side: int = KEEP_SIDE,
) -> Found | FoundMany:
    """Find the objects in pictures and videos.

    One picture gives `Found`: labels, masks, shares, slots, show(), save(). A video, a folder, a list or a live stream
    gives `FoundMany`: what is found picture by picture, when it is asked for. Run and backbone are loaded once per
    process.

    Args:
        source: A picture, video or folder by its path; an array, uint8 [y x 3], or [t y x 3] for a video; a picture of
            Pillow; a Frame, Clip or Source of this package; a list of these; the address of a stream, or webcam:0.
        run: Folder of a run, or one that is loaded, or the name of one that comes with the package; default: `still`
            for pictures, `clip` for videos.
        refine: Let borders follow the edges of the picture.
        prune: Make slots one that are nearer than this cosine distance, as 0.2, or auto: chosen for each picture.
        min_area: Regions smaller than this go to their neighbours: a share of the picture as 0.002, or pixels as 50.
        apart: Regions of one slot that do not touch are segments of their own, from this size on, as 0.004; in stills.
        fit: squash all of the picture into the grid's shape, or crop the middle of that shape; None: as was trained.
        device: auto, cpu, cuda ...
        on_error: Raise at a file that cannot be read, or skip it.
        keep_side: Longest side in pixels; larger pictures are reduced first.

    Raises:
        DataError: what cannot be read or is no picture, by name.
    """

    how = {"refine": refine, "same": prune, "min_area": min_area, "apart": apart, "fit": fit, "keep_side": keep_side}
    segmenter = segmenter_for(run, device, **how)
    if is_stream(source):
        return live(source, segmenter)
    data, alone = opened(source, on_error)
    about = str(run.folder if isinstance(run, Run) else run or "the runs that come with vitreous")
    lengths = [data.length(key) for key in data.keys]
    if alone and lengths == [1]:
        found = next(segment_source(data, segmenter), None)
        if found is None:
            raise DataError(
                f"Nothing can be read of {source}: {data.skipped[0][1] if data.skipped else 'it is empty'}."
            )
        return Found(found, about)
    return FoundMany(lambda: segment_source(data, segmenter), about, data.name, sum(lengths), data.skipped)


def segmenter_for(run: Run | Path | str | None, device: str, **how: Any) -> Callable[[bool], Segmenter]:
    """Who sees stills (True) and who sees videos (False); without a run, those that come with the package."""

    @cache
    def segmenter(still: bool) -> Segmenter:
        return Segmenter(run if run is not None else STILL if still else CLIP, device, **how)

    return segmenter


def opened(source: Any, on_error: Literal["raise", "skip"]) -> tuple[Source, bool]:
    """What was given as a source; and whether it is one thing, not a list or folder of things."""
    if isinstance(source, Source):
        return source, False
    if isinstance(source, (str, Path)):
        return open_source(source, on_error), Path(source).expanduser().is_file()
    if isinstance(source, (list, tuple)):
        return Given(source, on_error), False
    return Given([source]), True


def live(address: str, segmenter: Callable[[bool], Segmenter]) -> FoundMany:
    """Frames of a stream; opened at once, so that an error comes from the call."""
    frames = stream_frames(address)
    first = next(frames, None)

    def make() -> Iterator[Segmented]:
        nonlocal first
        begun, first = ([] if first is None else [first]), None
        yield from segmenter(False).video(chain(begun, frames), LIVE_CHUNK)

    return FoundMany(make, "the run for clips", address, None, [])


def score(
    run: Run | Path | str,
    store: FeatureStore | Path | str,
    *,
    baselines: bool = True,
    refine: bool = False,
    prune: Same | None = None,
    apart: float | int = 0,
    on_training_data: bool = False,
) -> ScoreTable:
    """Score a run against the ids in a store: ARI, FG-ARI, mBO ..., a value per picture, mean and 95 % interval.

    Printed, it is a table. Scores are kept in the run's folder. Settings are those of `vitreous score`.
    """
    run = run if isinstance(run, Run) else Run.load(run)
    store = store if isinstance(store, FeatureStore) else FeatureStore(store)
    how = {"baselines": baselines, "refine": refine, "same": prune, "apart": apart}
    return ScoreTable(score_run(run, store, **how, on_training_data=on_training_data))
