import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.rollout import Rollout, ages


def made(**how):
    torch.manual_seed(0)
    return Rollout(6, **({"dim": 16, "layers": 2, "heads": 4, "history": 4} | how)).eval()


SLOTS = torch.randn(2, 5, 3, 6, generator=torch.Generator().manual_seed(0))


def test_it_goes_on_from_its_own_answers_with_a_window():
    rollout = made()
    coming = rollout(SLOTS, 3)
    frames = SLOTS
    for step in range(3):
        following = rollout(frames[:, -4:], 1)
        assert_close(coming[:, [step]], following)
        frames = torch.cat([frames, following], dim=1)


def test_as_many_frames_as_the_history_count_and_fewer_will_do():
    rollout = made()
    early, late = SLOTS.clone(), SLOTS.clone()
    early[:, 0] += 1
    late[:, 1] += 1
    assert_close(rollout(early, 2), rollout(SLOTS, 2))
    assert (rollout(late, 1) - rollout(SLOTS, 1)).abs().max() > 1e-4
    assert rollout(SLOTS[:, :1], 2).isfinite().all()


def test_permuting_the_slots_permutes_the_answer_and_frames_are_told_apart():
    rollout, order = made(), torch.tensor([2, 0, 1])
    assert_close(rollout(SLOTS[:, :, order], 2), rollout(SLOTS, 2)[:, :, order], atol=1e-5, rtol=1e-4)
    swapped = SLOTS[:, [0, 2, 1, 3, 4]]
    assert (rollout(swapped, 1) - rollout(SLOTS, 1)).abs().max() > 1e-4


def test_slots_left_out_are_inert():
    rollout, keep = made(), torch.tensor([[True, False, True], [True, True, True]])
    moved = SLOTS.where(keep[:, None, :, None], 9.0)
    for steps in (1, 3):
        there, here = rollout(moved, steps, keep), rollout(SLOTS, steps, keep)
        assert_close(
            there.mT[keep[:, None, None].expand(there.mT.shape)],
            here.mT[keep[:, None, None].expand(here.mT.shape)],
            atol=1e-5,
            rtol=1e-4,
        )


def test_codes_are_sines_of_age():
    codes = ages(5, 6)
    assert codes[0].tolist() == [0, 1] * 3
    assert codes[3, 0].item() == pytest.approx(torch.tensor(3.0).sin().item(), abs=1e-6)
    assert codes[3, 5].item() == pytest.approx(torch.tensor(3.0 * 10_000 ** (-4 / 6)).cos().item(), abs=1e-6)


def test_it_learns_slots_that_turn():
    """Each slot goes round a circle: the next place follows from the last two, not from the last alone by a shift."""
    torch.manual_seed(0)
    start = torch.rand(64, 1, 3, 1) * 6.28
    angle = start + 0.7 * torch.arange(9)[None, :, None, None]
    slots = torch.cat([angle.sin(), angle.cos()], dim=-1)
    rollout = Rollout(2, dim=16, layers=1, heads=2, history=3, dropout=0.0)
    optimiser = torch.optim.Adam(rollout.parameters(), 3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (rollout(slots[:, :3], 6) - slots[:, 3:]).square().mean()
        loss.backward()
        optimiser.step()
    stay = (slots[:, 2:3] - slots[:, 3:]).square().mean()
    assert loss < 0.1 * stay
