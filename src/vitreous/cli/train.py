"""vitreous train"""

from pathlib import Path
from typing import Any, Literal


def train(
    store: Path,
    out: Path = Path("run"),
    method: str = "dinosaur",
    slots: int | None = None,
    slot_dim: int | None = None,
    iterations: int | None = None,
    options: dict[str, Any] | None = None,
    steps: int = 1000,
    batch_size: int = 16,
    lr: float = 1e-4,
    frames: int = 1,
    seed: int = 0,
    standardise: Literal["dataset", "position", "token", "image", "none"] = "dataset",
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed",
    device: str = "auto",
) -> None:
    """Train a slot model on a feature store; started again, an interrupted training goes on.

    Args:
        store: Feature store written by `vitreous extract`.
        out: Run folder; made if missing.
        method: Which paper: dinosaur.
        slots: Number of slots, objects and background; the method's own default if left out.
        slot_dim: Width of a slot.
        iterations: Rounds of slot attention.
        options: Any other setting of the method, as --options.NAME VALUE or --options '{"start": "gaussian"}'.
        steps: Length of the training.
        batch_size: Clips per step.
        lr: Peak learning rate. The warm start wants a small one; start=gaussian wants 4e-4.
        frames: Consecutive frames per clip; 1 treats every frame as a picture.
        seed: Decides everything random.
        standardise: How features are brought to one scale, by statistics of the whole store.
        precision: bf16-mixed is 2-4 times as fast as 32-true on recent processors.
        device: auto, cpu or gpu.
    """
    from vitreous.features.store import FeatureStore
    from vitreous.train.fit import fit
    from vitreous.train.module import Training

    asked = {"slots": slots, "slot_dim": slot_dim, "iterations": iterations}
    config = {name: value for name, value in asked.items() if value is not None} | (options or {})
    settings = Training(steps=steps, batch_size=batch_size, lr=lr, frames=frames, seed=seed)
    run = fit(
        FeatureStore(store), out, method, config, settings, standardise=standardise, precision=precision, device=device
    )
    print(run.folder)
    print(f"Score it:  vitreous score {run.folder} STORE_OF_OTHER_PICTURES")
