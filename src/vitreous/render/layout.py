"""Still scenes: bodies at rest on the floor, apart from each other, each well seen."""

import numpy as np

from vitreous.render.engine import RenderError
from vitreous.render.looks import draw
from vitreous.render.scene import Body, Pose, Scene, turned
from vitreous.render.sight import centred, visible

SPREAD_M = 2.9  # bodies stand within this distance of the centre
GAP_M = 0.2  # between the circles that bodies can turn in
LEAST_AREA = 0.0014  # of the picture, seen: 23 pixels of 128 x 128
LEAST_SHOWN = 0.35  # of a body's own outline, not hidden by others
TRIES = 2000


def still_scene(
    style: str, objects: tuple[int, int], material: str, rng: np.random.Generator
) -> tuple[Scene, list[Pose]]:
    """A scene and its poses; drawn again, as a whole, until every body finds a place and is seen.

    The number of bodies is kept while the rest is drawn again, so that crowded scenes stay as likely as asked.
    """
    bodies = int(rng.integers(objects[0], objects[1] + 1))
    for _ in range(TRIES):
        scene = draw(style, bodies, material, rng)
        poses = placed(scene.bodies, rng)
        if poses and centred(scene.camera, poses):
            area, shown = visible(scene.camera, scene.bodies, poses)
            if area.min() >= LEAST_AREA and shown.min() >= LEAST_SHOWN:
                return scene, poses
    raise RenderError(
        f"{bodies} objects do not fit on the floor so that each is seen ({TRIES} tries).\n"
        "Ask for fewer:  --objects 3 10"
    )


def placed(bodies: tuple[Body, ...], rng: np.random.Generator, tries: int = 60) -> list[Pose]:
    """Upright poses without overlap; empty where one body found no place."""
    poses: list[Pose] = []
    taken: list[tuple[float, float, float]] = []
    for body in bodies:
        turning = body.radius_m * (np.sqrt(2) if body.shape == "cube" else 1)
        for _ in range(tries):
            distance, angle = SPREAD_M * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            x, y, yaw = (
                float(distance * np.cos(angle)),
                float(distance * np.sin(angle)),
                float(rng.uniform(0, 2 * np.pi)),
            )
            if all(np.hypot(x - a, y - b) > turning + r + GAP_M for a, b, r in taken):
                taken.append((x, y, turning))
                poses.append(turned(x, y, body.radius_m, yaw))
                break
        else:
            return []
    return poses
