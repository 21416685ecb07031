"""The scenes where a run fails most, or two runs differ most: what is wrong there, and the likely cause in words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from vitreous.errors import RunError, did_you_mean
from vitreous.features.store import FeatureStore
from vitreous.metrics.faults import BLEED, CAUSES, LEAK, MERGED, MISSED, RIGHT, TORN, error_map, owners
from vitreous.predict.segment import refine, segment_store, to_pixels
from vitreous.report.comparable import check_comparable
from vitreous.report.measure import METRICS
from vitreous.report.scored import Scored
from vitreous.runs import Run


@dataclass(frozen=True)
class Cause:
    """Something that is wrong in a picture.

    name   one of CAUSES of metrics/faults.py
    share  of the pixels that are wrong
    says   which objects, by their ids
    """

    name: str
    share: float
    says: str


@dataclass(frozen=True)
class Prediction:
    """What a run says of a picture.

    value   of the metric that the picture was chosen by
    labels  slots; `errors` numbers into CAUSES, -1 where the truth does not score
    owner   whose each slot is, by true id; a slot that is nobody's is not in it
    causes  the likely one first; empty where all is right
    """

    run: str
    value: float
    labels: Int[np.ndarray, "y x"]
    errors: Int[np.ndarray, "y x"]
    owner: dict[int, int]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Failure:
    """A picture where a run fails, or two differ; with one prediction per run."""

    key: str
    frame: int
    view: str
    metric: str
    image: UInt8[np.ndarray, "y x 3"]
    true: Int[np.ndarray, "y x"]
    predictions: tuple[Prediction, ...]

    @property
    def name(self) -> str:
        return f"{self.key}/{self.frame:04d}" if self.frame else self.key


def worst(run: Scored, count: int = 8, metric: str = "mbo") -> list[Failure]:
    """The pictures with the lowest score, the worst first; of a clip only its worst frame."""
    values = scores(run, metric).sort_values(kind="stable")
    return look(chosen(values, count), [run], metric)


def most_different(one: Scored, other: Scored, count: int = 8, metric: str = "mbo") -> list[Failure]:
    """The pictures where two runs' scores differ most; refused where they were not scored alike."""
    check_comparable([one, other])
    differ = (scores(one, metric) - scores(other, metric)).dropna().abs()
    return look(chosen(differ.sort_values(ascending=False, kind="stable"), count), [one, other], metric)


def scores(run: Scored, metric: str) -> pd.Series:
    """Of the run's own row, by key, frame and view; pictures where the metric is defined."""
    if metric not in METRICS:
        raise RunError(f'No metric of pictures is called "{metric}".{did_you_mean(metric, METRICS)}')
    own: Any = run.pictures[run.pictures["row"] == run.row]  # Any: the stubs doubt that it is a table
    return own.set_index(["key", "frame", "view"])[metric].dropna()


def chosen(ordered: pd.Series, count: int) -> pd.MultiIndex:
    """The first of each clip, in order."""
    if ordered.empty or count < 1:
        raise RunError("There is no picture to show: none was asked for, or the metric is defined on none.")
    clips = ordered.index.get_level_values("key")
    index = ordered.index[~clips.duplicated()][:count]
    assert isinstance(index, pd.MultiIndex)
    return index


def look(pictures: pd.MultiIndex, runs: Sequence[Scored], metric: str) -> list[Failure]:
    """Segment the pictures again, as they were scored, and say what is wrong."""
    stores = [opened(run) for run in runs]
    rows = [[row_of(store, *picture) for picture in pictures] for store in stores]
    found = [labels(run, store, wanted) for run, store, wanted in zip(runs, stores, rows, strict=True)]
    values = [scores(run, metric).to_dict() for run in runs]
    failures = []
    for i, (key, frame, view) in enumerate(pictures):
        shown = stores[0].frame(rows[0][i])
        if shown.ids is None:
            raise RunError(f"{stores[0].path} holds no ids for {key}: there is no truth to compare with.")
        predictions = [
            predicted(run.name, float(value[key, frame, view]), of_run[of_rows[i]], shown.ids, store.grid)
            for run, store, value, of_run, of_rows in zip(runs, stores, values, found, rows, strict=True)
        ]
        failures.append(Failure(key, int(frame), view, metric, shown.image, shown.ids, tuple(predictions)))
    return failures


def opened(run: Scored) -> FeatureStore:
    """The store that a run was scored on; refused where it is gone or holds other pictures by now."""
    path = Path(run.data["store"])
    store = FeatureStore(path)
    if store.meta.source["fingerprint"] != run.data["source"]["fingerprint"]:
        raise RunError(
            f"{path} holds other pictures than those that {run.folder} was scored on.\n"
            f"Score it again:  vitreous score {run.folder} {path}"
        )
    return store


