import os
import subprocess
import sys
import time

import pytest

from vitreous.cli.main import main
from vitreous.data.rendered import RenderedClips
from vitreous.errors import DataError
from vitreous.render.engine import RenderError
from vitreous.render.settings import Settings, missing
from vitreous.render.workers import render_clips

TINY = {"objects": (3, 4), "size": 16, "samples_per_pixel": 1}
COMMAND = ["--size", "16", "--samples-per-pixel", "1", "--objects", "3", "4", "--variant", "scalar"]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def five(studio, tmp_path_factory):
    out = tmp_path_factory.mktemp("five")
    list(render_clips(out, Settings(**TINY), list(range(5)), variant="scalar"))
    return out


def test_two_workers_make_what_one_makes(five, tmp_path):
    made = list(render_clips(tmp_path, Settings(**TINY), list(range(5)), workers=2, variant="scalar"))
    assert sorted(made) == list(range(5))
    assert contents(tmp_path) == contents(five)


def test_what_a_killed_process_left_is_cleared_and_made_again(five, tmp_path):
    left = tmp_path / "train" / ".clip_00001.99999.partial" / "rgb"
    left.mkdir(parents=True)
    (left / "0000.png").write_bytes(b"half a pict")
    list(render_clips(tmp_path, Settings(**TINY), [1], variant="scalar"))
    assert {path.name for path in (tmp_path / "train").iterdir()} == {"clip_00001", "render.json"}
    assert contents(tmp_path / "train" / "clip_00001") == contents(five / "train" / "clip_00001")


def test_a_killed_command_goes_on_where_it_stopped(five, tmp_path):
    """SIGKILL in the middle; what is there is whole, its workers are gone, and the next call makes the rest."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "vitreous.cli.main", "render", "--out", str(tmp_path), *COMMAND]
    running = subprocess.Popen(
        [*command, "--scenes", "5000", "--workers", "2"],
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "train").glob("clip_*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.kill()
    running.wait()
    time.sleep(1.5)
    made = sorted(path.name for path in (tmp_path / "train").glob("clip_*"))
    assert 3 <= len(made) < 5000
    time.sleep(1.0)
    assert sorted(path.name for path in (tmp_path / "train").glob("clip_*")) == made  # nobody is left at work
    list(render_clips(tmp_path, Settings(**TINY), missing(tmp_path, Settings(**TINY), range(5)), variant="scalar"))
    for index in range(5):
        name = f"clip_{index:05d}"
        assert contents(tmp_path / "train" / name) == contents(five / "train" / name)


def test_the_command_renders_says_where_and_skips_what_is_there(studio, tmp_path, capsys):
    assert main(["render", "--out", str(tmp_path), "--scenes", "2", "--start", "3", "--split", "test", *COMMAND]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / "test")
    assert f"vitreous extract {tmp_path}" in printed.err
    assert "scalar_rgb" in printed.err
    assert RenderedClips(tmp_path).keys == ["test/clip_00003", "test/clip_00004"]
    assert main(["render", "--out", str(tmp_path), "--scenes", "2", "--start", "3", "--split", "test", *COMMAND]) == 0
    assert "2 of 2 clips are there already" in capsys.readouterr().err


def test_the_command_refuses_other_settings_without_a_traceback(studio, five, capsys):
    assert main(["render", "--out", str(five), *COMMAND, "--style", "varied"]) == 1
    error = capsys.readouterr().err
    assert "style clevr (now varied)" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("wrong", [["--scenes", "0"], ["--start", "-1"], ["--workers", "0"]])
def test_impossible_numbers_are_refused(tmp_path, capsys, wrong):
    assert main(["render", "--out", str(tmp_path), *COMMAND, *wrong]) == 1
    assert " ".join(wrong) in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def lost(settings, index, out):
    os._exit(9)


def test_a_worker_that_dies_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("vitreous.render.workers.render_in_worker", lost)
    with pytest.raises(RenderError, match="worker processes was killed"):
        list(render_clips(tmp_path, Settings(**TINY), [0, 1, 2], workers=2, variant="scalar"))


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_no_permission_is_named(five, tmp_path):
    (tmp_path / "train").mkdir(mode=0o500)
    with pytest.raises(DataError, match="Cannot write to"):
        list(render_clips(tmp_path, Settings(**TINY), [0], variant="scalar"))
