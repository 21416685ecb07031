import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.losses import shares_cross_entropy
from vitreous.errors import RunError
from vitreous.methods.dias import DIAS, DIASConfig
from vitreous.methods.dinosaur import DINOSAUR, DINOSAURConfig
from vitreous.types import Batch

PLAIN = dict(same=0.0, distill=0.0)
PAPER = dict(start="gaussian", masks="decoder", centre=False)
TORN = dict(merge=0.0)  # every slot is used, so that objects and floor are torn into parts


def made(**settings):
    torch.manual_seed(0)
    small = dict(slots=6, slot_dim=16, decoder_layers=2, decoder_heads=2)
    return DIAS(DIASConfig(**(small | settings)), 12, (6, 8))


def noisy(clips=3):
    """A floor and two objects, noisy enough for six groups of patches: [clips 1 6 8 12], and who owns each patch."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.zeros(6, 8, dtype=torch.long)
    labels[0:2, 1:4], labels[3:6, 5:8] = 1, 2
    return Batch(3 * torch.eye(12)[labels] + 0.4 * torch.randn(clips, 1, 6, 8, 12, generator=draw)), labels


def pairs(owner, labels):
    return {(int(a), int(b)) for a, b in zip(owner.flatten(), labels.flatten(), strict=True)}


def test_without_its_additions_it_is_dinosaur():
    batch, _ = noisy()
    plain = made(**PLAIN, **TORN).eval()
    torch.manual_seed(0)
    dinosaur = DINOSAUR(DINOSAURConfig(slots=6, slot_dim=16, merge=0.0), 12, (6, 8)).eval()
    mine, theirs = plain(batch), dinosaur(batch)
    for name in ("slots", "masks", "rebuilt"):
        assert_close(getattr(mine, name), getattr(theirs, name), atol=1e-5, rtol=1e-4)
    assert plain.loss(mine, batch).keys() == {"rebuild"}


def test_starting_over_with_all_slots_changes_nothing():
    batch, _ = noisy()
    once, twice = (made(**PLAIN, **TORN, again=again).eval()(batch) for again in ("none", "restart"))
    assert_close(twice.slots, once.slots)
    assert_close(twice.masks, once.masks)


@pytest.mark.parametrize("again", ["continue", "restart", "none"])
@pytest.mark.parametrize("same", [0.3, "auto"])
def test_slots_come_down_to_what_there_is(same, again):
    batch, labels = noisy()
    assert made(**PLAIN, **TORN).eval()(batch).keep.all()
    out = made(same=same, again=again, **TORN).eval()(batch)
    assert out.keep.sum(-1).tolist() == [[3]] * 3
    for masks, keep in zip(out.masks[:, 0], out.keep[:, 0], strict=True):
        assert masks[~keep].abs().max() == 0
        assert len(pairs(masks.argmax(0), labels)) == 3


def test_dropped_slots_leave_their_patches_to_those_that_stand_for_them():
    batch, _ = noisy()
    before, after = made(**PLAIN, **TORN).eval()(batch), made(same=0.3, again="none", **TORN).eval()(batch)
    kept = after.masks[after.keep]
    assert_close(kept.unflatten(0, (3, 3)).sum(1), before.masks.sum(2)[:, 0])
    assert (kept >= before.masks[after.keep]).all()
    gained = (kept - before.masks[after.keep]).amax((1, 2)).view(3, 3)
    assert gained.amax(1).min() > 0.1  # something is torn in every picture


@pytest.mark.parametrize("settings", [{}, dict(decoder="random"), dict(decoder="mlp"), PAPER | dict(same=0.9)])
def test_dropped_slots_have_no_effect(settings):
    batch, _ = noisy()
    method = made(**TORN, **settings).eval()
    torch.manual_seed(1)
    out = method(batch)
    gone = ~out.keep
    assert gone.any()
    assert out.masks[gone].abs().max() == 0
    assert out.attention[:, 0, -1][gone[:, 0]].abs().max() == 0
    shares = out.attention[:, :, -1].flatten(3)
    loud = out.slots.masked_fill(gone[..., None], 1e3)
    rebuilt, masks = method.rebuild(batch.features.flatten(2, 3), loud, shares, out.keep)
    assert_close(rebuilt.view_as(out.rebuilt), out.rebuilt, atol=1e-4, rtol=1e-4)
    assert masks[gone[:, 0]].abs().max() == 0
    x = method.group.project(batch.features[:, 0].flatten(1, 2))
    quietly, loudly = (method.group.attend(x, slots[:, 0], keep=out.keep[:, 0]) for slots in (out.slots, loud))
    assert_close(loudly.attention, quietly.attention)
    assert_close(loudly.slots[out.keep[:, 0]], quietly.slots[out.keep[:, 0]])


def test_one_slot_is_enough_for_one_thing():
    flat = Batch(torch.ones(2, 1, 6, 8, 12))
    assert made(slots=1).eval()(flat).keep.all()
    gaussian = made(**PAPER, same=0.5).eval()
    gaussian.group.start.log_std.data.fill_(-20)  # all slots start alike, so they stay alike
    assert gaussian(flat).keep.sum(-1).tolist() == [[1], [1]]


# Distillation


def test_the_first_look_learns_from_the_last_and_not_the_other_way_round():
    batch, _ = noisy()
    method = made()
    out = method(batch)
    last = out.attention[:, :, -1].flatten(0, 1).flatten(2)
    expected = 0.1 * shares_cross_entropy(out.aside["first"].flatten(0, 1), last)
    distill = method.loss(out, batch)["distill"]
    assert_close(distill, expected)
    reached = torch.autograd.grad(distill, [out.aside["first"], out.attention], allow_unused=True, retain_graph=True)
    assert reached[0].abs().max() > 0
    assert reached[1] is None


def test_its_weight_rises_over_the_training_as_half_a_cosine():
    batch, _ = noisy()
    method, values = made(), []
    out = method(batch)
    for method.progress in (0.0, 0.25, 0.5, 1.0):
        values.append(method.loss(out, batch)["distill"].item())
    assert [v / values[-1] for v in values] == pytest.approx([0.0, 0.146447, 0.5, 1.0], abs=1e-5)
    level = made(ramp=False)
    level.progress = 0.0
    assert level.loss(level(batch), batch)["distill"].item() == pytest.approx(values[-1])


def test_slots_that_started_over_are_matched_by_the_patches_that_they_own():
    batch, _ = noisy()
    method = made(again="restart", same=0.0)
    out = method(batch)
    loss, order = method.loss(out, batch)["distill"], torch.tensor([3, 1, 0, 5, 4, 2])
    out.aside["first"] = out.aside["first"][:, :, order]
    assert_close(method.loss(out, batch)["distill"], loss)
    unmatched = made(again="continue", same=0.0)
    assert unmatched.loss(out, batch)["distill"] > 1.5 * loss


def test_distillation_makes_the_first_look_more_like_the_last():
    batch, _ = noisy(clips=8)
    missed = {}
    for weight in (0.0, 0.3):
        method = made(distill=weight, ramp=False, same=0.0)
        optimiser = torch.optim.Adam(method.parameters(), 1e-3)
        for _ in range(30):
            optimiser.zero_grad()
            sum(method.loss(method(batch), batch).values()).backward()
            optimiser.step()
        out = method.eval()(batch)
        missed[weight] = (out.aside["first"] - out.attention[:, :, -1].flatten(3)).abs().mean().item()
    assert missed[0.3] < 0.8 * missed[0.0]


# Clips


def appearing(frames=14, when=4):
    """A floor and an object; another comes in later: [1 t 6 8 12], and who owns each patch."""
    draw = torch.Generator().manual_seed(1)
    labels = torch.zeros(frames, 6, 8, dtype=torch.long)
    labels[:, 0:3, 0:3], labels[when:, 3:6, 4:8] = 1, 2
    return Batch(3 * torch.eye(12)[labels][None] + 0.3 * torch.randn(1, frames, 6, 8, 12, generator=draw)), labels


@pytest.mark.parametrize("reduce", ["first", "refresh"])
@pytest.mark.parametrize("start", [{}, PAPER | dict(masks="attention", same=0.5)])
def test_a_new_object_comes_in_through_a_freed_slot(start, reduce):
    batch, labels = appearing()
    method = made(**TORN, **start, reduce=reduce).eval()
    torch.manual_seed(0)
    out = method(batch)
    keep = out.keep[0]
    assert (keep[:6] == keep[0]).all()  # redundancy is reduced once
    if reduce == "first":
        assert (keep[6] >= keep[5]).all()  # who is there stays
    assert (keep[7:12] == keep[6]).all()
    if not start:  # slots that are drawn find nothing before they are trained
        assert keep.sum(-1).tolist() == [2] * 6 + [3] * 8
        owners = out.masks[0].argmax(1)
        assert len(pairs(owners[6:], labels[6:])) == 3
        assert owners[0, 0, 0] == owners[-1, 0, 0]


def test_a_slot_that_has_come_to_double_another_is_freed_in_a_refresh():
    batch, labels = appearing()
    leaving = Batch(batch.features.flip(1))
    freed, never = (made(**TORN, reduce=reduce).eval()(leaving) for reduce in ("refresh", "first"))
    assert freed.keep[0, [0, 5, 12]].sum(-1).tolist() == [3, 3, 2]
    assert never.keep[0].sum(-1).tolist() == [3] * 14
    gone = freed.keep[0, 0] & ~freed.keep[0, 12]
    assert freed.masks[0, 0, gone].argmax() in (labels[-1] == 2).flatten().nonzero()


def test_nobody_comes_in_where_there_is_nothing_new():
    batch, _ = appearing(when=99)
    keep = made(**TORN).eval()(batch).keep[0]
    assert (keep == keep[0]).all()
    assert keep[0].sum() == 2
    never = made(**TORN, refresh=0).eval()(appearing()[0]).keep[0]
    assert (never == never[0]).all()


@pytest.mark.parametrize("settings", [{}, PAPER | dict(hand_on="transformer", same=0.5), dict(again="restart")])
def test_a_clip_in_pieces_is_the_clip_at_once(settings, follows):
    follows.chunks(made(**TORN, **settings), appearing()[0])


def test_slots_keep_their_objects_while_these_move(moving, follows):
    batch, labels = moving()
    method = made(temperature=0.25).eval()  # as sharp as 1 at 256 wide: logits grow with the root of the width
    owners = follows.owners(method, batch, labels)
    assert len({tuple(names) for names in owners}) == 1
    assert len(set(owners[0])) == 3


def test_what_leads_from_frame_to_frame_learns(moving, follows):
    batch, _ = moving(frames=4, clips=4)
    method = made(**PAPER, hand_on="transformer", same=0.5)
    assert method.needs == {"frames"}
    assert made().needs == frozenset()
    before = method.predict.blocks[0].feed[0].weight.clone()
    first, last = follows.trained(method, batch)
    assert last["rebuild"] < 0.7 * first["rebuild"]
    assert (method.predict.blocks[0].feed[0].weight - before).abs().max() > 1e-3


def test_what_cannot_be_is_refused():
    for settings, message in (
        (dict(start="gaussian", hand_on="means"), 'with start "gaussian" say "slots"'),
        (dict(start="gaussian", decoder="mixture"), 'say decoder "random"'),
        (dict(same=2.5), "same is a cosine distance in \\[0, 2\\], or auto, not 2.5"),
        (dict(iterations=1), "iterations must be at least 2, not 1"),
        (dict(memory=1.0), "memory in \\[0, 1\\)"),
    ):
        with pytest.raises(RunError, match=message):
            DIASConfig(**settings)
