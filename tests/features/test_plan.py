import pytest

from vitreous.errors import DataError
from vitreous.features.plan import Plan


def plan(views=("identity", "hflip"), batch_size=4):
    return Plan(["a", "b", "c"], [3, 0, 2], views, batch_size)


def test_rows_run_over_clips_frames_views():
    found = [plan().place(row) for row in range(len(plan()))]
    assert found == [(c, t, v) for c, n in ((0, 3), (2, 2)) for t in range(n) for v in ("identity", "hflip")]
    assert all(plan().row_of("abc"[c], t, v) == row for row, (c, t, v) in enumerate(found))


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 100])
def test_segments_cover_every_row_once(batch_size):
    p = plan(batch_size=batch_size)
    covered = []
    for batch in range(p.batches):
        for s in p.segments(batch):
            covered += range(s.start, s.stop)
            assert (s.first, s.last) == (p.place(s.start)[1], p.place(s.stop - 1)[1])
            assert p.keys[s.clip] == s.key
    assert covered == list(range(len(p)))


def test_rows_of_another_plan_are_none_of_this():
    assert plan().row_of("z", 0, "identity") is None
    assert plan().row_of("a", 3, "identity") is None
    assert plan().row_of("a", 0, "vflip") is None


def test_empty_and_double_are_named(scenes):
    with pytest.raises(DataError, match="holds no pictures"):
        Plan.of(scenes({}), ("identity",), 4)

    class Double(scenes):
        keys = ("a", "b", "a")

    with pytest.raises(DataError, match='two clips are called "a"'):
        Plan.of(Double({"a": 1, "b": 1}), ("identity",), 4)
