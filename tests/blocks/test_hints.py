import torch
from torch.testing import assert_close

from vitreous.blocks.hints import BoxStart, IdStart, renumbered

IDS = torch.tensor(
    [
        [[0, 0, 7, 7], [0, 3, 7, 7], [0, 3, 0, -1]],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[9, 9, 9, 9], [5, 5, 5, 5], [2, 2, 2, 2]],
    ]
)


def test_objects_are_numbered_in_the_order_of_their_ids_while_slots_last():
    # 3 -> 1, 7 -> 2; nothing; 2 -> 1, 5 -> 2, and for 9 no slot is left
    assert_close(
        renumbered(IDS, 3),
        torch.tensor(
            [
                [[0, 0, 2, 2], [0, 1, 2, 2], [0, 1, 0, -1]],
                [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
                [[-1, -1, -1, -1], [2, 2, 2, 2], [1, 1, 1, 1]],
            ]
        ),
    )


def test_a_slot_starts_at_its_box():
    torch.manual_seed(0)
    start = BoxStart(4, 6)
    slots, keep = start(IDS)
    # (top, left, bottom, right): id 3 fills rows 1-2 of column 1, id 7 rows 0-1 of columns 2-3
    boxes = torch.tensor([[0, 0, 0, 0], [1 / 3, 1 / 4, 1, 1 / 2], [0, 1 / 2, 2 / 3, 1], [0, 0, 0, 0]])
    assert_close(slots[0], start.boxes(boxes[None])[0])
    assert keep.tolist() == [[True, True, True, False], [True, False, False, False], [True] * 4]


def test_spare_slots_are_absent_or_at_the_background():
    torch.manual_seed(0)
    boxes, means = BoxStart(4, 6, spare="background"), IdStart(4, 5, 6, spare="background")
    for slots, keep in (boxes(IDS), means(IDS, torch.randn(3, 12, 5), (3, 4))):
        assert keep is None
        assert_close(slots[1], slots[1, :1].expand(4, -1))
        assert_close(slots[0, 3], slots[0, 0])
        assert (slots[0, 1] - slots[0, 0]).abs().max() > 1e-3


def test_a_slot_starts_at_the_mean_of_what_is_seen_at_its_object():
    torch.manual_seed(0)
    start, x = IdStart(4, 5, 6), torch.randn(3, 12, 5)
    slots, keep = start(IDS, x, (3, 4))
    cells = x[0].view(3, 4, 5)
    means = torch.stack([cells[IDS[0] == i].mean(0) for i in (0, 3, 7)])
    assert_close(slots[0, :3], start.mlp(means))
    assert keep.tolist() == [[True, True, True, False], [True, False, False, False], [True] * 4]


def test_ids_are_taken_at_the_middle_of_coarser_cells():
    torch.manual_seed(0)
    start, x, fine = IdStart(4, 5, 6), torch.randn(3, 12, 5), IDS.repeat_interleave(3, 1).repeat_interleave(3, 2)
    fine[:, ::3] = 0  # what lies at the border of a cell does not count
    assert_close(start(fine, x, (3, 4)).slots, start(IDS, x, (3, 4)).slots)
