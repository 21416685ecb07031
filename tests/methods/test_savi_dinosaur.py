import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.losses import diversity, rebuild_loss
from vitreous.errors import RunError
from vitreous.methods.savi_dinosaur import SAViDINOSAUR, SAViDINOSAURConfig
from vitreous.types import Batch

RELEASE = dict(  # the seed project's own form
    iterations=5,
    later=5,
    start="xavier",
    hand_on="mlp",
    masks="decoder",
    centre=False,
    decoder_width=6,
    slot_dim=10,
    diversity=0.1,
    refresh=0,
)
PLACES = {
    "project.norm": "project.0",
    "project.fc1": "project.1",
    "project.fc2": "project.3",
    "slot_attention.slots_mu": "start.mean",
    "slot_attention.slots_log_sigma": "start.log_std",
    "slot_attention.norm_inputs": "group.norm_features",
    "slot_attention.norm_mlp": "group.mlp.norm",
    "slot_attention.to_q": "group.to_query",
    "slot_attention.to_k": "group.to_key",
    "slot_attention.to_v": "group.to_value",
    "slot_attention": "group",
    "predictor.norm_in": "predict.mlp.norm",
    "predictor.norm_out": "predict.norm",
    "predictor": "predict.mlp",
    "up.norm": "up.0",
    "up.fc1": "up.1",
    "up.fc2": "up.3",
    "decoder.conv1": "decode.first",
    "decoder.conv2": "decode.rest.0",
    "decoder.conv3": "decode.last",
}


def mine(name):
    """What a parameter of the release is called here."""
    prefix = max((p for p in PLACES if name.startswith(p)), key=len)
    return PLACES[prefix] + name.removeprefix(prefix)


@pytest.fixture
def release(golden, monkeypatch):
    case = golden("model_seedproj_video")
    method = SAViDINOSAUR(SAViDINOSAURConfig(slots=4, **RELEASE), 8, (4, 4))
    method.load_state_dict({mine(n): value for n, value in case.under("param.").items()}, strict=True)
    draw = method.start.forward
    monkeypatch.setattr(method.start, "forward", lambda x: draw(x, noise=case("draw.noise0")))
    return case, method, Batch(case("in.features").permute(0, 1, 3, 4, 2))


def test_equals_the_release(release):
    case, method, batch = release
    out = method(batch)
    assert_close(out.slots, case("out.slots"), atol=2e-5, rtol=1e-5)
    assert_close(out.masks, case("out.masks").squeeze(3), atol=2e-5, rtol=1e-5)
    for kind in ("mse", "cosine", "channel_norm"):
        assert_close(rebuild_loss(out.rebuilt, batch.features, kind), case(f"out.loss_{kind}"), atol=2e-5, rtol=1e-5)
        frames = [rebuild_loss(out.rebuilt[:, t], batch.features[:, t], kind) for t in range(3)]
        assert_close(torch.stack(frames), case(f"out.frame_losses_{kind}"), atol=2e-5, rtol=1e-5)
    terms = method.loss(out, batch)
    assert_close(terms["diversity"], 0.1 * diversity(out.slots))
    terms["rebuild"].backward()
    for name, expected in case.under("grad.param.").items():
        found = method.get_parameter(mine(name)).grad
        assert_close(found, expected, atol=1e-5 * max(1, expected.abs().max().item()), rtol=1e-3)


def test_stop_gradient_keeps_values_and_cuts_frames_off(release):
    case, method, batch = release
    method.config = SAViDINOSAURConfig(slots=4, **RELEASE, stop_gradient=True)
    out = method(batch)
    assert_close(out.slots, case("out.slots"), atol=2e-5, rtol=1e-5)
    out.slots[:, 1:].sum().backward()
    assert method.start.mean.grad.abs().max() == 0  # only the first frame's slots know where they began
    assert method.predict.norm.weight.grad.abs().max() > 0


def made(slots=5, **settings):
    torch.manual_seed(0)
    return SAViDINOSAUR(SAViDINOSAURConfig(slots=slots, slot_dim=16, decoder_width=8, **settings), 12, (6, 8)).eval()


