"""What is wrong with what was seen, in words: of one picture or clip, and of the run itself."""

from math import isnan

from vitreous.report.diagnose import judge
from vitreous.report.diagnosis import Diagnosis, Fact, fine, read_diagnosis
from vitreous.report.observe import Observer, some
from vitreous.runs import Recipe
from vitreous.view.seen import Seen

OF_ONE = (
    "One picture tells less than many: zones that are cut alike in every picture, and slots that the decoder does not "
    "use, show only on a store."
)


def diagnose_seen(seen: Seen, recipe: Recipe) -> Diagnosis:
    """Failures that show in one picture or clip, by the thresholds of `vitreous diagnose`."""
    observer = Observer(seen.slots)
    features = seen.features.float()  # nobody knows the mean of each position from one picture: they stay as they are
    frames = range(seen.frames)
    observer.add(
        [seen.name for _ in frames], some(seen.output, list(frames)), features, features, [None for _ in frames]
    )
    return judge(observer.evidence(), recipe, str(seen.run), seen.name)


def in_words(found: Diagnosis, where: str) -> str:
    """As Markdown."""
    if found.healthy:
        looked = [
            f"- {name}: {'; '.join(fine(fact) for fact in some if known(fact))}"
            for name, some in found.facts.items()
            if any(map(known, some))
        ]
        return "\n".join([f"**Nothing is wrong with {where}**, as far as this can be seen. Looked at:\n", *looked])
    lines = [f"**What is wrong with {where}**"]
    for finding in found.findings:
        after = f" (follows from {finding.follows})" if finding.follows else ""
        lines += [f"\n**{finding.name.capitalize()}**{after}: {finding.says}\n"]
        lines += [f"- {fact.text()}" for fact in finding.facts]
        lines += [] if finding.follows else [f"\nTry next: {finding.next}"]
    return "\n".join(lines)


def known(fact: Fact) -> bool:
    return not isnan(fact.score.mean)


def about_run(seen: Seen) -> str:
    """What `vitreous diagnose` saved of the run, as Markdown."""
    found = read_diagnosis(seen.run)
    if found is None:
        return f"Nobody has diagnosed the run itself yet:  `vitreous diagnose {seen.run} STORE`"
    return in_words(found, f"the run, on {found.pictures} pictures of {found.store}")
