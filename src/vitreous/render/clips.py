"""One clip, from its number to its folder. Clip i of a seed depends on nothing else."""

from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from vitreous import __version__
from vitreous.data.rendered import SPLITS, clip_name, write_clip
from vitreous.render.layout import still_scene
from vitreous.render.motion import FRAMES_PER_SECOND, moving_scene
from vitreous.render.picture import Studio
from vitreous.render.scene import Body, Camera, Pose, Scene
from vitreous.render.settings import Settings


def plan(settings: Settings, index: int) -> tuple[Scene, list[list[Pose]], list[int]]:
    """The scene of a clip, where its bodies are in each frame, and the renderer's seed for each frame."""
    # the split is part of the seed: no test scene is a training scene
    rng = np.random.default_rng([settings.seed, SPLITS.index(settings.split), index])
    if settings.frames == 1:
        scene, poses = still_scene(settings.style, settings.objects, settings.material, rng)
        motion = [poses]
    else:
        scene, motion = moving_scene(settings.style, settings.objects, settings.material, settings.frames, rng)
    return scene, motion, rng.integers(2**31, size=len(motion)).tolist()


def render_clip(settings: Settings, index: int, studio: Studio, out: Path) -> None:
    """Make clip `index` and write it to `out`/split/clip_00000."""
    scene, motion, seeds = plan(settings, index)
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
            "camera": [camera_entry(scene.camera, settings.size)] * len(pictures),
            "variant": studio.mi.variant(),
            "versions": {"vitreous": __version__, "mitsuba": version("mitsuba"), "mujoco": version("mujoco")},
        },
    )


def by_visibility(ids: Int[np.ndarray, "t y x"], bodies: int) -> tuple[Int[np.ndarray, "t y x"], list[int]]:
    """Ids renumbered so that the body seen most over all frames is 1; and the bodies in that order."""
    seen = np.bincount(ids.ravel(), minlength=bodies + 1)[1:]
    order = np.argsort(-seen, kind="stable")
    renumber = np.zeros(bodies + 1, ids.dtype)
    renumber[order + 1] = np.arange(1, bodies + 1)
    return renumber[ids], order.tolist()


def instance_rows(bodies: list[Body], motion: list[list[Pose]], ids: Int[np.ndarray, "t y x"]) -> list[dict[str, Any]]:
    """One row per body and frame, with the columns that data/rendered.py names."""
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
            row |= {f"colour_{channel}": value for channel, value in zip("rgb", body.colours[0], strict=True)}
            row |= {f"position_{axis}": value for axis, value in zip("xyz", pose.position_m, strict=True)}
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