def moving(frames=24, appears=0, hides=()):
    """A floor and two objects; the first goes right and comes back, the second may appear later or hide for a while."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.zeros(frames, 6, 8, dtype=torch.long)
    for t in range(frames):
        left = abs((t // 2 + 6) % 12 - 6)
        labels[t, 0:2, left : left + 2] = 1
        if t >= appears and t not in hides:
            labels[t, 4:6, 3:6] = 2
    x = 3 * torch.randn(3, 12, generator=draw)[labels]
    return Batch((x + 0.3 * torch.randn(x.shape, generator=draw))[None]), labels


SETTINGS = [
    {},
    dict(refresh=0),
    dict(hand_on="mlp", stop_gradient=True, refresh=1),
    dict(start="gaussian", hand_on="mlp", refresh=5),
    dict(start="xavier", hand_on="mlp", masks="decoder", centre=False),
    dict(start="learned", hand_on="slots", later=3),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_chunks_of_a_clip_are_the_clip(settings):
    method, (batch, _) = made(**settings), moving()
    torch.manual_seed(1)
    whole = method(batch)
    for size in (1, 7):
        torch.manual_seed(1)
        state, chunks = None, []
        for features in batch.features.split(size, dim=1):
            chunks.append(method(Batch(features), state))
            state = chunks[-1].state
        for name in ("slots", "masks", "rebuilt", "attention"):
            found = torch.cat([getattr(chunk, name) for chunk in chunks], dim=1)
            assert_close(found, getattr(whole, name), atol=1e-5, rtol=1e-5)
        assert chunks[-1].state.frames == 24


@pytest.mark.parametrize("settings", [s for s in SETTINGS if s.get("start") not in ("gaussian", "xavier")])
def test_a_still_is_a_clip_of_one_frame_and_clips_do_not_know_each_other(settings):
    method, (batch, _) = made(**settings), moving(6)
    stills = method(Batch(batch.features.movedim(1, 0))).masks  # six clips of one frame
    assert_close(method(batch).masks[0, 0], stills[0, 0], atol=1e-5, rtol=1e-5)
    for i in range(6):
        assert_close(method(Batch(batch.features[:, i : i + 1])).masks[0, 0], stills[i, 0], atol=1e-5, rtol=1e-5)
    assert_close(stills.sum(2), torch.ones(6, 1, 6, 8))


def found_and_true(method, batch, labels):
    """Per frame, which slot owns most of each object."""
    found = method(batch).masks[0].argmax(1)
    return [[f[true == i].mode().values.item() for i in true.unique()] for f, true in zip(found, labels, strict=True)]


@pytest.mark.parametrize("refresh", [0, 1, 5])
def test_slots_keep_their_objects_for_24_frames(refresh):
    owners = found_and_true(made(refresh=refresh), *moving())
    assert len(set(owners[0])) == 3
    assert all(now == owners[0] for now in owners)


def test_an_object_comes_back_as_itself():
    batch, labels = moving(hides=range(8, 16))
    for refresh in (0, 1, 5, 7):  # it is hidden at frames 10, 14, 15
        owners = found_and_true(made(refresh=refresh), batch, labels)
        assert owners[0] == owners[7] == owners[23]
        assert owners[8] == owners[0][:2]


def test_a_refresh_gives_a_new_object_a_slot_and_the_old_ones_keep_theirs():
    batch, labels = moving(appears=8)
    without, refreshed = made(refresh=0), made(refresh=5)
    assert len(set(found_and_true(without, batch, labels)[-1])) < 3  # two slots were there at first, and two stay
    owners = found_and_true(refreshed, batch, labels)
    assert len(set(owners[-1])) == 3
    assert owners[-1][:2] == owners[0]
    keep = refreshed(batch).keep[0].sum(-1)
    assert keep[:10].tolist() == [2] * 10
    assert keep[10:].tolist() == [3] * 14


def test_slots_left_out_own_and_paint_nothing():
    for masks in ("attention", "decoder"):
        out = made(slots=7, masks=masks)(moving(4)[0])
        assert out.keep.sum(-1).tolist() == [[3] * 4]
        assert out.masks[~out.keep].abs().max() == 0


@pytest.mark.parametrize("loss", ["mse", "cosine", "channel_norm"])
def test_learns_a_moving_scene(loss):
    method, (batch, _) = made(loss=loss).train(), moving(4)
    optimiser = torch.optim.Adam(method.parameters(), 3e-3)
    values = []
    for _ in range(60):
        optimiser.zero_grad()
        terms = method.loss(method(batch), batch)
        values.append(terms["rebuild"].item())
        sum(terms.values()).backward()
        optimiser.step()
    assert values[-1] < 0.5 * values[0]


@pytest.mark.parametrize("settings", SETTINGS)
def test_bfloat16_trains_on_clips(settings):
    method, (batch, _) = made(**settings).train(), moving(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = sum(method.loss(method(batch), batch).values())
    loss.backward()
    assert all(p.grad.isfinite().all() for p in method.parameters())


def test_nan_is_left_for_the_loss_to_name():
    method, (batch, _) = made(), moving(8)
    out = method(Batch(batch.features * torch.nan))
    assert method.loss(out, batch)["rebuild"].isnan()


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(RunError, match='with start "xavier" say "mlp"'):
        SAViDINOSAURConfig(start="xavier")
    with pytest.raises(RunError, match="later must be at least 1, .* not 0, 0.7 and None"):
        SAViDINOSAURConfig(later=0)
