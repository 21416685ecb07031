from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError, StoreError
from vitreous.features.extract import extract
from vitreous.features.standardise import Standardiser
from vitreous.features.store import FeatureStore
from vitreous.methods.dinosaur import DINOSAUR
from vitreous.runs import Run
from vitreous.train.fit import Keep, counted, fit
from vitreous.train.history import read_history
from vitreous.train.module import Training, learning_rate, peak
from vitreous.train.parts import DividedLoader, split
from vitreous.types import Batch

SMALL = dict(slots=4, slot_dim=16, decoder="mlp", decoder_width=16, decoder_layers=2)
SHORT = Training(steps=12, batch_size=4, seed=3)


def train(store, out, training=SHORT, config=SMALL, **settings):
    return fit(store, out, "dinosaur", config, training, precision="32-true", device="cpu", progress=False, **settings)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.method.parameters()])


def test_a_run_is_trained_saved_and_explains_itself(blobs_store, tmp_path):
    run = train(
        blobs_store(), tmp_path / "run", Training(steps=150, batch_size=4, lr=5e-3), SMALL | dict(decoder_width=32)
    )
    history = read_history(run.folder)
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert {p.name for p in run.folder.iterdir()} == {
        "recipe.yaml",
        "model.safetensors",
        "log.csv",
        "training_history.png",
    }
    loaded = Run.load(run.folder)
    assert loaded.recipe.backbone["name"] == "coloured_patches"
    assert_close(weights(loaded), weights(run), atol=0, rtol=0)


def test_the_same_seed_gives_the_same_run_and_another_does_not(blobs_store, tmp_path):
    one, same = train(blobs_store(), tmp_path / "a"), train(blobs_store(), tmp_path / "b")
    other = train(blobs_store(), tmp_path / "c", Training(steps=12, batch_size=4, seed=4))
    assert_close(weights(one), weights(same), atol=0, rtol=0)
    assert (weights(one) - weights(other)).abs().max() > 1e-3


EVERYTHING = Training(steps=12, batch_size=4, seed=3, ema=0.9, half_life=0.3, lr_rule="linear")


@pytest.mark.parametrize(
    ("training", "settings", "killed_at"),
    [(SHORT, {}, 5), (EVERYTHING, dict(validate=0.25), 5), (EVERYTHING, dict(validate=0.25, compile=True), 8)],
)
def test_resumed_equals_uninterrupted(blobs_store, tmp_path, request, monkeypatch, training, settings, killed_at):
    torch.compiler.set_stance("force_eager")  # the wrapping is ours to test, not the compiler
    request.addfinalizer(lambda: torch.compiler.set_stance("default"))
    monkeypatch.setattr("vitreous.train.fit.VALIDATIONS", 4)
    whole = train(blobs_store(), tmp_path / "whole", training, **settings)
    monkeypatch.setattr("vitreous.train.fit.KEEP_SECONDS", 0)  # a checkpoint after every step
    step = Keep.on_train_batch_end

    def killed(self, trainer, *args):
        step(self, trainer, *args)
        if trainer.global_step == killed_at:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Keep, "on_train_batch_end", killed)
        with pytest.raises(SystemExit):
            train(blobs_store(), tmp_path / "parts", training, **settings)
    with pytest.raises(RunError, match="interrupted"):
        Run.load(tmp_path / "parts")
    resumed = train(blobs_store(), tmp_path / "parts", training, **settings)
    assert_close(weights(resumed), weights(whole), atol=0, rtol=0)
    names = {path.name for path in whole.folder.iterdir()}
    assert {path.name for path in resumed.folder.iterdir()} == names
    assert not names & {"checkpoint.safetensors", "best.safetensors"}
    for name in names & {"held_out.csv"}:
        assert read_history(resumed.folder, name) == read_history(whole.folder, name)
    for name in names & {"last.safetensors"}:
        assert_close(
            weights(Run.load(tmp_path / "parts", name)), weights(Run.load(tmp_path / "whole", name)), rtol=0, atol=0
        )


def test_a_log_that_was_killed_before_its_first_row_is_begun_again(blobs_store, tmp_path):
    (tmp_path / "log.csv").touch()
    assert read_history(train(blobs_store(), tmp_path).folder)["step"] == list(range(12))


def test_a_method_knows_how_much_of_its_training_is_over(blobs_store, tmp_path, monkeypatch):
    seen, loss = [], DINOSAUR.loss

    def told(self, out, batch):
        seen.append((self.training, self.progress))
        return loss(self, out, batch)

    monkeypatch.setattr(DINOSAUR, "loss", told)
    monkeypatch.setattr("vitreous.train.fit.VALIDATIONS", 2)
    run = train(blobs_store(), tmp_path, replace(SHORT, steps=4), validate=0.25)
    assert [progress for training, progress in seen if training] == [0.0, 0.25, 0.5, 0.75]
    assert {progress for training, progress in seen if not training} == {1.0}  # held-out losses can be compared
    assert Run.load(run.folder).method.progress == 1


