"""vitreous score"""

from pathlib import Path


def score(run: Path, store: Path, baselines: bool = True, refine: bool = False, on_training_data: bool = False) -> None:
    """Score a run against the ids in a store: ARI, FG-ARI, mBO, mIoU with 95 % intervals.

    Args:
        run: Folder written by `vitreous train`.
        store: Feature store of pictures with ids that the run was not trained on.
        baselines: Also score k-means on the same features, superpixels, and the ceiling of the grid.
        refine: Add rows with masks whose borders follow the edges of the pictures.
        on_training_data: Allow the very data that the run was trained on.
    """
    from vitreous.features.store import FeatureStore
    from vitreous.report.contact import result_sheet
    from vitreous.report.score import print_table
    from vitreous.report.score import score as score_run
    from vitreous.runs import Run

    loaded, features = Run.load(run), FeatureStore(store)
    table = score_run(loaded, features, baselines=baselines, refine=refine, on_training_data=on_training_data)
    print(print_table(table))
    print(run / "scores.json")
    print(result_sheet(loaded, features, run / "result.png"))
