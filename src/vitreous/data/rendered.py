"""Clips written by `vitreous render`: one folder per clip, one file per frame.

    train/clip_00042/rgb/0007.png        8-bit sRGB
    train/clip_00042/ids/0007.png        16-bit object ids; 0 background, 65535 not scored (read as -1)
    train/clip_00042/depth/0007.npy      float32 metres along the ray; inf where the ray leaves the scene
    train/clip_00042/instances.parquet   one row per object and frame, see INSTANCE_COLUMNS
    train/clip_00042/clip.json           seed, index, settings, camera of each frame, versions

Ids run from 1 without gaps, the object seen most over the whole clip first; an object may be hidden in some frames.
A clip's folder appears under its name when it is complete, never before. Origin: made on the user's own machine, so
free of any licence. Size: about 110 kB per frame of 128 x 128, of which the depth is 64.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image, UnidentifiedImageError

from vitreous.errors import DataError
from vitreous.types import Frame

Split = Literal["train", "test"]
SPLITS = ("train", "test")
NOT_SCORED = 65535
# constant over a clip, then per frame
OBJECT_COLUMNS = (
    "id",
    "shape",
    "size",
    "radius",
    "colour",
    "colour_r",
    "colour_g",
    "colour_b",
    "material",
    "roughness",
    "pattern",
)
FRAME_COLUMNS = (
    "frame",
    "visible_pixels",
    "position_x",
    "position_y",
    "position_z",
    "quaternion_w",
    "quaternion_x",
    "quaternion_y",
    "quaternion_z",
)
PARTS = ("rgb", "ids", "instances.parquet", "clip.json")  # depth may have been left out to save room
INSTANCE_COLUMNS = OBJECT_COLUMNS + FRAME_COLUMNS


def clip_name(index: int) -> str:
    return f"clip_{index:05d}"


def write_clip(
    folder: Path,
    frames: UInt8[np.ndarray, "t y x 3"],
    ids: Int[np.ndarray, "t y x"],
    depth_m: Float32[np.ndarray, "t y x"],
    instances: Sequence[dict[str, Any]],
    about: dict[str, Any],
) -> None:
    """Write one clip, so that `folder` either holds all of it or does not exist.

    `ids` 0 background, -1 not scored; `instances` rows with INSTANCE_COLUMNS; `about` becomes clip.json.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        fill(partial, frames, ids, depth_m, instances, about)
        partial.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process made the same clip meanwhile
            raise DataError(f"Cannot write {folder} ({error.strerror or error}).\nMake room, then go on.") from None
    finally:
        for left in folder.parent.glob(f".{folder.name}.*.partial"):  # ours, or of a process that was killed
            shutil.rmtree(left, ignore_errors=True)


