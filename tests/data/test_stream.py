"""Live video: by address from a server on this machine, and cameras that are not there."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from vitreous.data.stream import is_stream, stream_frames
from vitreous.errors import DataError

av = pytest.importorskip("av")


def film(path: Path, frames: int = 6) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for i in range(frames):
            picture = np.full((32, 48, 3), 40 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def test_a_film_by_its_address(server, tmp_path):
    film(tmp_path / "walk.mkv")
    frames = list(stream_frames(f"{server}/walk.mkv", "walk"))
    assert [(f.key, f.index) for f in frames] == [("walk", i) for i in range(6)]
    assert frames[3].image.shape == (32, 48, 3)
    assert frames[3].image.mean() == pytest.approx(120, abs=6)


def test_an_address_without_a_film(server):
    with pytest.raises(DataError, match="cannot be opened.*\nIs the address right"):
        list(stream_frames(f"{server}/nothing.mkv"))


def test_what_holds_no_video_is_named(server, tmp_path):
    (tmp_path / "page.html").write_text("<p>hello</p>" * 50)
    with pytest.raises(DataError, match=r"page\.html"):
        list(stream_frames(f"{server}/page.html"))


def test_a_camera_that_is_not_there():
    with pytest.raises(DataError, match="webcam:77 cannot be opened .*\nCameras here: "):
        list(stream_frames("webcam:77"))


def test_paths_are_no_addresses():
    assert is_stream("rtsp://10.0.0.2/door")
    assert not any(is_stream(path) for path in ("film.mp4", "http", Path("webcam:0"), "C:/film.mp4"))
