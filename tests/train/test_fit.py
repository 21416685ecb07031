import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.runs import Run
from vitreous.train.fit import Keep, fit
from vitreous.train.history import read_history
from vitreous.train.module import Training, learning_rate

SMALL = dict(slots=4, slot_dim=16, decoder_width=16, decoder_layers=2)
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


def test_resumed_equals_uninterrupted(blobs_store, tmp_path, monkeypatch):
    whole = train(blobs_store(), tmp_path / "whole")
    monkeypatch.setattr("vitreous.train.fit.KEEP_SECONDS", 0)  # a checkpoint after every step
    step = Keep.on_train_batch_end

    def killed(self, trainer, *args):
        step(self, trainer, *args)
        if trainer.global_step == 5:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Keep, "on_train_batch_end", killed)
        with pytest.raises(SystemExit):
            train(blobs_store(), tmp_path / "parts")
    with pytest.raises(RunError, match="interrupted"):
        Run.load(tmp_path / "parts")
    resumed = train(blobs_store(), tmp_path / "parts")
    assert_close(weights(resumed), weights(whole), atol=0, rtol=0)
    assert not (tmp_path / "parts" / "checkpoint.safetensors").exists()


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


def test_a_loss_that_is_not_finite_is_diagnosed(blobs_store, tmp_path):
    with pytest.raises(RunError, match=r"(?s)not finite at step \d+ \(rebuild .*lower --lr \(now 1e\+30\)"):
        train(blobs_store(), tmp_path, Training(steps=40, batch_size=4, lr=1e30, warm_up=0.0, clip=0.0))


def test_scale_and_offset_of_features_do_not_matter(blobs_store, tmp_path):
    store = blobs_store()
    x = store.batch([0, 1]).float()
    assert_close(store.standardiser()(x).mean(), torch.tensor(0.0), atol=0.2, rtol=0)


def test_learning_rate_warms_up_and_falls():
    training = Training(steps=100, warm_up=0.1)
    rates = [learning_rate(step, training) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1
    assert rates[100] == pytest.approx(0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)