def fill(
    folder: Path,
    frames: UInt8[np.ndarray, "t y x 3"],
    ids: Int[np.ndarray, "t y x"],
    depth_m: Float32[np.ndarray, "t y x"],
    instances: Sequence[dict[str, Any]],
    about: dict[str, Any],
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for part in ("rgb", "ids", "depth"):
        (folder / part).mkdir(parents=True)
    for index, (image, labels, depth) in enumerate(zip(frames, ids, depth_m, strict=True)):
        Image.fromarray(image).save(folder / "rgb" / f"{index:04d}.png")
        stored = np.where(labels < 0, NOT_SCORED, labels).astype(np.uint16)
        Image.fromarray(stored).save(folder / "ids" / f"{index:04d}.png")
        np.save(folder / "depth" / f"{index:04d}.npy", depth, allow_pickle=False)
    columns = [{name: row[name] for name in INSTANCE_COLUMNS} for row in instances]
    parquet.write_table(pa.Table.from_pylist(columns), folder / "instances.parquet")
    (folder / "clip.json").write_text(json.dumps(about, indent=1) + "\n")


class RenderedClips:
    """Clips of a folder, frame by frame. Reads what `vitreous render` wrote; satisfies types.Source.

    root      OUT of `vitreous render`, or one split of it
    split     train or test; None reads what is there, keys telling which ("train/clip_00042")
    on_error  "raise" a DataError that names the file, or "skip" the rest of that clip and note it in `skipped`
    """

    def __init__(
        self, root: Path | str, split: Split | None = None, on_error: Literal["raise", "skip"] = "raise"
    ) -> None:
        self.root, self.on_error = Path(root), on_error
        self.skipped: list[tuple[str, str]] = []
        splits = [split] if split else [name for name in SPLITS if (self.root / name).is_dir()]
        found = [
            path for name in splits or ["."] for path in sorted((self.root / name).glob("clip_*")) if path.is_dir()
        ]
        if not found:
            raise DataError(
                f"No clips in {self.root / split if split else self.root}: "
                "expected folders named clip_00000, clip_00001, ...\n"
                f"Make some:  vitreous render --out {self.root}"
            )
        self.folders = {path.relative_to(self.root).as_posix(): path for path in found if self.whole(path)}
        self.keys = list(self.folders)
        self.name = f"{self.root.resolve().name}/{split}" if split else self.root.resolve().name

    def length(self, key: str) -> int:
        """Number of pictures in the clip's folder."""
        return sum(entry.name.endswith(".png") for entry in os.scandir(self.part(key, "rgb")))

    def frames(self, key: str, start: int = 0) -> Iterator[Frame]:
        """Read a clip frame by frame; with on_error="skip", up to the first that cannot be read."""
        try:
            for index in range(start, self.length(key)):
                yield self.frame(key, index)
        except DataError as error:
            if self.on_error != "skip":
                raise
            told = (str(self.folders[key]), str(error))
            if told not in self.skipped:  # a clip may be read more than once
                self.skipped.append(told)

    def frame(self, key: str, index: int) -> Frame:
        path = self.part(key, "rgb") / f"{index:04d}.png"
        encoded = read_bytes(path)
        image = decode(encoded, path)
        ids_path = self.part(key, "ids") / path.name
        stored = decode(read_bytes(ids_path), ids_path).astype(np.int32)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise DataError(f"{path}: expected an 8-bit RGB picture, found {image.dtype} of shape {image.shape}.")
        if stored.shape != image.shape[:2]:
            raise DataError(
                f"{ids_path}: the ids are {stored.shape[1]}x{stored.shape[0]}, "
                f"their picture {image.shape[1]}x{image.shape[0]}.\nRender this clip again: delete {self.folders[key]}"
            )
        return Frame(key, index, image, np.where(stored == NOT_SCORED, -1, stored), encoded)

    def depth(self, key: str, index: int) -> Float32[np.ndarray, "y x"]:
        """Metres along the ray through each pixel's centre; inf where it leaves the scene."""
        path = self.part(key, "depth") / f"{index:04d}.npy"
        try:
            return np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
        except ValueError as error:
            raise DataError(broken(path, str(error))) from None

    def about(self, key: str) -> dict[str, Any]:
        """clip.json: seed, index, split, settings, cameras, variant, versions."""
        path = self.part(key, "clip.json")
        try:
            return json.loads(read_bytes(path))
        except ValueError as error:
            raise DataError(broken(path, str(error))) from None

    def camera(self, key: str) -> list[dict[str, Any]]:
        """Per frame: position, target, vertical field of view (degrees), camera-to-world matrix (x right, y down)."""
        return self.about(key)["camera"]

    def table(self, key: str) -> list[dict[str, Any]]:
        """instances.parquet: one dict per object and frame."""
        import pyarrow as pa
        from pyarrow import parquet

        path = self.part(key, "instances.parquet")
        try:
            # one thread: a small table needs no more, and pyarrow 26 aborts one process in thirty at its end
            # ("terminate called without an active exception") when its pool of threads is still starting
            return parquet.read_table(pa.BufferReader(read_bytes(path)), use_threads=False).to_pylist()
        except pa.ArrowInvalid as error:
            raise DataError(broken(path, str(error))) from None

    def instances(self, key: str) -> list[dict[str, Any]]:
        """One dict per object, by id; what changes (`visible_pixels`, `position_x` ...) as a list over frames."""
        objects: dict[int, dict[str, Any]] = {}
        for row in sorted(self.table(key), key=lambda row: (row["id"], row["frame"])):
            constant = {name: value for name, value in row.items() if name not in FRAME_COLUMNS}
            one = objects.setdefault(row["id"], {**constant, "category": None})
            for name in FRAME_COLUMNS[1:]:
                one.setdefault(name, []).append(row[name])
        return list(objects.values())

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for key in self.keys:
            sizes = {
                f"{part}/{entry.name}": entry.stat().st_size
                for part in ("rgb", "ids")
                for entry in os.scandir(self.part(key, part))
            }
            digest.update(json.dumps([key, self.length(key), sorted(sizes.items())]).encode())
        return digest.hexdigest()

    def part(self, key: str, name: str) -> Path:
        """Path of one of a clip's files or folders."""
        if key not in self.folders:
            raise DataError(f'No clip "{key}" in {self.root}: its keys are like "{self.keys[0]}".')
        return self.folders[key] / name

    def whole(self, folder: Path) -> bool:
        """Whether a clip has its parts; DataError, or a note in `skipped`, where it has not."""
        lacking = [name for name in PARTS if not (folder / name).exists()]
        if not lacking:
            return True
        reason = (
            f"{folder} is not whole: {' and '.join(lacking)} missing.\n"
            "Delete the folder and give the same `vitreous render` command again: it makes what is not there."
        )
        if self.on_error != "skip":
            raise DataError(reason)
        self.skipped.append((str(folder), reason))
        return False


def broken(path: Path, reason: str) -> str:
    return (
        f"{path} cannot be read ({reason}).\nDelete {path.parent.parent} and render it again, or pass --on-error skip"
    )


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(broken(path, error.strerror or str(error))) from None


def decode(encoded: bytes, path: Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            return np.asarray(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        reason = "not a picture" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(broken(path, reason)) from None
