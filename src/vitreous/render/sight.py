"""What the camera sees of each body, by exact intersection: no meshes and no renderer.

Scenes are accepted or drawn again by this, so that the same seed gives the same scene on every machine, in every
variant of the renderer and at every picture size.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from vitreous.render.scene import Body, Camera, Pose

RAYS = 96  # per side: one pixel of a 128 x 128 picture is 0.56 of these
Rays = Float[np.ndarray, "n 3"]


def distances(shape: str, origin: Float[np.ndarray, " 3"], rays: Rays) -> Float[np.ndarray, " n"]:
    """How far along each ray the unit shape begins; inf where it is missed. The origin is outside."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if shape == "cube":
            near, far = slab(origin, rays, (0, 1, 2))
        elif shape == "sphere":
            near, far = quadric(origin, rays, (0, 1, 2))
        else:
            round_near, round_far = quadric(origin, rays, (0, 1))
            flat_near, flat_far = slab(origin, rays, (2,))
            near, far = np.maximum(round_near, flat_near), np.minimum(round_far, flat_far)
        return np.where((near <= far) & (near > 0), near, np.inf)


def slab(origin: np.ndarray, rays: Rays, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave -1 <= x <= 1 along all of these axes."""
    low, high = ((side - origin[list(axes)]) / rays[:, axes] for side in (-1, 1))
    return np.minimum(low, high).max(1), np.maximum(low, high).min(1)


def quadric(origin: np.ndarray, rays: Rays, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the set of points at most 1 from the origin, measured along these axes."""
    start, along = origin[list(axes)], rays[:, axes]
    a, b, c = (along**2).sum(1), along @ start, start @ start - 1
    root = np.sqrt(b * b - a * c)  # NaN where missed: compares false
    never_leaves = np.where((a == 0) & (c <= 0), np.inf, np.nan)
    return np.where(a > 0, (-b - root) / a, -never_leaves), np.where(a > 0, (-b + root) / a, never_leaves)


def seen_by(camera: Camera, bodies: Sequence[Body], poses: Sequence[Pose]) -> Float[np.ndarray, "k n"]:
    """Distance in metres of each body, alone, along each of RAYS x RAYS rays."""
    rays = camera.rays(RAYS)
    found = []
    for body, pose in zip(bodies, poses, strict=True):
        into = pose.rotation() / body.radius_m
        origin = (np.asarray(camera.position_m) - pose.position_m) @ into
        found.append(distances(body.shape, origin, rays @ into))
    return np.stack(found)


def visible(camera: Camera, bodies: Sequence[Body], poses: Sequence[Pose]) -> tuple[np.ndarray, np.ndarray]:
    """Per body, the share of the picture that it fills, and the share of its own outline that nothing hides."""
    alone = seen_by(camera, bodies, poses)
    first: Int[np.ndarray, " n"] = alone.argmin(0)
    wins = np.stack([(first == k) & np.isfinite(alone[k]) for k in range(len(bodies))]).sum(1)
    return wins / RAYS**2, wins / np.maximum(np.isfinite(alone).sum(1), 1)


def centred(camera: Camera, poses: Sequence[Pose], margin: float = 0.04) -> bool:
    """Whether the centres of all bodies fall inside the picture, by a margin (share of its side)."""
    points = np.array([pose.position_m for pose in poses]) - camera.position_m
    right, down, forward = (points @ camera.axes().T).T
    half = np.tan(np.radians(camera.fov_deg) / 2) * (1 - 2 * margin)
    return bool(np.all((np.abs(right) < half * forward) & (np.abs(down) < half * forward)))
