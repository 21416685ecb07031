import re

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from vitreous.blocks.similarity import likeness, likeness_loss
from vitreous.blocks.slot_attention import SlotAttention
from vitreous.errors import RunError, StoreError
from vitreous.features.extract import extract
from vitreous.methods.videosaur import VideoSAUR, VideoSAURConfig
from vitreous.train.fit import fit
from vitreous.train.module import Training
from vitreous.types import Batch

RELEASE = dict(start="gaussian", hidden="normed", odd_scale=True, masks="decoder", centre=False)
RENAMED = [
    (r"^init\.", "group.start."),
    (r"^corrector\.", "group.attend."),
    (r"^predictor\.block", "predict.blocks."),
    (r"norm1", "norm_attention"),
    (r"norm2", "norm_feed"),
    (r"attn\.out", "attention.to_out"),
    (r"attn\.qkv", "attention.qkv"),
    (r"ff1", "feed.0"),
    (r"ff2", "feed.2"),
    (r"norm_inputs", "norm_features"),
    (r"to_q\.", "to_query."),
    (r"to_k\.", "to_key."),
    (r"to_v\.", "to_value."),
]


def renamed(case):
    """The parameters of the case by our names, with query, key and value apart."""
    state = {}
    for name, value in case.under("param.").items():
        for pattern, mine in RENAMED:
            name = re.sub(pattern, mine, name)
        if "qkv" in name:
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[name.replace("qkv", f"to_{part}")] = rows
        else:
            state[name] = value
    return state


def test_slots_go_through_a_clip_as_in_the_release(golden, monkeypatch):
    case = golden("video_videosaur_scan")
    method = VideoSAUR(VideoSAURConfig(slots=4, slot_dim=16, iterations=3, later=2, **RELEASE), 12, (4, 4))
    # the case begins after the projection, and is 12 wide there
    method.group.project, method.group.attend = nn.Identity(), SlotAttention(12, 16, mlp_dim=0, hidden="normed")
    found = method.load_state_dict(renamed(case), strict=False)
    assert not found.unexpected_keys
    assert all(n.startswith("decode.") for n in found.missing_keys)
    draw = method.group.start.forward
    monkeypatch.setattr(method.group.start, "forward", lambda x: draw(x, noise=case("draw.noise")))
    features = case("in.features")
    out = method(Batch(features.unflatten(2, (4, 4))))
    assert_close(out.slots, case("out.slots"), atol=2e-5, rtol=1e-5)
    assert_close(out.attention[:, :, -1].flatten(3), case("out.attn"), atol=2e-5, rtol=1e-5)
    assert_close(method.predict(out.state.slots), case("out.slots_predicted")[:, -1], atol=2e-5, rtol=1e-5)


def made(dim=12, **settings):
    torch.manual_seed(0)
    small = dict(slots=4, slot_dim=16, decoder_width=32, decoder_layers=2)
    return VideoSAUR(VideoSAURConfig(**(small | settings)), dim, (6, 8))


SETTINGS = [{}, dict(masks="decoder"), dict(similarity_of="keys")]


@pytest.mark.parametrize("settings", SETTINGS)
def test_chunks_of_a_clip_are_the_clip(settings, moving, follows):
    follows.chunks(made(**settings), moving()[0])


def test_warm_slots_keep_their_objects(moving, follows):
    batch, labels = moving()
    assert follows.owners(made(), batch, labels) == [follows.owners(made(), batch, labels)[0]] * 24


def test_the_loss_is_what_slots_tell_of_the_next_frame(moving):
    method, (batch, _) = made(rebuild=0.5, similarity=0.3), moving(4)
    out = method(batch)
    terms = method.loss(out, batch)
    x = batch.features.flatten(2, 3)
    apart = likeness_loss(out.aside["likeness_logits"], likeness(x, 0.15))
    assert_close(terms["similarity"], 0.3 * apart)
    assert_close(terms["rebuild"], 0.5 * (out.rebuilt - batch.features).square().mean())


def test_slots_learn_where_patches_go(moving, follows):
    method, (batch, _) = made(rebuild=0.0, similarity=1.0), moving(6, clips=2)
    first, last = follows.trained(method, batch)
    x = batch.features.flatten(2, 3)
    shares = likeness(x, 0.15).clamp(min=1e-9)
    entropy = -(shares * shares.log()).sum(-1).mean().item()  # nobody can do better
    assert set(last) == {"similarity"}
    assert last["similarity"] - entropy < 0.5 * (first["similarity"] - entropy)


def test_keys_are_compared_and_tokens_looked_at(moving):
    method, (batch, _) = made(similarity_of="keys"), moving(3)
    tokens, keys = (batch.features[..., i : i + 6] for i in (0, 6))
    out = method(batch)
    moved = method(Batch(torch.cat([tokens, keys.flip(-1)], dim=-1)))
    assert_close(moved.slots, out.slots)
    loss = method.loss(out, batch)["similarity"]
    logits = out.aside["likeness_logits"]
    assert_close(loss, 0.1 * likeness_loss(logits, likeness(keys.flatten(2, 3), 0.15)))


def test_a_still_has_no_next_frame(moving):
    method, (batch, _) = made(), moving(1)
    terms = method.loss(method(batch), batch)
    assert terms["similarity"].item() == 0
    assert terms["rebuild"].item() > 0
    assert made(similarity=0.0).loss(method(batch), batch).keys() == {"rebuild"}


def test_what_it_needs_follows_from_what_it_learns():
    assert made().needs == set()
    assert made(similarity_of="keys").needs == {"keys"}
    assert made(rebuild=0.0).needs == {"frames"}
    assert made(similarity_of="keys", similarity=0.0).needs == set()


SHORT = Training(steps=2, batch_size=2, frames=2)
SMALL = dict(slots=4, slot_dim=16, decoder_width=16)


def test_a_store_without_keys_is_refused_by_name_and_one_with_both_is_enough(blobs, blobs_store, tmp_path):
    with pytest.raises(StoreError, match=r"(?s)blobs0.lance .*needs tokens and keys side by side.*--facet token\+key"):
        fit(blobs_store(frames=3), tmp_path / "no", "videosaur", SMALL | dict(similarity_of="keys"), SHORT)
    source, backbone = blobs

    class Both(backbone):
        dim = 16

        def describe(self):
            return super().describe() | {"facet": "token+key"}

    store = extract(source(4, 3), tmp_path / "both.lance", Both(), grid=8, progress=False)
    settings = SMALL | dict(similarity_of="keys", rebuild=0.0)
    run = fit(store, tmp_path / "run", "videosaur", settings, SHORT, device="cpu", progress=False)
    assert run.method.seen == 8
    with pytest.raises(RunError, match="videosaur learns from how a clip goes on.*--frames 4"):
        fit(store, tmp_path / "stills", "videosaur", settings, Training(steps=2))


def test_nothing_is_rebuilt_where_it_is_not_learnt(moving):
    out = made(rebuild=0.0)(moving(3)[0])
    assert out.rebuilt.isnan().all()
    assert out.masks.isfinite().all()


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match="one must be above: not 0.0 and 0.0"):
        VideoSAURConfig(rebuild=0.0, similarity=0.0)
    with pytest.raises(RunError, match="similarity_temperature must be above 0, not 0"):
        VideoSAURConfig(similarity_temperature=0.0)
