"""vitreous regress: fit, predict, report."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vitreous.cli.parser import Completed

if TYPE_CHECKING:
    from vitreous.features.store import FeatureStore
    from vitreous.regress.division import Division
    from vitreous.regress.run import Recipe
    from vitreous.regress.submission import Wanted
    from vitreous.regress.table import Table

LISTS = ("targets", "weights", "groups", "strata", "sums", "settings")
AS_THEY_ARE = ("sums", "settings")  # commas do not divide these


def fit(
    table: Path,
    images: Path | None = None,
    out: Path = Path("regression"),
    targets: list[str] | None = None,
    weights: list[str] | None = None,
    groups: list[str] | None = None,
    strata: list[str] | None = None,
    folds: int | Literal["each"] = 5,
    fold_column: str | None = None,
    seeds: int = 1,
    sums: list[str] | None = None,
    reconcile: Literal["none", "compose", "project", "weighted"] | None = None,
    head: Literal["patch", "linear", "attention", "pooled", "cls"] = "patch",
    width: int = 128,
    depth: int = 1,
    dropout: float = 0.0,
    positive: Literal["relu", "softplus", "none"] = "relu",
    joint: bool = False,
    model: Literal["heads", "crosspvt"] = "heads",
    settings: list[str] | None = None,
    epochs: int = 40,
    batch_size: int = 16,
    lr: float = 2e-3,
    optimiser: Literal["adamw", "sgd"] = "adamw",
    weight_decay: float = 1e-2,
    momentum: float = 0.9,
    rho: float = 0.05,
    adaptive: bool = False,
    loss: Literal["mse", "huber", "tweedie", "weighted_r2"] = "mse",
    scaling: Literal["none", "mean", "max", "log1p"] = "mean",
    patience: int = 0,
    precision: Literal["float32", "bfloat16"] = "float32",
    seed: int = 0,
    backbone: str = "glass_tiny",
    grid: str = "16",
    layer: int | None = None,
    tiles: str = "1",
    views: str = "identity",
    fit: Literal["squash", "crop"] = "squash",
    keep_side: int = 1024,
    standardise: Literal["dataset", "position", "token", "image", "none"] = "dataset",
    store: Path | None = None,
    device: str = "auto",
    on_error: Literal["raise", "skip"] = "raise",
    image_column: str = "image_path",
    id_column: str = "sample_id",
    name_column: str = "target_name",
    value_column: str = "target",
) -> None:
    """Learn numbers of pictures from a table: one head per target and fold, all at once; stopped, it goes on.

    vitreous regress fit --table train.csv --images DIR --targets count area --groups plate

    Args:
        table: CSV file with a row per picture, or per picture and target (columns sample_id, image_path,
            target_name, target, as in the CSIRO competition).
        images: Folder that the names of pictures start from; default: the table's own.
        out: Run folder; made if missing.
        targets: Columns to learn, or names in the target column; default of a long table: all.
        weights: Of the targets in the score, as in Total=0.5 GDM=0.2; default: all the same.
        groups: Columns that tell what belongs together (State Date): never on both sides of a fold.
        strata: Columns whose values each fold gets its share of; numbers are cut into bins.
        folds: Parts, each held out once; each: as many as there are groups.
        fold_column: Column that names the fold of each picture, instead.
        seeds: Divisions into folds, each with heads of its own.
        sums: What adds up, as in "GDM = Green + Clover" "Total = GDM + Dead".
        reconcile: How it is made to: compose totals from parts, project to the nearest numbers, or weighted by the
            errors on held-out pictures; compose if there are sums.
        head: patch: every patch votes; linear: without a hidden layer; attention; pooled: the mean patch; cls.
        width: Hidden numbers per head.
        depth: Hidden layers.
        dropout: Share of hidden numbers left out while learning.
        positive: How votes are kept from being negative; none for targets that may be.
        joint: One head per fold for all targets.
        model: heads, as described above; or crosspvt, a larger network that looks at both halves of a picture in small
            and in large tiles; a tile is its class token with --head cls, else the mean of its patches.
        settings: Of crosspvt, as in faithful=true token_dim=96 dims=96,128,160; see docs/methods/crosspvt.md
        epochs: Passes over the pictures.
        batch_size: Pictures per step.
        lr: Peak learning rate.
        optimiser: adamw or sgd.
        weight_decay: Of either.
        momentum: Of sgd.
        rho: Of sharpness-aware minimisation; 0 switches it off and halves the time.
        adaptive: Measure rho in units of each weight; then ten times as large.
        loss: mse, huber, tweedie (amounts that are often 0), weighted_r2 (the score itself).
        scaling: Targets as learned: over their mean, over their largest, log1p, or as they are.
        patience: Looks at held-out pictures (20 per training) without a better score after which all stop.
        precision: bfloat16 is faster on recent processors.
        seed: Decides everything random.
        backbone: Preset (see `vitreous backbones list`), hub id, or folder.
        grid: Patches per side: 16, or 16x24 for 16 rows of 24.
        layer: Block of the backbone whose output is taken; default: the last.
        tiles: Large pictures in tiles, each on a grid of its own: 2, or 1x2 for a row of two.
        views: Learned from and averaged: six (flips and quarter turns, blurred), six_as_published (random angles),
            turns, or a list as in "identity hflip".
        fit: squash the whole picture onto the grid, or crop.
        keep_side: Longest side of the pictures in the store; larger ones are reduced first.
        standardise: How features are brought to one scale.
        store: Where features are kept, or a store that is there (one that was interrupted is gone on with); default:
            OUT/features.lance.
        device: Of the backbone: auto, cpu, cuda ...
        on_error: What a picture that cannot be read does: stop with its name, or be left out and listed.
        image_column: Column that names the pictures.
        id_column: Column with an id per row, if any.
        name_column: Column of a long table with the target's name.
        value_column: Column of a long table with its value.
    """
    from dataclasses import asdict

    from vitreous.errors import RunError
    from vitreous.features.format import is_store
    from vitreous.features.preprocess import sides
    from vitreous.features.store import FeatureStore
    from vitreous.predict.features import FeatureMaker
    from vitreous.predict.tta import view_list
    from vitreous.regress.cells import Columns
    from vitreous.regress.crosspvt import CrossPVTConfig
    from vitreous.regress.division import divided, shares
    from vitreous.regress.fit import Head
    from vitreous.regress.fit import fit as train_heads
    from vitreous.regress.heads import HeadConfig
    from vitreous.regress.leakage import look_ups, warning
    from vitreous.regress.learn import Training
    from vitreous.regress.report import report_lines
    from vitreous.regress.stacked import tile_views
    from vitreous.regress.table import read_table

    large = CrossPVTConfig.told(settings or ()) if model == "crosspvt" else None
    if settings and not large:
        raise RunError("Settings are those of a larger model: say which, as in  --model crosspvt")
    columns = Columns(image_column, id_column, name_column, value_column)
    is_there = store is not None and is_store(store) and not unfinished(FeatureStore(store))
    data = read_table(table, images, targets or (), columns, negative=positive == "none", look=not is_there)
    division = divided(
        data, groups=groups or (), strata=strata or (), folds=folds, fold_column=fold_column, seeds=seeds, seed=seed
    )
    weight = shares(weights or (), data.targets)
    warn(*division.notes, warning(look_ups(data.y, data.columns, division.folds[0], weight)))
    if store is not None and is_there:
        features = FeatureStore(store)
    else:
        maker = FeatureMaker(backbone, sides(grid), layer, fit, keep_side, head == "cls", device)
        seen = tile_views(large, view_list(views)) if large else view_list(views, sides(tiles))
        features = maker.store(store or out / "features.lance", images or table.parent, data.pictures, seen, on_error)
    data, division = kept(data, division, features)
    training = Training(
        epochs=epochs, batch_size=batch_size, lr=lr, optimiser=optimiser, weight_decay=weight_decay, momentum=momentum,
        rho=rho, adaptive=adaptive, loss=loss, scaling=scaling, patience=patience, precision=precision, seed=seed,
    )  # fmt: skip
    with progress(epochs) as told:
        train_heads(
            features,
            data,
            division,
            out,
            Head("crosspvt", large)
            if large
            else Head(head, HeadConfig(width, depth, dropout, positive=positive), joint),
            training,
            weights=weight.tolist(),
            sums=sums or (),
            reconcile=reconcile or ("compose" if sums else "none"),
            standardise=standardise,
            columns=asdict(columns),
            on_epoch=told,
        )
    print("\n".join(report_lines(out)))
    print(f"\nLook closer:  vitreous regress report {out}")
    print(f"Use it:       vitreous regress predict {out} --table test.csv --images DIR")


def unfinished(store: "FeatureStore") -> bool:
    """Whether its extraction was interrupted: `fit` then goes on with it, as with a store of its own."""
    return len(store) + len(store.meta.skipped) * len(store.meta.views) < store.meta.planned


def warn(*lines: str | None) -> None:
    for line in lines:
        if line:
            print(f"note: {line}", file=sys.stderr)


def kept(data: "Table", division: "Division", store: "FeatureStore") -> "tuple[Table, Division]":
    """What is left of a table where pictures were skipped; pictures that are the same are told of."""
    import numpy as np

    from vitreous.regress.pictures import Pictures, keys_in, twins

    keys = keys_in(store, data.pictures)
    for what, why in store.meta.skipped:
        warn(f"left out {what}: {why}")
    there = np.isin(keys, store.keys)
    if store.meta.skipped and not there.all():
        data, division = data.taking(there), division.taking(there)
        keys = keys_in(store, data.pictures)
    for one, other in twins(Pictures.of_store(store, keys)):
        fold = division.folds[0]
        if fold[one] != fold[other]:
            pair = f"{data.pictures[one]} and {data.pictures[other]}"
            warn(f"{pair} are the same picture, and stand in different folds: one tells what the other is.")
    return data, division


def predict(
    run: Path,
    table: Path | None = None,
    images: Path | None = None,
    out: Path = Path("predictions"),
    sample: Path | None = None,
    reconcile: Literal["none", "compose", "project", "weighted"] | None = None,
    views: str | None = None,
    maps: bool = False,
    npz: bool = False,
    store: Path | None = None,
    device: str = "auto",
) -> None:
    """Numbers of new pictures from a run: predictions.csv, and submission.csv in the form that is asked for.

    vitreous regress predict RUN --table test.csv --images DIR --sample sample_submission.csv

    Args:
        run: Folder written by `vitreous regress fit`.
        table: CSV file that names the pictures; with target names (long), or without; default: all in `images`.
        images: Folder that the names of pictures start from; default: the table's own.
        out: Where the files go; made if missing.
        sample: CSV file whose columns, ids and order submission.csv takes; default: the table's own.
        reconcile: Other than the run was trained with: none, compose, project or weighted.
        views: Other than the run was trained with, as in identity or "identity hflip".
        maps: Also write maps/NAME.png: what each patch gives, over the picture.
        npz: Also write the maps as numbers, maps/NAME.npz.
        store: Where features are kept; default: OUT/features.lance.
        device: Of the backbone: auto, cpu, cuda ...
    """
    from vitreous.predict.features import FeatureMaker
    from vitreous.predict.maps import value_maps, write_maps
    from vitreous.regress.answers import answer
    from vitreous.regress.pictures import Pictures
    from vitreous.regress.run import RegressionRun, write_text

    trained = RegressionRun.load(run)
    wanted, root = to_predict(trained.recipe, table, images, sample)
    made = FeatureMaker.of(trained.recipe, device)
    chosen = views_of(trained.recipe, views)
    features = made.store(store or out / "features.lance", root, wanted.pictures, chosen)
    found = answer(trained, features, wanted.pictures, reconcile)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "predictions.csv", found.frame().to_csv(index=False, float_format="%.6g"))
    print(out / "predictions.csv")
    if table is not None:
        filled = wanted.filled(found.y, found.targets)
        write_text(out / "submission.csv", filled.to_csv(index=False))
        print(out / "submission.csv")
    if maps or npz:
        drawn = value_maps(trained.ensemble, Pictures.of_store(features, wanted.pictures), found)
        written = write_maps(drawn, features, out / "maps", npz=npz)
        print(f"{out / 'maps'}  ({len(written)} pictures)")


def report(run: Path, out: Path | None = None) -> None:
    """How good a run is on pictures that its heads had not seen: table with intervals, views, folds, figures.

    Args:
        run: Folder written by `vitreous regress fit`.
        out: Where predicted.png and residuals.png go; default: the run's folder.
    """
    from vitreous.regress.report import figures, report_lines
    from vitreous.regress.run import RegressionRun

    trained = RegressionRun.load(run)
    print("\n".join(report_lines(trained.folder)))
    for path in figures(trained.folder, out or trained.folder):
        print(path)


def to_predict(recipe: "Recipe", table: Path | None, images: Path | None, sample: Path | None) -> "tuple[Wanted, Path]":
    """What is wanted, and the folder that names start from."""
    from vitreous.data.listed import pictures_below
    from vitreous.errors import DataError
    from vitreous.regress.cells import Columns
    from vitreous.regress.submission import of_pictures, read_wanted

    if table is not None:
        columns = Columns(**{name: recipe.table[name] for name in ("image", "id", "name", "value")})
        return read_wanted(table, images, recipe.targets, columns, sample), images or table.parent
    if images is None or sample is not None:
        raise DataError("Say which pictures:  --table test.csv --images DIR  or  --images DIR alone")
    return of_pictures(pictures_below(images), recipe.targets), images


def views_of(recipe: "Recipe", asked: str | None) -> list[str]:
    """The run's own, or others on the same tiles."""
    if asked is None:
        return recipe.views
    from vitreous.predict.tta import view_list

    crops = list(dict.fromkeys(v.partition("+")[0] for v in recipe.views if v.startswith("crop:")))
    return [f"{crop}+{view}" if crop else view for view in view_list(asked) for crop in crops or [""]]


