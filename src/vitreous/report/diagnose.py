"""What is wrong with a run: each failure by name, with its evidence and the setting to try next.

Thresholds stand in `examine`; docs/diagnose.md says why they are where they are.
"""

from math import isnan
from typing import Any, Literal

from vitreous.features.store import FeatureStore
from vitreous.report.advice import next_setting
from vitreous.report.diagnosis import Diagnosis, Fact, Finding, print_diagnosis, read_diagnosis, save_diagnosis
from vitreous.report.observe import Evidence, observe
from vitreous.runs import Recipe, Run

__all__ = [
    "Diagnosis", "Fact", "Finding", "diagnose", "judge", "print_diagnosis", "read_diagnosis", "save_diagnosis"
]  # fmt: skip

SAYS = {
    "uniform masks": "No patch is given to anyone: every slot has nearly the same share everywhere. Which slot wins is "
    "an accident, and so is every score.",
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


RELATED = 0.15  # content of masks that show something of what is there
NOTHING = 0.95  # pattern fill of a decoder that rebuilds nothing, with some room for noise
ALL = ("position carving", "loss and score disagree")  # found where all facts speak; the others where any does


def leakage(evidence: Evidence) -> str:
    """What kind of it."""
    if evidence.mean("pattern_fill") <= NOTHING:
        return "What is rebuilt does not come from the slots: those of another picture would do as well."
    said = "Nothing is rebuilt that differs between the patches of a picture: the slots tell the decoder nothing."
    if evidence.mean("content") > RELATED:
        said += " That the masks follow the picture is due to where slots start; training adds nothing to it."
    if evidence.loss_is_of_something_else:
        said += (
            f" Yet the training's loss was {evidence.loss:.3g}, where the error here is {evidence.mean('error'):.3g}: "
            "it is a loss of something else than these features."
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
            fact("content", "below", RELATED, "agreement of the masks with what is in their picture; 0 is chance"),
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