def row_of(store: FeatureStore, key: str, frame: int, view: str) -> int:
    rows = store.rows(key, view)
    return int(rows[store.frame_index[rows] == frame][0])


def labels(run: Scored, store: FeatureStore, wanted: Sequence[int]) -> dict[int, Int[Tensor, "y x"]]:
    """Who owns each pixel, row by row, as it was scored."""
    found, refined = {}, run.row.endswith(", refined")
    for rows, out in segment_store(Run.load(run.folder), store, wanted=set(wanted)):
        for row, masks in zip(rows.reshape(-1).tolist(), out.masks.flatten(0, 1), strict=True):
            if row in wanted:
                image = store.frame(row).image
                how = refine(masks[None], image[None]) if refined else to_pixels(masks[None], image.shape[:2])
                found[row] = how.labels[0]
    return found


def predicted(
    run: str, value: float, pred: Int[Tensor, "y x"], true: Int[np.ndarray, "y x"], grid: tuple[int, int]
) -> Prediction:
    """What a run says of a picture, and what is wrong with it; half a patch of its grid is what counts as border."""
    ids = torch.from_numpy(true.astype(np.int64))
    reach = round(max(true.shape[0] / grid[0], true.shape[1] / grid[1]) / 2)
    errors = error_map(pred[None], ids[None], reach=reach)[0]
    owner = owners(pred, ids)
    return Prediction(run, value, pred.numpy(), errors.numpy(), owner, causes(pred, ids, errors, owner))


def causes(
    pred: Int[Tensor, "y x"], true: Int[Tensor, "y x"], errors: Int[Tensor, "y x"], owner: dict[int, int]
) -> tuple[Cause, ...]:
    """What the wrong pixels are due to, the likely cause first; what makes up less than a twentieth is left out.

    By their share, but borders, which a grid blurs everywhere, stand behind whatever makes up a fifth.
    """
    counts = torch.bincount(errors[errors > RIGHT], minlength=len(CAUSES)).double()
    shares = {kind: share for kind, share in enumerate((counts / counts.sum()).tolist()) if share >= LITTLE}
    weights = shares | ({BLEED: min(shares[BLEED], MUCH)} if BLEED in shares else {})
    order = sorted(shares, key=lambda kind: (-weights[kind], kind == BLEED))
    return tuple(
        Cause(CAUSES[kind], shares[kind], says(kind, true[errors == kind], pred[errors == kind], owner))
        for kind in order
    )


LITTLE, MUCH = 0.05, 0.2  # of the wrong pixels


def says(kind: int, true: Int[Tensor, " n"], pred: Int[Tensor, " n"], owner: dict[int, int]) -> str:
    """Which objects and slots the wrong pixels of one kind are of, those with most of them first."""
    if kind == BLEED:
        return "up to half a patch from a border"
    if kind == MERGED:
        pairs = most_common(list(zip(true.tolist(), (owner[slot] for slot in pred.tolist()), strict=True)))
        return listed(f"{one} with {other}" for one, other in pairs)
    if kind == LEAK:
        return f"background in the slot of {listed(most_common([owner[slot] for slot in pred.tolist()]))}"
    if kind == TORN:
        return f"background in {1 + len(most_common(pred.tolist()))} slots"
    things = listed(most_common(true.tolist()))
    return f"{things} in the background's slot" if kind == MISSED else f"{things} in more than one slot"


def most_common(values: list[Any], least: float = 0.1) -> list[Any]:
    """Values that at least this share is, the most common first."""
    return [value for value, count in Counter(values).most_common() if count >= least * len(values)]


def listed(values: Iterable[object], most: int = 4) -> str:
    """1, 4, 5 ..."""
    texts = [str(value) for value in values]
    return ", ".join(texts[:most]) + (" ..." if len(texts) > most else "")


def print_failures(failures: Sequence[Failure]) -> str:
    """A line per picture and run: score and likely cause."""
    width = max((len(failure.name) for failure in failures), default=0)
    lines = []
    for failure in failures:
        for i, of in enumerate(failure.predictions):
            cause = f"{of.causes[0].name} ({of.causes[0].says})" if of.causes else "nothing is wrong"
            run = f"{of.run}  " if len(failure.predictions) > 1 else ""
            lines.append(f"{'' if i else failure.name:{width}}  {run}{failure.metric} {of.value:.3f}  {cause}")
    return "\n".join(lines)


def cause_table(failures: Sequence[Failure]) -> pd.DataFrame:
    """A line per picture, run and cause."""
    lines = [
        {
            "key": failure.key,
            "frame": failure.frame,
            "view": failure.view,
            "run": of.run,
            failure.metric: of.value,
            "cause": cause.name,
            "share": cause.share,
            "says": cause.says,
        }
        for failure in failures
        for of in failure.predictions
        for cause in of.causes
    ]
    return pd.DataFrame(lines, columns=["key", "frame", "view", "run", failures[0].metric, "cause", "share", "says"])
