"""The setting to try next, for a failure of a run: in options that its method has."""

from math import isfinite

from vitreous.report.observe import Evidence
from vitreous.runs import Recipe


def next_setting(failure: str, evidence: Evidence, recipe: Recipe) -> str:
    """In words, with options of `vitreous train` (or `extract`) as they are typed."""
    return ADVICE[failure](evidence, recipe)


def uniform(evidence: Evidence, recipe: Recipe) -> str:
    config, hints = recipe.config, []
    if config.get("start", "warm") != "warm":
        hints.append("--start warm (slots start as groups of like patches)")
    name = "mask_temperature" if config.get("masks") == "decoder" or "temperature" not in config else "temperature"
    if config.get(name):
        hints.append(f"--{name.replace('_', '-')} {config[name] / 2:g} (sharper than {config[name]:g})")
    return "; then ".join([*hints, longer(recipe)])


def collapse(evidence: Evidence, recipe: Recipe) -> str:
    config = recipe.config
    if config.get("start", "warm") != "warm":
        return "--start warm (slots start as groups of like patches)"
    hints = [f"--merge {config['merge'] / 2:g} (fewer groups become one)"] if config.get("merge") else []
    if config.get("diversity") is not None:
        hints.append(f"--diversity {max(0.01, 2 * config['diversity']):g}")
    return "; then ".join(hints or [f"--slots {evidence.slots + 4}"])


def carving(evidence: Evidence, recipe: Recipe) -> str:
    hints = ["--standardise position (takes away what a place alone explains)"] * (recipe.standardise != "position")
    if recipe.config.get("start", "warm") != "warm":
        hints.append("--start warm (slots start from what is in the picture)")
    hints.append("another --layer or --facet of the backbone (vitreous extract); vitreous backbones panel STORE ...")
    return "; then ".join(hints)


def leakage(evidence: Evidence, recipe: Recipe) -> str:
    if evidence.mean("pattern_fill") <= 0.95:
        return (
            "a decoder that sees nothing but slots: --decoder mlp"
            if recipe.config.get("decoder") == "autoregressive"
            else "a decoder that sees nothing but slots: this one rebuilds as well without them"
        )
    if evidence.loss_is_of_something_else:
        return (
            "look at what the loss compares: a learned layer between backbone and target, which a loss can shrink to "
            "nothing; or features of another store"
        )
    return f"{longer(recipe)}; then --lr {4 * recipe.training.get('lr', 1e-4):g}"


def disagree(evidence: Evidence, recipe: Recipe) -> str:
    hints = ["choose runs by `vitreous score` or this diagnosis, not by their loss"]
    if recipe.config.get("masks") == "decoder":
        hints.append("--masks attention")
    if recipe.config.get("decoder") == "autoregressive":
        hints.append("--decoder mlp (the autoregressive one sees the patches that it rebuilds)")
    elif recipe.config.get("start", "warm") != "warm":
        hints.append("--start warm")
    return "; then ".join(hints)


def scale(evidence: Evidence, recipe: Recipe) -> str:
    if evidence.mean("patch_share") < 0.2:
        return (
            "--standardise image (mean and deviation of each picture); then another --layer or --facet of the backbone "
            "(vitreous extract), as patches of this one are nearly alike: vitreous backbones panel STORE ..."
        )
    if recipe.standardise == "none":
        return "--standardise dataset"
    return "train on features of the same backbone and data: the run's statistics do not fit this store"


def fewer(evidence: Evidence, recipe: Recipe) -> str:
    config, slots = recipe.config, evidence.slots
    hints = [f"--merge {1.5 * config['merge']:.2g} (more groups become one)"] if config.get("merge") else []
    need = most_objects(evidence) + 1
    hints.append(f"--slots {max(need, 2) if need < slots else max(2, slots - 2)}")
    if config.get("diversity"):
        hints.append(f"--diversity {config['diversity'] / 2:g} (it pushes slots apart)")
    return "; then ".join(hints)


def more(evidence: Evidence, recipe: Recipe) -> str:
    config, need = recipe.config, most_objects(evidence) + 1
    hints = []
    if need > evidence.slots:
        hints.append(f"--slots {need} (pictures show up to {need - 1} objects, and there is a background)")
    if config.get("merge"):
        hints.append(f"--merge {config['merge'] / 2:g} (fewer groups become one)")
    h, w = recipe.grid
    hints.append(f"a finer grid: vitreous extract --grid {2 * h if h == w else f'{2 * h}x{2 * w}'}")
    return "; then ".join(hints)


def most_objects(evidence: Evidence) -> int:
    """In any picture, at least a patch large; 0 where the truth is not known."""
    return int(max(evidence.pictures["objects"].fillna(0.0).tolist())) if evidence.has_truth else 0


def longer(recipe: Recipe) -> str:
    steps = recipe.training.get("steps")
    return f"--steps {2 * steps}" if isinstance(steps, int) and isfinite(steps) else "a longer training (--steps)"


ADVICE = {
    "uniform masks": uniform,
    "slot collapse": collapse,
    "position carving": carving,
    "target leakage": leakage,
    "loss and score disagree": disagree,
    "feature scale": scale,
    "background split": fewer,
    "objects merged": more,
    "parts split": fewer,
    "objects missed": more,
}
