"""What a sweep asks for, in plain values: which settings vary, which are fixed, and the trials that follow."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from vitreous.errors import RunError, did_you_mean
from vitreous.methods import method_class
from vitreous.train.module import Training

Value = bool | int | float | str | None
Settings = dict[str, Value]

FILE = "sweep.yaml"
USUAL_METHOD = "dinosaur"
OF_STORES = {"backbone": "glass_tiny", "grid": "16", "views": "identity"}  # decide on the features; for pictures only
OF_FIT = ("standardise", "precision", "device", "validate", "compile")
OF_TRAINING = tuple(f.name for f in fields(Training))
LONGEST = 100  # characters of a run folder's name
DEBUG_STEPS = 3


@dataclass(frozen=True)
class Range:
    """Values between two bounds, both included; `log`: spread evenly over orders of magnitude."""

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise RunError(f"A range goes from a number up to another one, not from {self.low} to {self.high}.")
        if self.log and self.low <= 0:
            raise RunError(f"A range from {self.low} cannot be spread evenly over orders of magnitude: leave out :log.")

    def __str__(self) -> str:
        return f"{self.low}..{self.high}" + ":log" * self.log


@dataclass(frozen=True)
class Plan:
    """What decides the numbers of a sweep.

    axes       setting -> its values, or in a search a Range. Settings are named as `vitreous train` names them
    fixed      settings that all trials share; a setting that is nowhere named has its default
    search     sampler of a search, tpe or random; None: a grid, every combination once
    objective  metric of scores.json; a search maximises it
    threads    of torch in each trial, however many trials go on at once: the order of sums follows it
    debug      a few steps on a few clips
    """

    axes: Mapping[str, list[Value] | Range]
    fixed: Mapping[str, Value]
    search: str | None = None
    objective: str = "fg_ari"
    threads: int = 1
    debug: bool = False

    def __post_init__(self) -> None:
        for name, values in self.axes.items():
            if name in self.fixed:
                raise RunError(f"{name} is fixed to {self.fixed[name]} and varied as well: say one of them.")
            if isinstance(values, Range) and self.search is None:
                raise RunError(f"{name}={values} is a range, and a grid has values: list them, or use --search.")
            if not isinstance(values, Range) and (not values or len(set(map(repr, values))) < len(values)):
                raise RunError(f"{name} needs values, each once, not {shown(values)}.")
        if self.threads < 1:
            raise RunError(f"threads must be at least 1, not {self.threads}.")

    def words(self, name: str, usual: str) -> list[str]:
        """What a setting that is a name can be."""
        values = self.axes.get(name, [self.fixed.get(name) or usual])
        return [str(values)] if isinstance(values, Range) else [str(value) for value in values]

    @property
    def varied(self) -> list[str]:
        """Axes of more than one value: what names a trial."""
        return [name for name, values in self.axes.items() if isinstance(values, Range) or len(values) > 1]

    def combinations(self) -> list[Settings]:
        """Trials of a grid, what differs between them; the last axis turns fastest."""
        lists = [values for values in self.axes.values() if isinstance(values, list)]
        return [dict(zip(self.axes, values, strict=True)) for values in product(*lists)]

    def full(self, settings: Settings) -> Settings:
        """Everything that is asked of one trial."""
        asked = {**self.fixed, **settings}
        return {**asked, "steps": DEBUG_STEPS, "epochs": None} if self.debug else asked


@dataclass(frozen=True)
class Parts:
    """Settings by who asks for them: the method, the training, `fit`."""

    method: str
    config: dict[str, Any]
    training: dict[str, Any]
    fit: dict[str, Any]


def parts(settings: Settings) -> Parts:
    """As in `vitreous train`, steps count before epochs."""
    training = {name: settings[name] for name in OF_TRAINING if name in settings}
    if training.get("steps") is not None:
        training["epochs"] = None
    training = {name: value for name, value in training.items() if value is not None or name == "epochs"}
    others = {"method", *OF_TRAINING, *OF_FIT, *OF_STORES}
    return Parts(
        method=str(settings.get("method", USUAL_METHOD)),
        config={name: value for name, value in settings.items() if name not in others},
        training=training,
        fit={name: settings[name] for name in OF_FIT if name in settings},
    )


def check_names(plan: Plan) -> None:
    """Refuse a setting that one of the methods does not have, before anything starts."""
    for method in plan.words("method", USUAL_METHOD):
        own = {f.name for f in fields(method_class(method).Config)}
        known = own | {"method", *OF_TRAINING, *OF_FIT, *OF_STORES}
        for name in (*plan.axes, *plan.fixed):
            if name not in known:
                raise RunError(f'{method} has no setting "{name}".{did_you_mean(name, known)}')


def run_names(plan: Plan) -> dict[int, str]:
    """Folders of the trials of a grid, by place: their settings, as slots_7-seed_42."""
    names = {place: run_name(plan.varied, settings) for place, settings in enumerate(plan.combinations())}
    if len(set(names.values())) == len(names) and max(map(len, names.values())) <= LONGEST:
        return names
    return {place: numbered(place, name) for place, name in names.items()}


def run_name(varied: list[str], settings: Settings) -> str:
    words = [f"{name}_{shown(settings[name])}" for name in varied]
    return re.sub(r"[^\w.+,-]+", "--", "-".join(words)) or "run"


def numbered(place: int, name: str) -> str:
    """For names that are too long, or the same to the digits shown, as they can be in a search."""
    return f"{place:04d}-{name}"[:LONGEST].rstrip("-_.,")


def label(varied: list[str], settings: Settings) -> str:
    """For people: slots 7, seed 42."""
    return ", ".join(f"{name} {shown(settings[name])}" for name in varied) or "the only one"


def shown(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, list):
        return ",".join(map(shown, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def describe(plan: Plan, data: dict[str, str]) -> dict[str, Any]:
    """For sweep.yaml; `data` are the fingerprints of what is trained on and tested on."""
    axes = {name: str(values) if isinstance(values, Range) else values for name, values in plan.axes.items()}
    about = {
        "search" if plan.search else "grid": axes,
        "fixed": dict(sorted(plan.fixed.items())),
        "objective": plan.objective,
    }
    about |= {"sampler": plan.search} if plan.search else {}
    return about | {"threads": plan.threads, "debug": plan.debug, "data": data}


def digest(about: dict[str, Any]) -> str:
    """Of all of it, the order of axes too: it decides which trial is which."""
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


def claim(out: Path, about: dict[str, Any]) -> None:
    """A folder belongs to one sweep. Another one there is refused with the difference named."""
    path = out / FILE
    if path.is_file():
        there, here = flat(yaml.safe_load(path.read_text()) or {}), flat(about)
        names = [name for name in {**there, **here} if there.get(name, "-") != here.get(name, "-")]
        if names:
            lines = [f"  {name}: {there.get(name, '-')} there, {here.get(name, '-')} here" for name in names]
            raise RunError(
                f"{out} holds another sweep:\n" + "\n".join(lines) + "\nChoose another --out, or say what it said."
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{FILE}.new")
    new.write_text(yaml.safe_dump(about, sort_keys=False))
    new.replace(path)


def flat(about: dict[str, Any]) -> dict[str, str]:
    """grid.slots -> 3,5,7: one line for each thing that can differ. The order of axes is one of them."""
    lines = {"axes": " ".join(about.get("grid") or about.get("search") or {})}
    for name, value in about.items():
        inner = value if isinstance(value, dict) else {"": value}
        lines |= {f"{name}.{key}".rstrip("."): json.dumps(one) for key, one in inner.items()}
    return lines
