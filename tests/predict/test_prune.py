"""Slots that double another become one: their masks add up, and numbers hold over a clip."""

import json
from dataclasses import asdict

import pytest
import torch
from torch.testing import assert_close

from vitreous.cli.main import main
from vitreous.features.standardise import Standardiser
from vitreous.predict.prune import Pruned, prune
from vitreous.predict.segment import find_slots
from vitreous.runs import Recipe, Run, build, settings
from vitreous.types import SlotOutput


def slots_at(*degrees):
    angle = torch.tensor(degrees).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], -1)


def output(slots, masks, state="clip", keep=None):
    """slots [t k s], masks [t k n] -> of one clip, on a grid of one row."""
    masks = masks[None, :, :, None]
    return SlotOutput(
        slots[None], masks, torch.zeros(1, len(slots), 1, masks.shape[-1], 2), masks[:, :, None], keep, state
    )


FOUR = slots_at(0.0, 5.0, 90.0, 92.0)
SHARES = torch.tensor([[0.5, 0.1, 0.0, 0.1], [0.3, 0.6, 0.0, 0.1], [0.1, 0.2, 0.3, 0.6], [0.1, 0.1, 0.7, 0.2]])  # k n


def test_masks_add_up_and_one_slot_of_each_cluster_stays():
    out = prune(output(FOUR[None], SHARES[None]), 0.1)
    assert out.keep[0, 0].tolist() == [False, True, True, False]  # who owns most
    assert_close(out.masks[0, 0, 1, 0], SHARES[0] + SHARES[1])
    assert_close(out.masks[0, 0, 2, 0], SHARES[2] + SHARES[3])
    assert out.masks[0, 0, [0, 3]].abs().max() == 0
    assert_close(out.attention[0, 0, 0], out.masks[0, 0])
    assert_close(out.slots[0, 0, 1], (0.7 * FOUR[0] + 1.0 * FOUR[1]) / 1.7)


def test_nothing_doubles_anything_at_distance_zero():
    before = output(FOUR[None], SHARES[None])
    out = prune(before, 0.0)
    assert out.keep.all()
    assert_close(out.masks, before.masks)
    assert_close(out.slots, before.slots)


def test_clusters_of_a_clip_are_those_of_the_frame_where_slots_first_win_something():
    turned = torch.stack([FOUR, slots_at(0.0, 90.0, 90.0, 0.0), slots_at(0.0, 90.0, 91.0, 92.0)])
    out = prune(output(turned, SHARES.expand(3, -1, -1)), 0.1)
    assert out.keep[0].tolist() == [[False, True, True, False]] * 3
    idle = SHARES.clone()
    idle[3] = 0  # the last slot wins nothing at first: it is judged later, by what it is like then
    late = torch.stack([idle / idle.sum(0), SHARES])
    out = prune(output(torch.stack([FOUR, slots_at(0.0, 5.0, 90.0, 200.0)]), late), 0.1)
    assert out.keep[0].tolist() == [[False, True, True, True]] * 2
    out = prune(output(torch.stack([slots_at(0.0, 5.0, 90.0, 200.0), FOUR]), late), 0.1)
    assert out.keep[0, 1].tolist() == [False, True, True, False]


def test_frames_that_do_not_know_each_other_are_judged_each_by_itself():
    turned = torch.stack([FOUR, slots_at(0.0, 90.0, 93.0, 180.0)])
    out = prune(output(turned, SHARES.expand(2, -1, -1), state=None), 0.1)
    assert out.state is None
    assert out.keep[0].tolist() == [[False, True, True, False], [True, False, True, True]]


def test_a_clip_in_pieces_is_the_clip_at_once():
    draw = torch.Generator().manual_seed(0)
    slots, masks = torch.randn(9, 6, 3, generator=draw), (4 * torch.randn(9, 6, 5, generator=draw)).softmax(1)
    keep = torch.rand(1, 9, 6, generator=draw) > 0.3
    whole, stands = prune(output(slots, masks, keep=keep), "auto"), None
    for t in range(9):
        piece = prune(output(slots[t : t + 1], masks[t : t + 1], keep=keep[:, t : t + 1]), "auto", stands)
        assert isinstance(piece.state, Pruned)
        stands = piece.state.stands
        for name in ("slots", "masks", "keep"):
            assert_close(getattr(piece, name)[:, 0], getattr(whole, name)[:, t])
    assert_close(whole.masks.sum(2), masks.sum(1)[None, :, None])


def untrained(folder, method, dim, grid, about, **how):
    """Every one of eight slots is used, whatever the picture."""
    torch.manual_seed(0)
    config = asdict(settings(method, dict(slots=8, slot_dim=12, merge=0.0, **how)))
    recipe = Recipe(method, config, grid, "crop", dim, about, "none", {"name": "", "fingerprint": ""})
    run = Run(folder / method, recipe, build(recipe), Standardiser("none").state())
    run.save()
    return run


@pytest.mark.parametrize("method", ["dinosaur", "savi_dinosaur", "videosaur"])
def test_any_method_comes_down_to_the_number_of_things(method, tmp_path):
    draw = torch.Generator().manual_seed(0)
    labels = torch.zeros(6, 8, dtype=torch.long)
    labels[1:4, 1:3], labels[2:5, 5:8] = 1, 2
    features = 3 * torch.eye(12)[labels] + 0.3 * torch.randn(5, 3, 6, 8, 12, generator=draw)
    run = untrained(tmp_path, method, 12, (6, 8), {})
    used = {}
    for same in (None, "auto"):
        masks = find_slots(run, features, same=same).masks
        used[same] = [len(owner.unique()) for owner in masks.argmax(2).flatten(0, 1)]
    assert min(used[None]) > 3
    assert set(used["auto"]) == {3}
    assert_close(masks.sum(2), torch.ones(5, 3, 6, 8))


def test_the_commands_prune(blobs_store, tmp_path, capsys):
    store = blobs_store(clips=4, seed=6)
    run = untrained(tmp_path, "dinosaur", store.dim, store.grid, store.meta.backbone)
    assert main(["score", str(run.folder), str(store.path), "--prune", "auto", "--baselines", "false"]) == 0
    saved = json.loads((run.folder / "scores.json").read_text())
    assert saved["pruned"] == "auto"
    assert list(saved["rows"]) == ["dinosaur (8 slots, pruned)"]
    assert "dinosaur (8 slots, pruned)" in capsys.readouterr().out
    assert main(["score", str(run.folder), str(store.path), "--prune", "3"]) != 0
    assert "--prune 3.0: a cosine distance between 0 and 2" in capsys.readouterr().err
