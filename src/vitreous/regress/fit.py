"""Features and numbers -> run: trains all heads at once, predicts what each had not seen, and scores it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from vitreous import __version__
from vitreous.errors import FeatureMismatch, RunError
from vitreous.features.store import FeatureStore
from vitreous.regress import heads_class
from vitreous.regress.constraints import Sums, error_covariance
from vitreous.regress.division import Division
from vitreous.regress.ensemble import Ensemble, mean_over
from vitreous.regress.heads import HeadConfig
from vitreous.regress.learn import Learning, State, Training, held_out_by
from vitreous.regress.pictures import Pictures, keys_in
from vitreous.regress.run import (
    CHECKPOINT,
    WEIGHTS,
    Recipe,
    RegressionRun,
    claim,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
    under,
    write_log,
)
from vitreous.regress.scaling import Scaling
from vitreous.regress.scores import score_out_of_fold
from vitreous.regress.table import Table

PIN_BYTES = 1 << 30  # features that are kept in memory; larger stores are read as they are needed


@dataclass(frozen=True)
class Head:
    """Which head, and what it is made of; `joint`: one per member for all targets."""

    kind: str = "patch"
    config: HeadConfig = field(default_factory=HeadConfig)
    joint: bool = False


PATCHES, USUAL = Head(), Training()


def ensemble_for(
    pictures: Pictures,
    y: Float[np.ndarray, "n t"],
    targets: Sequence[str],
    members: Sequence[str],
    trains: Bool[np.ndarray, "k n"],
    head: Head,
    scaling: str,
    standardise: str,
) -> Ensemble:
    """Heads that begin at the mean of what they learn from."""
    true = torch.tensor(y, dtype=torch.float32)
    unit = Scaling.of(scaling, true, torch.from_numpy(trains))
    ensemble = Ensemble.make(
        head.kind, head.config, pictures.dim, members, targets, unit, pictures.store.standardiser(standardise),
        joint=head.joint,
    )  # fmt: skip
    scaled = unit.scaled(true)
    start = torch.stack([scaled[torch.from_numpy(own), at].double().mean(0).float() for at, own in enumerate(trains)])
    ensemble.heads.start_at(start.reshape(len(ensemble.heads), -1))
    return ensemble


def fit(
    store: FeatureStore,
    table: Table,
    division: Division,
    out: Path,
    head: Head = PATCHES,
    training: Training = USUAL,
    *,
    weights: Sequence[float] | None = None,
    sums: Sequence[str] = (),
    reconcile: str = "none",
    standardise: str = "dataset",
    columns: Mapping[str, str] | None = None,
    on_epoch: Callable[[Learning], None] | None = None,
) -> RegressionRun:
    """Train heads on a table's pictures; goes on where an interrupted training of the same recipe stopped.

    weights   of the targets in the score; default: all the same
    sums      lines like "Total = GDM + Dead"; `reconcile` says what is done about them
    on_epoch  is told after each epoch
    """
    share = np.asarray(weights if weights is not None else np.ones(len(table.targets)), dtype=float)
    share = share / share.sum()
    if sums:
        Sums.of(sums, table.targets)  # refused now, not after the training
    check_head(head, store)
    head, training = whole(head, training, table.targets, sums)
    pictures = Pictures.of_store(store, keys_in(store, table.pictures))
    members, trains = held_out_by(division.folds)
    recipe = Recipe(
        targets=list(table.targets),
        weights=share.tolist(),
        head=head.kind,
        config=asdict(head.config),
        joint=head.joint,
        members=members,
        training=asdict(training),
        folds=dict(division.how),
        sums=list(sums),
        reconcile=reconcile,
        views=list(store.meta.views),
        grid=list(store.grid),
        fit=store.meta.fit,
        keep_side=store.meta.keep_side,
        feature_dim=store.dim,
        backbone=store.meta.backbone,
        standardise=standardise,
        table={"name": table.path.name, "fingerprint": table.fingerprint()} | dict(columns or {}),
        source={name: str(store.meta.source[name]) for name in ("name", "fingerprint")},
        vitreous=__version__,
    )
    claim(out, recipe)
    if (out / WEIGHTS).is_file():
        return RegressionRun.load(out)
    if 2 * math.prod(store.meta.shape) * len(store) <= PIN_BYTES:
        store.pin()
    ensemble = ensemble_for(pictures, table.y, table.targets, members, trains, head, training.scaling, standardise)
    learning = Learning(ensemble, pictures, table.y, trains, training, share)
    resume(learning, out)

    def told(learning: Learning) -> None:
        write_log(out, learning.state.rows)
        if on_epoch:
            on_epoch(learning)

    learning.run(lambda now: keep(now, out), told)
    write_log(out, learning.state.rows)
    numbers = ensemble.predict(pictures, ~trains)
    run = RegressionRun(out, recipe, ensemble, torch.from_numpy(error_covariance(errors(numbers, table.y))).float())
    score_out_of_fold(run, table, division.folds, division.groups, numbers, pictures.views)
    run.save()
    (out / CHECKPOINT).unlink(missing_ok=True)
    return run


def errors(numbers: Float[np.ndarray, "n v k t"], y: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
    return mean_over(numbers) - y


def check_head(head: Head, store: FeatureStore) -> None:
    """The class token has a store of its own."""
    is_token = store.meta.backbone.get("facet") == "cls"
    if not heads_class(head.kind).whole and (head.kind == "cls") != is_token:
        holds = "class tokens" if is_token else "patches"
        raise FeatureMismatch(
            f"{store.path} holds {holds}, which is not what a {head.kind} head looks at.\nName another --store, or "
            f"leave it out to have one made."
        )


def whole(head: Head, training: Training, targets: Sequence[str], sums: Sequence[str]) -> tuple[Head, Training]:
    """A larger model knows targets and sums, scales by itself, and is held to the squared error of the score."""
    if not heads_class(head.kind).whole:
        return head, training
    if training.scaling not in ("none", "mean") or training.loss not in ("mse", "weighted_r2"):
        raise RunError(
            f"{head.kind} adds up its parts in the units of the targets, and learns by the squared error of the score: "
            f"leave out --scaling {training.scaling} and --loss {training.loss}."
        )
    config = head.config.knowing(tuple(targets), tuple(sums))
    return replace(head, config=config, joint=True), replace(training, scaling="none", loss="weighted_r2")


def keep(learning: Learning, out: Path) -> None:
    """All that a training needs to go on bit for bit."""
    tensors = {f"heads.{name}": value for name, value in learning.ensemble.heads.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in learning.best.items()}
    tensors |= {f"optimiser.{name}": value for name, value in optimiser_tensors(learning.sam.base).items()}
    save_checkpoint(out / CHECKPOINT, tensors, asdict(learning.state))


def resume(learning: Learning, out: Path) -> None:
    if not (out / CHECKPOINT).is_file():
        return
    tensors, about = load_checkpoint(out / CHECKPOINT)
    learning.ensemble.heads.load_state_dict(under(tensors, "heads."))
    learning.best = under(tensors, "best.")
    restore_optimiser(learning.sam.base, under(tensors, "optimiser."))
    about |= {"losses": tuple(about["losses"]), "best": tuple(about["best"])}
    learning.state = State(**about)
