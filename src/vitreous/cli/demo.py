"""vitreous demo: the main job, end to end, on what the package carries."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def demo(out: Path = Path("demo"), steps: int = 300, slots: int = 11, seed: int = 0) -> None:
    """Extract, train, score and show, offline, on the embedded scenes with the embedded backbone.

    Args:
        out: Where stores, the run and the pictures go; what is there already is not made again.
        steps: Length of the slot training.
        slots: Number of slots; the scenes have 3 to 10 objects and a floor.
        seed: Decides everything random.
    """
    from vitreous.data import open_source
    from vitreous.data.mini import MINI
    from vitreous.features.extract import extract
    from vitreous.report.contact import result_sheet
    from vitreous.report.score import print_table, score
    from vitreous.train.fit import fit
    from vitreous.train.module import Training

    spent: dict[str, float] = {}
    with timed("extract", spent):
        train = extract(open_source(MINI, split="train"), out / "train.lance", views=("identity", "hflip"))
        test = extract(open_source(MINI, split="test"), out / "test.lance")
    with timed("train", spent):
        training = Training(steps=steps, seed=seed)
        run = fit(train, out / f"run_{slots}_{steps}_{seed}", "dinosaur", {"slots": slots}, training)
    with timed("score", spent):
        table = score(run, test, refine=True)
    with timed("pictures", spent):
        picture = result_sheet(run, test, run.folder / "result.png")
    print(f"\n{len(test)} scenes that were never trained on; mean and 95 % interval over scenes:\n")
    print(print_table(table))
    print("\nTime: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in spent.items()))
    print(f"\nLook at  {picture}\n         {run.folder / 'training_history.png'}")
    print(f"Your own pictures:  vitreous segment {run.folder} PICTURES --refine true --out masks")


@contextmanager
def timed(name: str, spent: dict[str, float]) -> Iterator[None]:
    """Say what is going on, and keep how long it took."""
    print(f"{name} ...", file=sys.stderr)
    began = time.monotonic()
    yield
    spent[name] = time.monotonic() - began
