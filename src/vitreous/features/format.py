"""The format of a feature store: a Lance data set with one row per frame and view, and what it says about itself.

    row        int64    place in the plan: clips in the source's order, frame by frame, view by view
    key        string   of the clip
    frame      int32    its place in the clip
    view       string   identity, hflip, crop:LEFT,TOP,RIGHT,BOTTOM, hflip+blur:5 ...: see views.py
    features   float16  h * w * d numbers
    picture    bytes    PNG or JPEG: the picture before view and fit
    ids        bytes    PNG of its ids, 16 bits (24 where needed), -1 as the last value; null if unknown
    instances  string   JSON, the clip's object table; in the clip's first row of each batch, else null
    checksum   int64    CRC-32 over features, picture and ids

Rows stand in the order in which they were written; `row` gives the order that counts. The schema's metadata holds
`StoreMeta` as JSON under "vitreous". The folder `_vitreous/` inside holds only what can be made again: sums of the
features for their statistics, and lock files.
"""

import json
import shlex
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lance
import pyarrow as pa
from torch import Tensor

from vitreous.errors import FeatureMismatch, StoreError

FORMAT = 1
LANCE_FILE_VERSION = "2.1"  # reads 1.4 times as fast as 2.0: benchmarks/store.py --versions
TRIES = 3
SIDE_FOLDER = "_vitreous"
# of a backbone's description, where its weights came from; what they are is in the digest
COSMETIC = ("name", "hub_id", "revision", "path")


@dataclass(frozen=True)
class StoreMeta:
    """What made a store. Two stores with the same `recipe()` and source hold the same features.

    backbone     `Backbone.describe()`
    grid         patches (h, w)
    fit          crop or squash
    views        stored per frame, in this order
    batch_size   rows per forward pass: rounding may depend on it, so a store keeps to one
    keep_side    longest side of a stored picture, in pixels
    source       name, path, fingerprint, clips
    planned      rows that a complete store has; those skipped are missing
    skipped      (which file or frame, why)
    made_with    versions of the packages that pixels and features depend on
    """

    backbone: dict[str, Any]
    grid: tuple[int, int]
    fit: str
    views: tuple[str, ...]
    batch_size: int
    keep_side: int
    source: dict[str, Any]
    planned: int
    created: str
    made_with: dict[str, str]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    format: int = FORMAT

    def __getitem__(self, name: str) -> Any:
        """Also by name: recipes and reports keep `store.meta["backbone"]` as JSON."""
        return getattr(self, name)

    @property
    def dim(self) -> int:
        return int(self.backbone["dim"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, d) of a row's features."""
        return (*self.grid, self.dim)

    def recipe(self) -> dict[str, Any]:
        """What decides on the numbers, given the pictures."""
        backbone = {f"backbone {name}": value for name, value in self.backbone.items() if name not in COSMETIC}
        ours = ("grid", "fit", "views", "keep_side")
        return json.loads(json.dumps(backbone | {name: getattr(self, name) for name in ours}))

    def describe(self) -> str:
        """One line for people: backbone, grid, width, layer, facet."""
        b = self.backbone
        parts = [f"{self.grid[0]}x{self.grid[1]} patches of {self.dim} numbers", f"fit {self.fit}"]
        parts += [f"{name} {b[name]}" for name in ("layer", "facet", "dtype") if name in b]
        parts += [f"views {' '.join(self.views)}"] if self.views != ("identity",) else []
        return f"{b.get('name', 'unknown backbone')} ({', '.join(parts)}, weights {str(b.get('digest', '?'))[:12]})"

    def command(self, out: Path) -> str:
        """How to go on with a store."""
        b, (h, w) = self.backbone, self.grid
        chosen = {name: b.get(name) for name in ("layer", "facet", "dtype")}
        options = {"backbone": b.get("path") or b.get("name"), "grid": f"{h}x{w}", "fit": self.fit} | chosen
        options |= {"views": " ".join(self.views), "keep-side": self.keep_side}
        words = ["vitreous", "extract", self.source.get("path") or "SOURCE", "--out", str(out)]
        words += [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
        return shlex.join(words)

    def require_same(self, other: "StoreMeta", path: Path, other_is: str) -> None:
        """Refuse to mix features: FeatureMismatch with both descriptions and what differs."""
        mine, theirs = self.recipe(), other.recipe()
        names = sorted(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))
        if names:
            changes = "\n".join(f"  {n}: {mine.get(n)} there, {theirs.get(n)} here" for n in names)
            raise FeatureMismatch(
                f"{path} holds {self.describe()},\nbut {other_is} {other.describe()}.\n{changes}\n"
                "Features of different recipes cannot be mixed: name another store (--out), or remove this one."
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "StoreMeta":
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in known}
        values |= {"grid": tuple(values["grid"]), "views": tuple(values["views"])}
        values["skipped"] = [(what, why) for what, why in values["skipped"]]
        return cls(**values)


@dataclass
class Findings:
    """What an inspection found: `problems` is empty where a store is intact; `notes` are worth knowing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@runtime_checkable
class Maker(Protocol):
    """What features/ needs of a backbone; `vitreous.backbones.Backbone` is one."""

    name: str
    patch_size: int
    dim: int

    def describe(self) -> dict[str, Any]: ...

    def size_for(self, grid: tuple[int, int]) -> tuple[int, int]: ...

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [b t y x 3] -> float [b t h w d], without gradient."""
        ...


def schema_of(meta: StoreMeta) -> pa.Schema:
    h, w, d = meta.shape
    return pa.schema(
        [
            pa.field("row", pa.int64(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("frame", pa.int32(), nullable=False),
            pa.field("view", pa.string(), nullable=False),
            pa.field("features", pa.list_(pa.float16(), h * w * d), nullable=False),
            pa.field("picture", pa.large_binary(), nullable=False),
            pa.field("ids", pa.large_binary()),
            pa.field("instances", pa.string()),
            pa.field("checksum", pa.int64(), nullable=False),
        ],
        metadata={"vitreous": meta.to_json()},
    )


def is_store(path: Path) -> bool:
    return (path / "_versions").is_dir() and any((path / "_versions").iterdir())


def open_lance(path: Path) -> lance.LanceDataset:
    if not path.exists():
        raise StoreError(f"No feature store at {path}.\nMake one:  vitreous extract SOURCE --out {path}")
    if not is_store(path):
        raise StoreError(
            f"{path} is not a feature store: a store is a Lance folder, as written by\n"
            f"  vitreous extract SOURCE --out {path.with_suffix('.lance')}"
        )
    for _ in range(TRIES):
        with suppress(OSError, ValueError):  # a writer may tidy away the newest version before we have read it
            return lance.dataset(str(path))
        time.sleep(0.05)
    try:
        return lance.dataset(str(path))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be opened as a feature store: {error}") from error


def read_meta(dataset: lance.LanceDataset, path: Path) -> StoreMeta:
    text = (dataset.schema.metadata or {}).get(b"vitreous")
    if text is None:
        raise StoreError(f"{path} is a Lance data set, but not one of features: it has no vitreous metadata.")
    number = json.loads(text).get("format")
    if number != FORMAT:
        raise StoreError(
            f"{path} has format {number}; this version of vitreous reads format {FORMAT}.\n"
            "Extract it again, or use the version of vitreous that wrote it."
        )
    return StoreMeta.from_json(text.decode())
