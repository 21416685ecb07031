"""Inputs made on the spot: textured pictures and short films."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _scene(y: int = 48, x: int = 64, seed: int = 0) -> np.ndarray:
    """Blocks of random colour: enough texture that any mistake in place shows. uint8 [y x 3]"""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-y // 8), -(-x // 8), 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))[:y, :x]


def _save(path: Path, picture: np.ndarray | Image.Image | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = _scene() if picture is None else picture
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)
    return path


def _film(path: Path, n: int = 24, *, codec: str = "h264", gop: int = 8, size=(48, 64), muxer: dict | None = None,
          **options) -> Path:  # fmt: skip
    """A scene that moves three pixels per frame, so that no two frames are alike."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=12, options={name: str(value) for name, value in options.items()})
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size = ("yuvj420p" if codec == "mjpeg" else "yuv420p"), gop
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(np.roll(_scene(*size), 3 * i, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _profile(space: bytes = b"RGB ", *, name: str = "test", gamma: float = 1.0, swap: bool = False) -> bytes:
    """A colour profile (ICC 2): sRGB's primaries, or those with red and green exchanged, and one gamma."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = name.encode() + b"\0"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78), b"wtpt": xyz(0.9642, 1, 0.8249)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        primaries = {b"r": (0.4361, 0.2225, 0.0139), b"g": (0.3851, 0.7169, 0.0971), b"b": (0.1431, 0.0606, 0.7141)}
        if swap:
            primaries[b"r"], primaries[b"g"] = primaries[b"g"], primaries[b"r"]
        tags |= {c + b"XYZ": xyz(*values) for c, values in primaries.items()} | {c + b"TRC": curve for c in primaries}
    table, body = b"", io.BytesIO()
    for tag, content in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + body.tell(), len(content))
        body.write(content + bytes(-len(content) % 4))
    data = struct.pack(">I", len(tags)) + table + body.getvalue()
    head = struct.pack(">I4xI4s4s4s", 128 + len(data), 0x02400000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    return (head.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)).ljust(128, b"\0") + data


@pytest.fixture
def scene():
    return _scene


@pytest.fixture
def save():
    return _save


@pytest.fixture
def film():
    return _film


@pytest.fixture
def profile():
    return _profile