def test_a_running_mean_of_the_weights_is_what_the_run_uses(blobs_store, tmp_path):
    plain = train(blobs_store(), tmp_path / "plain")
    mean = train(blobs_store(), tmp_path / "mean", replace(SHORT, ema=0.99))
    assert read_history(mean.folder)["loss"] == read_history(plain.folder)["loss"]  # training itself is the same
    between = (weights(mean) - weights(plain)).abs().max()
    assert 0 < between < 0.01
    assert_close(weights(Run.load(mean.folder)), weights(mean), atol=0, rtol=0)


def test_the_best_weights_on_held_out_clips_are_kept_beside_the_last(blobs_store, tmp_path):
    training = Training(steps=40, batch_size=4, lr=3e-2, seed=1)  # so high that the last weights are not the best
    run = train(blobs_store(), tmp_path / "run", training, validate=blobs_store(seed=1))
    found = read_history(run.folder, "held_out.csv")["held_out"]
    assert len(found) == 20
    assert min(found) < found[-1]
    best, last = Run.load(run.folder), Run.load(run.folder, "last.safetensors")
    held_out = blobs_store(seed=1)
    x = Standardiser.from_state(run.statistics)(held_out.batch(range(len(held_out))))[:, None]
    losses = [sum(r.method.loss(r.method(Batch(x)), Batch(x)).values()).item() for r in (best, last)]
    assert losses == pytest.approx([min(found), found[-1]], rel=1e-4)


def test_a_share_of_the_clips_is_never_trained_on(blobs_store):
    store = blobs_store(frames=3)
    train_on, held_out = split(store, 0.25, seed=0)
    clips = [{part.key(row) for row in part.windows(3)[:, 0]} for part in (train_on, held_out)]
    assert [len(c) for c in clips] == [9, 3]
    assert not clips[0] & clips[1]
    assert {part.key(row) for part in split(store, 0.25, seed=1)[1:] for row in part.windows(1)[:, 0]} != clips[1]
    for share in (0.0, 1.0):
        with pytest.raises(RunError, match="share between 0 and 1"):
            split(store, share, seed=0)


def test_devices_divide_a_batch(blobs_store):
    whole = DividedLoader(blobs_store(), 6)
    parts = [DividedLoader(blobs_store(), 6) for _ in range(2)]
    for rank, part in enumerate(parts):
        part.part = (rank, 2)
    for full, one, other in islice(zip(whole.batches(), *(p.batches() for p in parts), strict=True), 5):
        assert full.keys[0::2] == one.keys
        assert full.keys[1::2] == other.keys
    whole.check(3)
    with pytest.raises(RunError, match="Batches of 6 clips cannot be divided evenly among 4 devices"):
        whole.check(4)


def test_epochs_are_counted_in_samples(blobs_store, tmp_path):
    for batch_size, steps in ((2, 18), (4, 9), (12, 3), (100, 3)):
        training = Training(epochs=3, batch_size=batch_size)
        made = counted(training, DividedLoader(blobs_store(), batch_size))
        assert (made.steps, made.batch_size) == (steps, min(12, batch_size))
    with pytest.raises(RunError, match="epochs must be above 0"):
        Training(epochs=0)


def test_a_finished_run_is_not_trained_again(blobs_store, tmp_path):
    run = train(blobs_store(), tmp_path)
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    assert_close(weights(train(blobs_store(), tmp_path)), weights(run), atol=0, rtol=0)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before


def test_a_folder_belongs_to_one_recipe(blobs_store, tmp_path):
    train(blobs_store(), tmp_path)
    with pytest.raises(RunError, match="(?s)another recipe.*standardise.*Choose another --out"):
        train(blobs_store(), tmp_path, standardise="token")


def test_settings_that_cannot_be_are_refused(blobs_store, tmp_path):
    with pytest.raises(RunError, match="65 slots cannot share the 64 patches"):
        train(blobs_store(), tmp_path, config=SMALL | dict(slots=65))
    with pytest.raises(RunError, match="steps must be at least 1"):
        Training(steps=0)
    with pytest.raises(RunError, match="lr must be above 0"):
        Training(lr=0.0)
    assert not (tmp_path / "recipe.yaml").exists()


def test_one_slot_and_clips_are_trained_too(blobs_store, tmp_path):
    run = train(blobs_store(frames=3), tmp_path, Training(steps=3, batch_size=2, frames=3), SMALL | dict(slots=1))
    assert run.recipe.training["frames"] == 3


