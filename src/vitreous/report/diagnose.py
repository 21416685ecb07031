"""What is wrong with a run, in words: each failure by name, with its evidence and the setting to try next.

Thresholds stand in `examine`; docs/diagnose.md says why they are where they are.
"""

import json
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal

from vitreous.features.store import FeatureStore
from vitreous.report.advice import next_setting
from vitreous.report.observe import Evidence, observe
from vitreous.runs import Recipe, Run
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


SAYS = {
    "uniform masks": "No patch is given to anyone: every slot has nearly the same share everywhere. Which slot wins is an "
    "accident, and so is every score.",
    "slot collapse": "Nearly all patches go to very few slots.",
    "position carving": "Slots cut zones of the picture: their masks agree more with those of other pictures than with "
    "what is in their own.",
    "feature scale": "The features are not on a scale that a slot model can work with.",
    "background split": "Several slots share the true background.",
    "objects merged": "Objects share a slot.",
    "parts split": "Objects are cut into parts, each with a slot of its own.",
    "objects missed": "Objects go with the background.",
}
NEEDS_TRUTH = ("objects missed", "objects merged", "parts split", "background split")
WITHOUT_OBJECTS = ("uniform masks", "slot collapse", "position carving", "loss and score disagree")
EXPLAINED_BY = {  # a failure says nothing new where one of these was found
    "slot collapse": ("uniform masks",),
    "target leakage": ("uniform masks", "slot collapse"),
    "loss and score disagree": ("uniform masks", "slot collapse", "position carving"),
    **dict.fromkeys(NEEDS_TRUTH, WITHOUT_OBJECTS),
}


def diagnose(run: Run, store: FeatureStore, pictures: int = 200) -> Diagnosis:
    """Diagnose a run on about so many pictures, spread over a store; with the truth, where it has ids."""
    return judge(observe(run, store, pictures), run.recipe, str(run.folder), str(store.path))


def judge(evidence: Evidence, recipe: Recipe, run: str = "", store: str = "") -> Diagnosis:
    """Evidence -> findings. A failure that another one explains follows it, and is listed after all roots."""
    facts = examine(evidence, recipe)
    seen = {name: some for name, some in facts.items() if found(name, some)}
    findings = []
    for name, some in seen.items():
        cause = next((cause for cause in EXPLAINED_BY.get(name, ()) if cause in seen), None)
        if name == "target leakage" and evidence.loss_is_of_something_else:
            cause = None  # uniform masks rebuild only the mean, but that would not make the loss low
        speaking = tuple(fact for fact in some if fact.speaks)
        says = SPOKEN[name](evidence) if name in SPOKEN else SAYS[name]
        findings.append(Finding(name, says, speaking, next_setting(name, evidence, recipe), cause))
    findings.sort(key=lambda finding: finding.follows is not None)
    return Diagnosis(
        run, store, len(evidence.pictures), evidence.has_truth, tuple(findings), facts, tuple(notes(evidence, seen))
    )


NOTHING = 0.95  # pattern fill of a decoder that rebuilds nothing, with some room for noise
ALL = ("position carving", "loss and score disagree")  # found where all facts speak; the others where any does


def leakage(evidence: Evidence) -> str:
    """What kind of it."""
    if evidence.mean("pattern_fill") <= NOTHING:
        return "What is rebuilt does not come from the slots: those of another picture would do as well."
    said = "Nothing is rebuilt that differs between the patches of a picture: the slots tell the decoder nothing."
    if evidence.loss_is_of_something_else:
        said += (
            f" Yet the training's loss was {evidence.loss:.3g}, where the error here is {evidence.mean('error'):.3g}: it "
            "is a loss of something else than these features."
        )
    return said


def disagreement(evidence: Evidence) -> str:
    said = "The features are rebuilt, but the masks show nothing of what is there: the loss is no measure of this run."
    return said + (f" Its FG-ARI is {evidence.mean('fg_ari'):.3f}." if evidence.has_truth else "")


SPOKEN = {"target leakage": leakage, "loss and score disagree": disagreement}  # the others: SAYS


def found(name: str, facts: tuple[Fact, ...]) -> bool:
    return (all if name in ALL else any)(fact.speaks for fact in facts)


def examine(evidence: Evidence, recipe: Recipe) -> dict[str, tuple[Fact, ...]]:
    """Every number beside its threshold, by failure."""
    e = evidence

    def fact(name: str, bad: Literal["above", "below"], threshold: float, means: str) -> Fact:
        return Fact(name, e.score(name), bad, threshold, means)

    scale = (0.2, 5.0) if recipe.standardise == "none" else (0.5, 2.0)
    # a true background that fills nearly all of the picture may do so in the masks, too
    most = max(0.95, (1 + e.mean("ground")) / 2) if e.has_truth else 0.95
    few = min(e.mean("there") / 4, (1 + e.mean("objects")) / 2) if e.has_truth else e.mean("there") / 4
    facts = {
        "feature scale": (
            fact("scale", "below", scale[0], "root mean square of what the method sees, 1 once standardised"),
            fact("scale", "above", scale[1], "root mean square of what the method sees, 1 once standardised"),
            fact("patch_share", "below", 0.2, "share of the features that differs between patches of a picture"),
        ),
        "uniform masks": (fact("entropy", "above", 0.95, "of who owns a patch; 1 is log K, everyone alike"),),
        "slot collapse": (
            fact("active", "below", max(1.5, few), "slots that win at least 1 % of the patches"),
            fact("top_share", "above", most, "share of the patches that the largest slot wins"),
        ),
        "position carving": (
            fact("position", "above", e.mean("content"), "agreement with masks of other pictures, above `content`"),
            fact("position", "above", 0.1, "the same; 0 is chance, 1 where all pictures are cut alike"),
        ),
        "target leakage": (
            fact("pattern_fill", "above", NOTHING, "error of what is rebuilt, 1 where it is the same everywhere"),
            fact("swapped", "below", 1.1, "error from slots of another picture over that from its own"),
        ),
        "loss and score disagree": (
            fact("pattern_fill", "below", 0.8, "error of what is rebuilt, 1 where it is the same everywhere"),
            fact("content", "below", 0.15, "agreement of the masks with what is in their picture; 0 is chance"),
        ),
    }
    if e.has_truth:
        facts |= {
            "objects missed": (fact("missed", "above", 1 / 3, "share of objects in the background's slot"),),
            "objects merged": (fact("merged", "above", 1 / 3, "share of objects that share a slot with another"),),
            "parts split": (fact("split", "above", 0.2, "share of objects of which a second slot has a fifth"),),
            "background split": (fact("ground_kept", "below", 0.75, "share of the background in its largest slot"),),
        }
    return facts


def notes(evidence: Evidence, seen: dict[str, Any]) -> list[str]:
    """What should be known but is no failure."""
    said, e = [], evidence
    if "target leakage" not in seen and e.mean("mean_fill") >= 1:
        said.append(
            f"What is rebuilt is no better than each picture's mean (mean fill {e.mean('mean_fill'):.2f}), but only "
            f"because it misses that mean: what differs between patches is rebuilt (pattern fill "
            f"{e.mean('pattern_fill'):.2f}). Masks do not suffer; more --steps mend it."
        )
    if not e.has_truth:
        said.append(f"Without ids it cannot be seen: {', '.join(NEEDS_TRUTH)}.")
    if isnan(e.mean("swapped")):
        said.append("Whether the decoder uses the slots was not tried: it takes two clips and slots to exchange.")
    return said


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
    return Fact(**saved | {"score": Score(**saved["score"])})
