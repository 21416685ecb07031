import io
import time
from dataclasses import replace

import pytest
from rich.console import Console

from vitreous.sweep.live import View, duration, last_step
from vitreous.sweep.plan import Plan
from vitreous.sweep.study import Trial

PLAN = Plan({"slots": [3, 5], "seed": [42, 43]}, {"steps": 300})
DONE = [
    Trial(i, i, s, "done", scores={"fg_ari": (0.8, 0.75, 0.85)}, seconds=60.0)
    for i, s in enumerate(PLAN.combinations())
]
FAILED = replace(DONE[1], state="failed", reason="65 slots [do not] fit", scores={})


def view(tmp_path, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    return View(PLAN, lambda trial: tmp_path / str(trial.place), 2, console), console.file


def test_plain_lines_where_there_is_no_terminal(tmp_path):
    shown, out = view(tmp_path, terminal=False)
    with shown:
        shown.finished(DONE[0], {"done": 1, "failed": 0}, 4)
        shown.finished(FAILED, {"done": 1, "failed": 1}, 4)
        shown.show(DONE[2:3], {"done": 1, "failed": 1}, 4)
    assert out.getvalue().splitlines() == [
        "1/4  slots 3, seed 42: fg_ari 0.800 ±0.050, 1 min, 2 min left",
        "2/4  slots 3, seed 43: failed, 1 min, 1 min left",
        "  65 slots [do not] fit",
    ]


def test_a_table_on_a_terminal(tmp_path):
    shown, out = view(tmp_path, terminal=True)
    for place in (1, 2, 3):
        (tmp_path / str(place)).mkdir()
    (tmp_path / "3" / "model.safetensors").touch()
    log = tmp_path / "2" / "log.csv"
    log.write_text("step,loss\n0,1.0\n")
    with shown:
        shown.finished(DONE[0], {"done": 1, "failed": 0}, 4)
        shown.finished(FAILED, {"done": 1, "failed": 1}, 4)
        running = [replace(trial, state="running") for trial in DONE[2:]]
        shown.show(running, {"done": 1, "failed": 1}, 4)
        time.sleep(0.05)
        log.write_text("step,loss\n0,1.0\n99,0.5\n100,0.")  # the last line is being written
        shown.show(running, {"done": 1, "failed": 1}, 4)
        table = Console(file=io.StringIO(), width=100)
        table.print(shown.live.get_renderable())
    head, done, failed, third, fourth, caption = table.file.getvalue().rstrip().splitlines()
    assert head.split() == ["slots", "seed", "state", "steps", "steps/s", "score", "time"]
    assert done.split() == ["3", "42", "done", "0.800", "±0.050", "1", "min"]
    assert failed.split() == ["3", "43", "failed", "1", "min"]
    words = third.split()
    assert words[:6] == ["5", "42", "running", "100", "of", "300"]
    assert 0 < float(words[6]) <= 99 / 0.05
    assert words[-1] == "left"
    assert fourth.split() == ["5", "43", "running", "scoring"]
    assert caption.strip() == "1 done, 1 failed, 2 to do, 1 min left"
    assert "65 slots [do not] fit" in out.getvalue()  # above the table, to stay


def test_steps_by_the_last_whole_line(tmp_path):
    log = tmp_path / "log.csv"
    assert last_step(log) is None
    for text, step in (("", None), ("step,loss\n", None), ("step,loss\n7,1.0\n", 8), ("step,loss\n7,1.0\n8", 8)):
        log.write_text(text)
        assert last_step(log) == step


@pytest.mark.parametrize(("seconds", "words"), [(8.4, "8 s"), (90, "2 min"), (7190, "120 min"), (9000, "2.5 h")])
def test_durations(seconds, words):
    assert duration(float(seconds)) == words
