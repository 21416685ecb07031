"""vitreous slots"""

from pathlib import Path

from vitreous.cli.parser import second_is


def slots(
    run: Path,
    store: Path | None = None,
    out: Path = Path("slots"),
    most: int = 3000,
    queries: int = 8,
    seed: int = 0,
) -> None:
    """Look at the slots of a whole data set: t-SNE, PCA, clusters, and for a slot the pictures with slots like it.

    The store follows the run: vitreous slots RUN STORE. Without it, the one that the run was scored on. Slots are
    coloured by material, shape, colour, size and ground-truth match as far as the store knows them. Writes slots.csv
    (a line per slot), slots.safetensors (the vectors), clusters.csv, tsne.png, pca.png and neighbours.png.

    Args:
        run: Folder written by `vitreous train`.
        store: Feature store to look at.
        out: Where all of it goes; made if missing.
        most: About so many slots, of pictures spread over the store; t-SNE takes long with many.
        queries: Slots whose nearest neighbours are shown.
        seed: Decides everything random.
    """
    from vitreous.cli.diagnose import store_of
    from vitreous.features.store import FeatureStore
    from vitreous.report.neighbours import neighbour_sheet, neighbours
    from vitreous.report.pictures import save
    from vitreous.report.slot_figures import NAMES, draw_space
    from vitreous.report.slot_space import print_clusters, slot_space, write_slots
    from vitreous.runs import Run

    features = FeatureStore(store or store_of(run))
    space = slot_space(Run.load(run), features, most, seed=seed)
    print(f"{print_clusters(space)}\n")
    print(*write_slots(space, out), sep="\n")
    for how in NAMES:
        draw_space(space, how).savefig(out / f"{how}.png", dpi=120)
        print(out / f"{how}.png")
    print(save(neighbour_sheet(space, features, neighbours(space, queries, seed=seed)), out / "neighbours.png"))


command = second_is("store", slots)
