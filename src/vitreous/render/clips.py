"""A folder of clips: which there are to make, by whom, and in what form they are kept."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from vitreous import __version__
from vitreous.data.rendered import SPLITS, clip_name, write_clip
from vitreous.errors import did_you_mean
from vitreous.render.engine import RenderError, start
from vitreous.render.layout import still_scene
from vitreous.render.looks import STYLES
from vitreous.render.motion import FRAMES_PER_SECOND, moving_scene
from vitreous.render.picture import MOST_BODIES, Studio
from vitreous.render.scene import MATERIALS, Body, Camera, Pose

SETTINGS_FILE = "render.json"


@dataclass(frozen=True)
class Settings:
    """What decides how clip i of a folder looks. Two folders of equal settings hold equal clips."""

    style: str = "clevr"
    material: str = "mixed"
    objects: tuple[int, int] = (3, 10)
    frames: int = 1
    size: int = 128
    samples_per_pixel: int = 16
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        for value, known in (
            (self.style, STYLES),
            (self.material, (*MATERIALS, "mixed")),
            (self.split, SPLITS),
        ):
            if value not in known:
                raise RenderError(f'"{value}" is none of the choices.{did_you_mean(value, known)}')
        low, high = self.objects
        if not 1 <= low <= high <= MOST_BODIES:
            raise RenderError(
                f"Objects {low} to {high}: expected two numbers from 1 to {MOST_BODIES}, the smaller first."
            )
        if self.frames < 1 or self.size < 8 or self.samples_per_pixel < 1 or self.seed < 0:
            raise RenderError(
                f"Frames {self.frames}, size {self.size}, samples per pixel {self.samples_per_pixel}, "
                f"seed {self.seed}: expected at least 1, 8, 1 and 0."
            )


def render_clip(settings: Settings, index: int, studio: Studio, out: Path) -> None:
    """Make clip `index` and write it below `out`/split."""
    # split in the seed: no test scene is a training scene
    rng = np.random.default_rng([settings.seed, SPLITS.index(settings.split), index])
    if settings.frames == 1:
        scene, poses = still_scene(settings.style, settings.objects, settings.material, rng)
        motion = [poses]
    else:
        scene, motion = moving_scene(settings.style, settings.objects, settings.material, settings.frames, rng)
    seeds = rng.integers(2**31, size=len(motion)).tolist()
    pictures = [
        studio.take(scene, poses, settings.size, settings.samples_per_pixel, seed)
        for poses, seed in zip(motion, seeds, strict=True)
    ]
    ids, order = by_visibility(np.stack([picture.ids for picture in pictures]), len(scene.bodies))
    write_clip(
        out / settings.split / clip_name(index),
        np.stack([picture.image for picture in pictures]),
        ids,
        np.stack([picture.depth_m for picture in pictures]),
        instance_rows([scene.bodies[k] for k in order], [[poses[k] for k in order] for poses in motion], ids),
        {
            "index": index,
            **asdict(settings),
            "frames_per_second": FRAMES_PER_SECOND,
            "camera": [camera_entry(scene.camera, settings.size) for _ in pictures],
            "variant": studio.mi.variant(),
            "versions": {"vitreous": __version__, "mitsuba": version("mitsuba"), "numpy": np.__version__},
        },
    )


def by_visibility(ids: np.ndarray, bodies: int) -> tuple[np.ndarray, list[int]]:
    """Ids renumbered so that the body seen most over all frames is 1; and the bodies in that order."""
    seen = np.bincount(ids.ravel(), minlength=bodies + 1)[1:]
    order = np.argsort(-seen, kind="stable")
    renumber = np.zeros(bodies + 1, ids.dtype)
    renumber[order + 1] = np.arange(1, bodies + 1)
    return renumber[ids], order.tolist()


def instance_rows(bodies: list[Body], motion: list[list[Pose]], ids: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for frame, poses in enumerate(motion):
        pixels = Counter(ids[frame].ravel().tolist())
        for number, (body, pose) in enumerate(zip(bodies, poses, strict=True), start=1):
            row = {
                "id": number,
                "frame": frame,
                "visible_pixels": pixels[number],
                "shape": body.shape,
                "size": body.size,
                "radius": body.radius_m,
                "colour": body.colour,
                "material": body.material,
                "roughness": body.roughness,
                "pattern": body.pattern,
            }
            row |= dict(zip(("colour_r", "colour_g", "colour_b"), body.colours[0], strict=True))
            row |= dict(zip(("position_x", "position_y", "position_z"), pose.position_m, strict=True))
            row |= {f"quaternion_{axis}": value for axis, value in zip("wxyz", pose.quaternion, strict=True)}
            rows.append(row)
    return rows


def camera_entry(camera: Camera, size: int) -> dict[str, Any]:
    return {
        "position": camera.position_m,
        "target": camera.target_m,
        "vertical_fov_deg": camera.fov_deg,
        "focal_pixels": size / (2 * np.tan(np.radians(camera.fov_deg) / 2)),
        "to_world": camera.to_world(),
    }


def claim(out: Path, settings: Settings) -> None:
    """Note the settings beside the clips; refuse a folder that holds clips of others."""
    path = out / settings.split / SETTINGS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = json.loads(json.dumps(asdict(settings)))  # tuples as the file has them
    if path.exists():
        have = json.loads(path.read_text())
        differ = [f"{key} {have.get(key)} (now {wanted[key]})" for key in wanted if have.get(key) != wanted[key]]
        if differ:
            raise RenderError(
                f"{path.parent} holds clips rendered with other settings: {', '.join(differ)}.\n"
                "Mixed, they would be no data set. Take another folder with --out, or the settings that are there."
            )
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(wanted, indent=1) + "\n")
    partial.replace(path)


def missing(out: Path, settings: Settings, scenes: range) -> list[int]:
    """Which of these clips are still to be made."""
    there = {path.name for path in (out / settings.split).glob("clip_*")}
    return [index for index in scenes if clip_name(index) not in there]


def render_clips(
    out: Path, settings: Settings, indices: list[int], workers: int = 1, variant: str = "auto"
) -> Iterator[int]:
    """Make these clips; yields each index when it is on disk, in the order of completion.

    One worker renders in this process with all its cores; several are processes that share the cores.
    """
    claim(out, settings)
    if workers == 1 or len(indices) < 2:
        studio = Studio(start(variant))
        for index in indices:
            render_clip(settings, index, studio, out)
            yield index
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=open_studio, initargs=(variant, threads)
    ) as pool:
        jobs = {pool.submit(render_in_worker, settings, index, out): index for index in indices}
        try:
            for job in as_completed(jobs):
                job.result()
                yield jobs[job]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_studio: list[Studio] = []  # one per worker process


def open_studio(variant: str, threads: int) -> None:
    _studio.append(Studio(start(variant, threads)))


def render_in_worker(settings: Settings, index: int, out: Path) -> None:
    render_clip(settings, index, _studio[0], out)