@contextmanager
def progress(epochs: int) -> Iterator[Any]:
    """A bar on stderr: epochs, loss, the last score on held-out pictures."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    texts = (TextColumn("heads"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[how]}"))
    with Progress(*texts, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=epochs, how="")

        def told(learning: Any) -> None:
            rows = learning.state.rows
            score = next((row["held_out_r2"] for row in reversed(rows) if "held_out_r2" in row), None)
            how = f"loss {rows[-1]['loss']:.4f}" + ("" if score is None else f", held out R² {score:.3f}")
            bars.update(task, completed=rows[-1]["epoch"], how=how)

        yield told


def together(arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
    """--targets a b and --targets a,b alike become one list; --table X of `fit` is its positional argument."""
    joined: list[str] = []
    name = ""
    for argument in arguments:
        if argument.startswith("--"):
            option, equals, value = argument.partition("=")
            name = option[2:] if option[2:] in LISTS else ""
            joined.append(f"{option}=" if name else argument)
            argument = value if name and equals else ""
        if not argument:
            continue
        if name:
            some = [argument] if name in AS_THEY_ARE else argument.split(",")
            before = json.loads(joined[-1].partition("=")[2] or "[]")
            joined[-1] = f"--{name}={json.dumps(before + [part.strip() for part in some])}"
        else:
            joined.append(argument)
    if joined[:1] == ["fit"]:
        joined = [a.removeprefix("--table=") for a in joined if a != "--table"]
    return {"fit": fit, "predict": predict, "report": report}, joined


command = Completed(together)