def test_one_patch_is_enough(blobs, tmp_path):
    source, backbone = blobs
    store = extract(source(clips=3), tmp_path / "one.lance", backbone(), grid=1, progress=False)
    run = train(store, tmp_path / "run", Training(steps=2, batch_size=2), SMALL | dict(slots=1))
    assert weights(run).isfinite().all()
    with pytest.raises(RunError, match="2 slots cannot share the 1 patches of a 1x1 grid"):
        train(store, tmp_path / "two", config=SMALL | dict(slots=2))


def test_a_store_that_cannot_be_trained_on_is_named(blobs, blobs_store, tmp_path):
    source, backbone = blobs
    with pytest.raises(StoreError, match="no clip has 4 consecutive frames"):
        train(blobs_store(frames=3), tmp_path / "long", Training(frames=4))
    store = extract(source(clips=3), tmp_path / "none.lance", backbone(), grid=8, progress=False)
    store.open().delete("row >= 0")
    with pytest.raises(StoreError, match="none.lance is empty"):
        train(FeatureStore(store.path), tmp_path / "none")
    assert not (tmp_path / "long").exists()
    assert not (tmp_path / "none").exists()


def test_features_that_are_not_finite_are_named(blobs_store, tmp_path, monkeypatch):
    store = blobs_store(clips=5)

    def broken(rows):
        features = FeatureStore.batch(store, rows)
        features[np.asarray(rows) == 2, 0, 0, 0] = torch.nan
        return features

    monkeypatch.setattr(store, "batch", broken)
    monkeypatch.setattr(store, "pin", lambda share=0.5: False)
    with pytest.raises(RunError, match="(?s)not finite at step 0.*Features of clip_02 are not finite.*extract again"):
        train(store, tmp_path, Training(steps=2, batch_size=5))


def test_a_loss_that_is_not_finite_is_diagnosed(blobs_store, tmp_path):
    with pytest.raises(RunError, match=r"(?s)not finite at step \d+ \(rebuild .*lower --lr \(now 1e\+30\)"):
        train(blobs_store(), tmp_path, Training(steps=40, batch_size=4, lr=1e30, warm_up=0.0, clip=0.0))


def curve(blobs, folder, times=1.0, plus=0.0, standardise="dataset"):
    """Losses of a training on the features of the same backbone in other units."""
    source, backbone = blobs

    class Scaled(backbone):
        def __call__(self, images):
            return super().__call__(images) * times + plus * torch.arange(self.dim)

    store = extract(source(), folder / "s.lance", Scaled(), grid=8, progress=False)
    run = train(store, folder / "run", Training(steps=60, batch_size=4, lr=2e-3), standardise=standardise)
    return torch.tensor(read_history(run.folder)["loss"])


@pytest.mark.parametrize(("times", "plus"), [(0.1, 0.0), (0.2, 0.0), (1.5, 0.0), (10.0, 0.0), (1.0, -0.5), (10.0, 3.0)])
def test_scale_and_offset_of_features_do_not_matter(blobs, tmp_path, times, plus):
    assert_close(curve(blobs, tmp_path / "a", times, plus), curve(blobs, tmp_path / "b"), rtol=1e-3, atol=0)


def test_without_standardising_the_scale_matters(blobs, tmp_path):
    usual = curve(blobs, tmp_path / "a", standardise="none")
    times_ten = curve(blobs, tmp_path / "b", 10.0, standardise="none")
    assert times_ten[0] > 10 * usual[0]


def test_learning_rate_warms_up_and_falls():
    training = Training(steps=100, warm_up=0.1)
    rates = [learning_rate(step, training) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1
    assert rates[100] == pytest.approx(0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_published_rates():
    """OCLF: 4e-4, 10,000 steps of warm-up, halved every 100,000."""
    training = Training(steps=500_000, lr=4e-4, warm_up=0.02, half_life=0.2, batch_size=64, lr_rule="none")
    rates = [peak(training) * learning_rate(step, training) for step in (4_999, 110_000, 500_000)]
    assert rates == pytest.approx([2e-4, 2e-4, 1.339717e-5], rel=1e-6)


def test_the_rate_follows_the_batch():
    def at(batch_size, rule):
        return peak(Training(lr=1e-4, batch_size=batch_size, lr_rule=rule))

    assert at(16, "sqrt") == at(16, "linear") == at(16, "none") == at(2, "none") == 1e-4
    assert at(64, "sqrt") == pytest.approx(2e-4)
    assert at(2, "linear") == pytest.approx(1.25e-5)
    with pytest.raises(RunError, match=r"ema must lie in \[0, 1\)"):
        Training(ema=1.0)
