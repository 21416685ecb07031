"""vitreous inspect: what a store or a run holds, and whether it is intact."""

from pathlib import Path


def inspect(path: Path, sample: int = 16) -> None:
    """Print what a feature store or a run folder holds, and check a store; the exit status is 1 if it is not intact.

    Args:
        path: Feature store, or run folder, or the name of a run that comes with the package.
        sample: So many stored pictures go through the backbone again, to compare features; 0 for none.
    """
    from vitreous.shipped import find_run

    path = find_run(path)
    if (path / "recipe.yaml").is_file():
        print_run(path)
        return
    from vitreous.errors import StoreError
    from vitreous.features.store import FeatureStore

    store = FeatureStore(path)
    for name, value in summary(store):
        print(f"{name:15} {value}")
    found = store.check(sample)
    for note in found.notes:
        print(f"{'note':15} {note}")
    if found.problems:
        raise StoreError(f"{path} is not intact:\n" + "\n".join(f"- {problem}" for problem in found.problems))
    print(f"{'intact':15} yes")


def summary(store) -> list[tuple[str, object]]:
    meta, made = store.meta, store.meta.backbone
    h, w, d = meta.shape
    size = sum(file.stat().st_size for file in store.path.rglob("*") if file.is_file())
    rows = [
        ("store", store.path),
        ("backbone", f"{made['name']}, layer {made.get('layer')}, {made.get('facet')}, {made.get('dtype')}"),
        ("weights", made.get("digest")),
        ("grid", f"{h} x {w} patches of {d} numbers, fit {meta.fit}"),
        ("views", " ".join(meta.views)),
        ("rows", f"{len(store)} of {meta.planned} planned; {len(store.keys)} clips, {sum(store.lengths)} frames"),
        ("source", f"{meta.source['name']} ({meta.source.get('path') or 'no path'})"),
        ("fingerprint", meta.source["fingerprint"]),
        ("size on disk", f"{size / 1e6:,.1f} MB"),
        ("created", f"{meta.created} with " + " ".join(f"{k} {v}" for k, v in meta.made_with.items())),
    ]
    rows += [("skipped", f"{what}: {why}") for what, why in meta.skipped]
    return rows + statistics(store) if len(store) else rows


def statistics(store) -> list[tuple[str, object]]:
    stats = store.stats
    return [
        ("mean", f"{stats.mean.min():.4g} .. {stats.mean.max():.4g} over channels"),
        ("deviation", f"{stats.std.min():.4g} .. {stats.std.max():.4g} over channels"),
        ("norm", f"{stats.rms_norm:.4g} per patch (root mean square)"),
        ("position share", f"{stats.position_share:.1%} of the variance is explained by position alone"),
    ]


def print_run(path: Path) -> None:
    print((path / "recipe.yaml").read_text().rstrip())
    scores = path / "scores.json"
    print(scores.read_text().rstrip() if scores.is_file() else f"no scores yet:  vitreous score {path} STORE")
