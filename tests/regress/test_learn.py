"""Many heads at once learn what each would have learned alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitreous.errors import FeatureMismatch, RunError
from vitreous.metrics.regression import r2, weighted_r2
from vitreous.regress import HEADS
from vitreous.regress.ensemble import mean_over, spreads
from vitreous.regress.fit import Head, ensemble_for
from vitreous.regress.heads import HeadConfig
from vitreous.regress.learn import Learning, Training, held_out_by
from vitreous.regress.pictures import Pictures

SHORT = Training(epochs=3, batch_size=8, lr=1e-2)
SMALL = Head("patch", HeadConfig(width=16))


def learned(pasture, head=SMALL, training=SHORT, members=None, targets=None, folds=3, seeds=1, weights=None):
    """An ensemble of some members and targets, trained; and the Learning."""
    table = pasture.table
    chosen = list(range(len(table.targets))) if targets is None else targets
    names, trains = held_out_by(pasture.division(folds, seeds).folds)
    who = list(range(len(names))) if members is None else members
    pictures, y = Pictures.of_store(pasture.store, table.pictures), table.y[:, chosen]
    ensemble = ensemble_for(
        pictures, y, [table.targets[i] for i in chosen], [names[i] for i in who], trains[who], head, training.scaling,
        "dataset",
    )  # fmt: skip
    learning = Learning(ensemble, pictures, y, trains[who], training, weights)
    learning.run()
    return ensemble, learning


SAM, PLAIN, ADAPTIVE = SHORT, replace(SHORT, rho=0.0), replace(SHORT, rho=0.5, adaptive=True)
WEIGHTED = replace(SHORT, loss="weighted_r2")


@pytest.mark.parametrize(
    ("kind", "training"),
    [
        ("patch", SAM),
        ("patch", PLAIN),
        ("patch", ADAPTIVE),
        ("patch", replace(SHORT, optimiser="sgd", lr=0.05, scaling="log1p")),
        ("patch", WEIGHTED),
        ("linear", SAM),
        ("pooled", ADAPTIVE),
        ("attention", SAM),
        ("attention", WEIGHTED),
    ],
)
def test_all_heads_at_once_are_all_heads_one_by_one(pasture, kind, training):
    head = Head(kind, HeadConfig(width=16, dropout=0.2))
    together, _ = learned(pasture(), head, training)
    assert len(together.heads) == 12  # 3 folds, 4 targets
    # the scale of this loss depends on all targets that are scored
    parts = [[0, 1, 2, 3]] if training.loss == "weighted_r2" else [[0], [1], [2], [3]]
    for member in range(3):
        for targets in parts:
            alone, _ = learned(pasture(), head, training, [member], targets)
            at = member * 4 + targets[0]
            for name, value in alone.heads.state_dict().items():
                here = together.heads.state_dict()[name][at : at + len(targets)]
                if kind in ("patch", "pooled"):
                    assert torch.equal(here, value), name
                else:  # single columns: rounding alone
                    torch.testing.assert_close(here, value, rtol=1e-6, atol=1e-6)


def test_a_member_never_sees_its_own_fold(pasture):
    here = pasture()
    names, trains = held_out_by(here.division().folds)
    absurd = np.where(trains[1][:, None], here.table.y, 1e6)  # where fold 1 is held out
    pictures = Pictures.of_store(here.store, here.table.pictures)
    models = []
    for y in (here.table.y, absurd):
        ensemble = ensemble_for(pictures, y, here.table.targets, names[1:2], trains[1:2], SMALL, "mean", "dataset")
        Learning(ensemble, pictures, y, trains[1:2], SHORT).run()
        models.append(ensemble.heads.state_dict())
    for name, value in models[0].items():
        assert torch.equal(value, models[1][name])


@pytest.mark.parametrize("kind", [k for k in HEADS if k != "cls"])
@pytest.mark.parametrize("joint", [False, True])
def test_every_head_learns_what_is_green(pasture, kind, joint):
    config = HeadConfig(width=16)
    training = Training(epochs=30, batch_size=8, lr=0.03, rho=0.0)
    ensemble, learning = learned(pasture(), Head(kind, config, joint), training, folds=2)
    numbers = ensemble.predict(learning.pictures, ~learning.trains)
    pred, y = mean_over(numbers), learning.y
    assert r2(y[:, 0], pred[:, 0]) > 0.8
    assert weighted_r2(y, pred, np.ones(4)) > 0.9
    assert learning.state.rows[-1]["held_out_r2"] == pytest.approx(weighted_r2(y, pred, np.ones(4)))
    assert learning.state.rows[-1]["loss"] < 0.2 * learning.state.rows[0]["loss"]


@pytest.mark.parametrize("loss", ["mse", "huber", "tweedie", "weighted_r2"])
@pytest.mark.parametrize("scaling", ["none", "mean", "max", "log1p"])
def test_every_loss_and_scaling_learns(pasture, loss, scaling):
    training = Training(epochs=25, batch_size=8, lr=0.02, loss=loss, scaling=scaling, rho=0.0)
    if scaling == "none":  # weights have far to go
        training = replace(training, lr=0.3)
    ensemble, learning = learned(pasture(), SMALL, training, folds=2)
    pred = mean_over(ensemble.predict(learning.pictures, ~learning.trains))
    assert r2(learning.y[:, 3], pred[:, 3]) > (0.65 if scaling == "log1p" else 0.8)  # means of logarithms fall short


def test_the_weighted_r2_loss_is_one_minus_the_score(pasture):
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    training = Training(epochs=1, batch_size=1000, lr=1e-6, loss="weighted_r2", rho=0.0)
    ensemble, learning = learned(pasture(), SMALL, training, weights=weights)
    start = ensemble_for(
        learning.pictures, learning.y, ensemble.targets, ensemble.members, learning.trains, SMALL, "mean", "dataset"
    )
    numbers = start.predict(learning.pictures)[:, 0].astype(float)
    scores = [weighted_r2(learning.y[own], numbers[own, at], weights) for at, own in enumerate(learning.trains)]
    loss = learning.state.rows[0]["loss"] * 4  # the mean over members and targets
    assert loss == pytest.approx(1 - np.mean(scores), rel=1e-4)


def test_patience_stops_all_heads_at_one_moment_and_keeps_the_best(pasture):
    training = Training(epochs=60, batch_size=20, lr=0.3, patience=2, rho=0.0)
    _, learning = learned(pasture(), SMALL, training)
    rows = learning.state.rows
    looks = {int(row["epoch"]): row["held_out_r2"] for row in rows if "held_out_r2" in row}
    assert rows[-1]["epoch"] < 60
    assert learning.state.best == (max(looks.values()), max(looks, key=lambda epoch: looks[epoch]))
    assert learning.held_out() == pytest.approx(learning.state.best[0])


def test_bfloat16_learns_nearly_the_same(pasture):
    exact, learning = learned(pasture(), SMALL, replace(SHORT, epochs=6))
    half, _ = learned(pasture(), SMALL, replace(SHORT, epochs=6, precision="bfloat16"))
    one, other = (mean_over(e.predict(learning.pictures)) for e in (exact, half))
    assert np.abs(one - other).max() < 0.1 * learning.y.std()
    assert not np.array_equal(one, other)


def test_views_are_drawn_and_averaged(pasture):
    here = pasture(20, ("identity", "hflip"))
    ensemble, learning = learned(here)
    drawn = np.concatenate([views for epoch in range(3) for _, views in learning.plan(epoch)])
    assert 0 < drawn.mean() < 1
    numbers = ensemble.predict(learning.pictures)
    assert numbers.shape == (20, 2, 3, 4)
    each = numbers.astype(float)
    assert np.allclose(mean_over(numbers), each.mean(2).mean(1))  # folds first or views first
    over_members, over_views = spreads(numbers)
    assert np.allclose(over_members, each.mean(1).std(1))
    assert np.allclose(over_views, each.mean(2).std(1))


def test_a_loss_that_is_not_finite_names_the_picture(pasture):
    here = pasture()
    names, trains = held_out_by(here.division().folds)
    pictures = Pictures.of_store(here.store, here.table.pictures)
    args = (here.table.targets, names, trains, SMALL, "mean", "dataset")
    ensemble = ensemble_for(pictures, here.table.y, *args)
    held = here.store.batch(range(len(here.store))).clone()
    held[7] = math.nan
    broken = Pictures.of_array(held.numpy())
    broken.keys = pictures.keys
    with pytest.raises(RunError, match="Features of images/0007.png are not finite"):
        Learning(ensemble, broken, here.table.y, trains, SHORT).run()
    ensemble.heads.biases[0].data.fill_(math.inf)
    with pytest.raises(RunError, match="a lower --lr"):
        Learning(ensemble, pictures, here.table.y, trains, SHORT).run()


def test_other_features_are_refused(pasture):
    ensemble, _ = learned(pasture(), training=replace(SHORT, epochs=1))
    with pytest.raises(FeatureMismatch, match="8 numbers per patch, but features in memory holds 3"):
        ensemble.predict(Pictures.of_array(np.zeros((2, 4, 4, 3))))


@pytest.mark.parametrize(("change", "said"), [({"epochs": 0}, "epochs"), ({"lr": 0.0}, "lr must")])
def test_settings_that_cannot_be_are_named(change, said):
    with pytest.raises(RunError, match=said):
        replace(SHORT, **change)
