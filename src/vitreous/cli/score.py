"""vitreous score"""

from pathlib import Path
from typing import Literal


def score_run(
    run: Path,
    store: Path,
    baselines: bool = True,
    refine: bool = False,
    prune: float | Literal["auto"] | None = None,
    apart: float = 0.0,
    on_training_data: bool = False,
) -> None:
    """Score a run against the ids in a store: ARI, FG-ARI, mBO, mIoU, boundary F, with 95 % intervals.

    Also by material, size and number of objects, over clips as a whole, and what the masks say without the truth.
    Writes scores.json, scores.csv (a line per picture) and result.png into the run's folder.

    Args:
        run: Folder written by `vitreous train`.
        store: Feature store of pictures with ids that the run was not trained on.
        baselines: Also score k-means on the same features, superpixels, and the ceiling of the grid.
        refine: Add rows with masks whose borders follow the edges of the pictures.
        prune: Make slots one that are nearer than this cosine distance, as 0.2, or auto: chosen for each picture.
        apart: Regions of one slot that do not touch are segments of their own, from this share of the picture on.
        on_training_data: Allow the very data that the run was trained on.
    """
    from vitreous.features.store import FeatureStore
    from vitreous.report.contact import result_sheet
    from vitreous.report.score import print_details, print_table
    from vitreous.report.score import score as score_run
    from vitreous.runs import Run

    loaded, features = Run.load(run), FeatureStore(store)
    how = {"baselines": baselines, "refine": refine, "same": prune, "apart": apart}
    table = score_run(loaded, features, **how, on_training_data=on_training_data)
    print(f"{print_table(table)}\n\n{print_details(run)}\n")
    print(run / "scores.json", run / "scores.csv", sep="\n")
    print(result_sheet(loaded, features, run / "result.png", same=prune, apart=apart))
