"""What trials read: given stores, or stores made once per backbone, grid and views and shared by all trials."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vitreous.backbones import load_backbone
from vitreous.backbones.find import find_checkpoint
from vitreous.data import open_source
from vitreous.errors import FeatureMismatch, RunError, StoreError, VitreousError, did_you_mean
from vitreous.features.extract import extract
from vitreous.features.format import is_store
from vitreous.features.preprocess import check_views, sides
from vitreous.features.store import FeatureStore
from vitreous.metrics.diagnostics import DIAGNOSTICS
from vitreous.report.measure import CLIP_METRICS, METRICS
from vitreous.sweep.plan import OF_STORES, Plan, Settings
from vitreous.types import Frame, Source

DEBUG_CLIPS = {"train": 8, "test": 4}


class Stores:
    """The pair of stores of each trial: one to train on, one to be tested on.

    made  from pictures, into out/stores; else train and test are stores themselves
    """

    def __init__(self, train: Path, test: Path, out: Path, debug: bool = False) -> None:
        self.paths, self.out, self.debug = {"train": train, "test": test}, out, debug
        given = [is_store(path.expanduser()) for path in (train, test)]
        if any(given) != all(given):
            store, pictures = (train, test) if given[0] else (test, train)
            raise RunError(f"{store} is a feature store and {pictures} is not: give two stores, or pictures twice.")
        self.made = not given[0]
        self.failed: dict[tuple[str, ...], str] = {}

    def check(self, plan: Plan) -> dict[str, str]:
        """Refuse data that no trial could use; returns what is trained on and tested on, told by its fingerprint."""
        known = [*METRICS, *CLIP_METRICS, *DIAGNOSTICS, "mean_fill"]
        if plan.objective not in known:
            raise RunError(f'No metric "{plan.objective}" in scores.json.{did_you_mean(plan.objective, known)}')
        self.check_choices(plan)
        data = {name: open_source(path) if self.made else FeatureStore(path) for name, path in self.paths.items()}
        prints = {name: fingerprint(one) for name, one in data.items()}
        if prints["train"] == prints["test"]:
            raise RunError(
                f"{self.paths['train']} and {self.paths['test']} are the same data: score on other pictures."
            )
        test = data["test"]
        if first(test).ids is None:
            raise RunError(f"{self.paths['test']} holds no ids: there is no truth to score against.")
        if plan.objective in CLIP_METRICS and max(lengths(test), default=0) < 2:
            raise RunError(f"{plan.objective} is of clips, and {self.paths['test']} holds single pictures.")
        stores = {name: one for name, one in data.items() if isinstance(one, FeatureStore)}
        if stores:
            check_alike(stores["train"], stores["test"])
        return prints | {name: f"{prints[name]}: {store.meta.describe()}" for name, store in stores.items()}

    def check_choices(self, plan: Plan) -> None:
        """Backbones that are here, grids and views that can be; none of them where features are there already."""
        chosen = sorted({*plan.axes, *plan.fixed} & set(OF_STORES))
        if chosen and not self.made:
            raise RunError(
                f"{', '.join(chosen)} decided on the features when {self.paths['train']} was extracted. "
                "Name the pictures in place of the stores, and the sweep extracts what it needs."
            )
        checks = {"backbone": find_checkpoint, "grid": sides, "views": lambda views: check_views(tuple(views.split()))}
        for name in chosen:
            for word in plan.words(name, OF_STORES[name]):
                checks[name](word)

    def pair(self, settings: Settings) -> dict[str, str]:
        """Paths of the stores to train on and to test on."""
        if not self.made:
            return {name: str(path.expanduser().resolve()) for name, path in self.paths.items()}
        backbone, grid, views = key(settings)
        test = self.folder("test", backbone, grid, OF_STORES["views"])  # scored on what is, not on mirror pictures
        return {"train": str(self.folder("train", backbone, grid, views)), "test": str(test)}

    def folder(self, *words: str) -> Path:
        name = "-".join(word.replace("/", "--").replace(" ", "+") for word in words)
        return (self.out / "stores" / f"{name.removesuffix('-identity')}.lance").resolve()

    def why_not(self, settings: Settings) -> str | None:
        """Why the stores of a trial could not be made."""
        return self.failed.get(key(settings))

    def prepare(self, wanted: Iterable[Settings], progress: bool = True) -> None:
        """Extract what is missing. A backbone that fails is remembered with its reason; the others go on."""
        if not self.made:
            return
        for one in dict.fromkeys(map(key, wanted)):
            try:
                self.extract_pair(one, progress)
            except VitreousError as error:
                self.failed[one] = str(error)

    def extract_pair(self, one: tuple[str, ...], progress: bool) -> None:
        backbone, grid, views = one
        model = load_backbone(backbone)
        paths = self.pair(dict(zip(OF_STORES, one, strict=True)))
        for name, source in self.paths.items():
            data = open_source(source)
            seen = Few(data, DEBUG_CLIPS[name]) if self.debug else data
            asked = views.split() if name == "train" else [OF_STORES["views"]]
            extract(seen, Path(paths[name]), model, grid=sides(grid), views=asked, progress=progress)


class SharedStore(FeatureStore):
    """A store as one of several processes uses it, or only its first clips.

    Each process keeps features in memory if they fit into its share of what is free. Else it reads them as it goes,
    from pages that the system holds once for all.
    """

    def __init__(self, path: Path | str, jobs: int = 1, clips: int | None = None) -> None:
        super().__init__(path)
        self.jobs = jobs
        if clips is not None:
            rows = int(np.searchsorted(self.clip, clips))  # rows come clip by clip
            for name in ("offset", "row", "clip", "frame_index", "view"):
                setattr(self, name, getattr(self, name)[:rows])
            self.keys = self.keys[:clips]

    def pin(self, share: float = 0.5) -> bool:
        return super().pin(share / self.jobs)


class Few:
    """The first clips of a source, whole."""

    def __init__(self, source: Source, clips: int) -> None:
        self.source, self.name, self.skipped = source, source.name, source.skipped
        self.keys: Sequence[str] = list(source.keys)[:clips]

    def length(self, key: str) -> int:
        return self.source.length(key)

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        return self.source.frames(key, start)

    def instances(self, key: str) -> list[dict[str, Any]] | None:
        return self.source.instances(key)

    def fingerprint(self) -> str:
        return f"{self.source.fingerprint()} first {len(self.keys)}"


def key(settings: Settings) -> tuple[str, ...]:
    """Backbone, grid and views of a trial."""
    return tuple(str(settings.get(name) or usual) for name, usual in OF_STORES.items())


def fingerprint(data: Source | FeatureStore) -> str:
    return str(data.meta.source["fingerprint"]) if isinstance(data, FeatureStore) else data.fingerprint()


def lengths(data: Source | FeatureStore) -> list[int]:
    return data.lengths if isinstance(data, FeatureStore) else [data.length(key) for key in data.keys]


def first(data: Source | FeatureStore) -> Frame:
    if isinstance(data, FeatureStore):
        if not len(data):
            raise StoreError(f"{data.path} is empty: there is nothing to score. Go on with its extraction.")
        return data.picture(0)
    return next(frame for key in islice(data.keys, 1) for frame in data.frames(key))


def check_alike(train: FeatureStore, test: FeatureStore) -> None:
    if not len(train):
        raise StoreError(f"{train.path} is empty: there is nothing to train on. Go on with its extraction.")
    names = ("digest", "layer", "facet")
    if train.grid != test.grid or any(train.meta.backbone.get(n) != test.meta.backbone.get(n) for n in names):
        raise FeatureMismatch(
            f"{train.path} holds {train.meta.describe()},\nbut {test.path} {test.meta.describe()}.\n"
            "What is trained on and tested on must be features of one backbone on one grid."
        )
