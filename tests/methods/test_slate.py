import pytest
import torch
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.methods.slate import SLATE, SLATEConfig
from vitreous.runs import Run
from vitreous.train.fit import Keep, fit
from vitreous.train.module import Training, by_rate
from vitreous.types import Batch

SMALL = dict(slots=3, slot_dim=8, resolution=24, codes=7, coder_width=8, decoder_width=8, decoder_layers=1, code_dim=4)
WORDS = dict(look="words", start="gaussian")


def tiny(**settings):
    torch.manual_seed(0)
    return SLATE(SLATEConfig(**SMALL | settings), 5, (6, 8))


def batch():
    draw = torch.Generator().manual_seed(0)
    return Batch(torch.randn(2, 1, 6, 8, 5, generator=draw), (), torch.rand(2, 1, 3, 24, 32, generator=draw))


def gradients(method, loss):
    method.zero_grad()
    loss.backward()
    return {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_needs_follow_from_what_is_told_and_looked_at():
    assert tiny().needs == {"pictures"}
    assert tiny(words="features").needs == frozenset()
    assert tiny(words="features").picture_size is None
    assert tiny().picture_size == (24, 32)


def test_a_word_is_told_from_slots_and_the_words_before_it():
    """The loss once more, word by word: what comes after a word says nothing about it."""
    method, seen = tiny().eval(), batch()
    out = method(seen)
    logits = method.words.vae(seen.pictures[:, 0])
    words = logits.argmax(1).flatten(1)
    assert words.shape == (2, 48)
    x, slots, keep = method.tell.embed(words), method.tell.project(out.slots[:, 0]), out.keep[:, 0]
    loss = 0.0
    for i in range(48):
        unknown = x.clone()
        unknown[:, i:] = torch.randn_like(unknown[:, i:])
        told = method.tell.decode(slots, unknown, keep=keep).features[:, i].log_softmax(-1)
        loss = loss - told.gather(1, words[:, i : i + 1]).mean() / 48
    assert_close(method.loss(out, seen)["rebuild"], loss, atol=1e-5, rtol=1e-5)


def test_neither_net_learns_from_the_others_loss():
    method, seen = tiny(), batch()
    terms = method.loss(method(seen), seen)
    assert gradients(method, terms["rebuild"]) == {"tell", "group"}
    terms = method.loss(method(seen), seen)
    assert gradients(method, terms["picture"]) == {"words"}


def test_slots_that_look_at_words_see_nothing_else():
    method, seen = tiny(**WORDS).eval(), batch()
    torch.manual_seed(1)
    masks = method(seen).masks
    torch.manual_seed(1)
    assert_close(method(Batch(torch.zeros_like(seen.features), (), seen.pictures)).masks, masks, atol=0, rtol=0)
    with torch.no_grad():  # the same words for every picture: only the draws of the slots could differ
        method.words.vae.encode[-1].weight.zero_()
    torch.manual_seed(1)
    one = method(seen).masks
    torch.manual_seed(1)
    assert_close(method(Batch(seen.features, (), 1 - seen.pictures)).masks, one, atol=0, rtol=0)


def test_the_temperature_follows_the_training():
    method, seen = tiny(until=0.5), batch()
    seen_at = []
    method.words.vae.rebuild_loss = lambda logits, x, temperature: seen_at.append(temperature) or logits.sum()
    for method.progress in (0.0, 0.25, 0.5, 1.0):
        method.loss(method(seen), seen)
    assert seen_at == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_codes_of_features_learn_first_and_then_stay():
    method, seen = tiny(words="features", until=0.5), batch()
    optimiser = torch.optim.Adam(method.parameters(), 1e-2)
    before = {name: p.clone() for name, p in method.words.named_parameters()}
    for method.progress in (0.6, 0.8, 1.0):
        optimiser.zero_grad()
        terms = method.loss(method(seen), seen)
        assert terms["codes_rebuild"] == 0
        sum(terms.values()).backward()
        optimiser.step()
    for name, p in method.words.named_parameters():
        assert_close(p, before[name], atol=0, rtol=0)
    method.progress = 0.1
    assert "words" in gradients(method, sum(method.loss(method(seen), seen).values()))


def test_the_discrete_vae_learns_three_times_as_fast():
    groups = by_rate(tiny(), 1e-4)
    assert [group["lr"] for group in groups] == pytest.approx([1e-4, 3e-4])
    words = {id(p) for p in tiny().words.parameters()}
    method = tiny()
    slow, fast = ({id(p) for p in group["params"]} for group in by_rate(method, 1.0))
    words = {id(p) for p in method.words.parameters()}
    assert fast == words
    assert slow == {id(p) for p in method.parameters()} - words


@pytest.mark.parametrize("settings", [{}, WORDS, dict(words="features", until=0.5)])
def test_resumed_equals_uninterrupted(blobs_store, tmp_path, monkeypatch, settings):
    """Draws, temperature and codes go on as if nothing had happened."""
    config, training = SMALL | dict(resolution=32) | settings, Training(steps=8, batch_size=4, seed=3)
    how = dict(precision="32-true", device="cpu", progress=False)
    whole = fit(blobs_store(), tmp_path / "whole", "slate", config, training, **how)

    def killed(self, trainer, *args):
        trainer.save_checkpoint(self.path)
        if trainer.global_step == 3:
            raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Keep, "on_train_batch_end", killed)
        with pytest.raises(SystemExit):
            fit(blobs_store(), tmp_path / "parts", "slate", config, training, **how)
    fit(blobs_store(), tmp_path / "parts", "slate", config, training, **how)
    for one, other in zip(
        whole.method.state_dict().values(), Run.load(tmp_path / "parts").method.state_dict().values(), strict=True
    ):
        assert_close(one, other, atol=0, rtol=0)


def test_what_cannot_be_is_refused():
    with pytest.raises(RunError, match='say start "gaussian"'):
        SLATEConfig(look="words")
    with pytest.raises(RunError, match="until must lie in"):
        SLATEConfig(until=0.0)
    with pytest.raises(RunError, match="3 px is too small: at least 4 px"):
        tiny(resolution=3)


def test_pictures_have_the_proportions_of_the_grid_in_whole_cells():
    assert tiny(resolution=64).picture_size == (64, 84)  # 85.3 is no multiple of 4
    assert tiny(resolution=27).picture_size == (28, 36)
