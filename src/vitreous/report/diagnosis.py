"""A diagnosis as values, as text, and as a file in the run's folder."""

import json
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

from vitreous.types import Score

FILE = "diagnosis.json"


@dataclass(frozen=True)
class Fact:
    """A number with the threshold that it is held against.

    bad    on which side of the threshold it speaks for the failure
    means  what the number is, in words
    """

    name: str
    score: Score
    bad: Literal["above", "below"]
    threshold: float
    means: str

    @property
    def speaks(self) -> bool:
        """Whether it speaks for the failure; what was not measured does not."""
        mean = self.score.mean
        return not isnan(mean) and (mean > self.threshold if self.bad == "above" else mean < self.threshold)

    def text(self) -> str:
        if isnan(self.score.mean):
            return f"{self.name} was not measured"
        half = (self.score.high - self.score.low) / 2
        spread = f" ±{half:.3f}" if half > 0 else ""
        return f"{self.name} {self.score.mean:.3f}{spread}, {self.bad} {self.threshold:.3g}: {self.means}"


@dataclass(frozen=True)
class Finding:
    """A failure that was seen.

    says     in a sentence
    facts    those that speak for it
    next     what to try
    follows  the finding that explains it; it needs no cure of its own then
    """

    name: str
    says: str
    facts: tuple[Fact, ...]
    next: str
    follows: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All that is wrong with a run on a store, as far as this can be seen.

    findings  roots first, in the order in which to mend them
    facts     every number that was held against a threshold, by failure, also where it is fine
    notes     what should be known but is no failure
    truth     whether ids were there; without them the last four failures cannot be seen
    """

    run: str
    store: str
    pictures: int
    truth: bool
    findings: tuple[Finding, ...]
    facts: dict[str, tuple[Fact, ...]]
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        return not self.findings

    @property
    def names(self) -> list[str]:
        """Of the failures that no other one explains."""
        return [finding.name for finding in self.findings if finding.follows is None]


def print_diagnosis(diagnosis: Diagnosis) -> str:
    """All of it as text."""
    d = diagnosis
    where = f"{d.run} on {d.pictures} pictures of {d.store}"
    if d.healthy:
        lines = [f"healthy: {where}", "", "What was looked at:"]
        lines += [f"  {name}: {'; '.join(fine(f) for f in some)}" for name, some in d.facts.items()]
    else:
        lines = [where]
    for finding in d.findings:
        lines += ["", finding.name.upper() + (f"  (follows from {finding.follows})" if finding.follows else "")]
        lines += [f"  {finding.says}", *(f"  - {fact.text()}" for fact in finding.facts)]
        lines += [] if finding.follows else [f"  Try next:  {finding.next}"]
    return "\n".join([*lines, *(f"\nNote: {note}" for note in d.notes)])


def fine(fact: Fact) -> str:
    return f"{fact.name} {fact.score.mean:.3f}, bad {fact.bad} {fact.threshold:.3g}"


def save_diagnosis(diagnosis: Diagnosis, folder: Path) -> Path:
    """FOLDER/diagnosis.json; `read_diagnosis` gives it back."""
    new, path = folder / f"{FILE}.new", folder / FILE
    new.write_text(json.dumps(asdict(diagnosis), indent=1, default=str) + "\n")
    new.replace(path)
    return path


def read_diagnosis(folder: Path) -> Diagnosis | None:
    """What `vitreous diagnose` saved in a run's folder; None if it never looked."""
    if not (folder / FILE).is_file():
        return None
    saved = json.loads((folder / FILE).read_text())
    facts = {name: tuple(map(as_fact, some)) for name, some in saved["facts"].items()}
    findings = [Finding(**f | {"facts": tuple(map(as_fact, f["facts"]))}) for f in saved["findings"]]
    return Diagnosis(**saved | {"facts": facts, "findings": tuple(findings), "notes": tuple(saved["notes"])})


def as_fact(saved: dict[str, Any]) -> Fact:
    score = Score(**saved.pop("score"))
    return Fact(score=score, **saved)
