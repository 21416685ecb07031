"""Pictures and what is true about them, by Mitsuba 3.

The llvm and cuda variants follow all light paths of a picture at once, the scalar one walks through it pixel by pixel;
both are the same on every call, however many threads share the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from vitreous.extras import need
from vitreous.render.scene import Camera, Pose, Scene, encoded
from vitreous.render.stage import Stage

# a path that finds a lamp by chance, over a mirror, is a white speck: what one sample may add is bounded.
# The scalar variant hands out no single samples, so it keeps its specks.
BRIGHTEST_SAMPLE = 4.0
PATHS_AT_ONCE = 2**22  # bounds memory: large pictures are rendered in bands of rows
# the picture is softened a little, as a lens and a film would: weights of a pixel's neighbours, along each axis
NEIGHBOUR = 0.11


@dataclass(frozen=True)
class Picture:
    """One frame and its truth.

    image    8-bit sRGB
    ids      0 background, k + 1 for body k, of what lies at the pixel's very centre (never blended)
    depth_m  distance from the camera along the ray through that centre; inf where it leaves the scene
    """

    image: UInt8[np.ndarray, "y x 3"]
    ids: Int[np.ndarray, "y x"]
    depth_m: Float32[np.ndarray, "y x"]


class Studio:
    """Takes pictures of scenes. `mi` is the started module (see engine.py)."""

    def __init__(self, mi: ModuleType) -> None:
        self.mi, self.stage = mi, Stage(mi)
        self.vectorised = mi.variant() != "scalar_rgb"

    def take(self, scene: Scene, poses: Sequence[Pose], size: int, samples: int, seed: int) -> Picture:
        """One picture of size x size; `samples` per pixel are rounded up to fill a rectangle of strata."""
        loaded, meshes = self.stage.build(scene, poses, size, samples)
        light = light_of_all if self.vectorised else light_by_film
        truth = truth_of_all if self.vectorised else truth_one_by_one
        image = (encoded(softened(light(self.mi, loaded, size, samples, seed))) * 255 + 0.5).astype(np.uint8)
        ids, depth = truth(self.mi, loaded, meshes, scene.camera, size)
        return Picture(image, ids.reshape(size, size), depth.reshape(size, size))


def light_of_all(mi: ModuleType, loaded: Any, size: int, samples: int, seed: int) -> Float[np.ndarray, "y x 3"]:
    """Linear light per pixel: the mean of its bounded samples.

    Summed here: the film would add them up in whatever order the threads come, which changes the last bits.
    """
    dr = need("drjit", "render", "Rendering")
    sampler = mi.load_dict({"type": "multijitter", "sample_count": samples})
    samples = sampler.sample_count()
    rows = max(1, PATHS_AT_ONCE // (size * samples))
    bands = []
    for number, first in enumerate(range(0, size, rows)):
        pixels = min(rows, size - first) * size
        sampler.set_samples_per_wavefront(samples)
        sampler.seed(seed + number, pixels * samples)
        pixel = dr.arange(mi.UInt32, pixels * samples) // samples
        corner = mi.Vector2f(mi.Float(pixel % size), mi.Float(pixel // size + first))
        place = (corner + sampler.next_2d()) / size
        ray, _ = loaded.sensors()[0].sample_ray_differential(0.0, 0.0, place, mi.Point2f(0.0))
        light, *_ = loaded.integrator().sample(loaded, sampler, ray)
        bounded = np.array(dr.minimum(light, BRIGHTEST_SAMPLE)).T.reshape(-1, size, samples, 3)
        bands.append(bounded.mean(2))
    return np.concatenate(bands).astype(np.float64)


def light_by_film(mi: ModuleType, loaded: Any, size: int, samples: int, seed: int) -> Float[np.ndarray, "y x 3"]:
    """Linear light per pixel, as Mitsuba's own film has it."""
    return np.array(mi.render(loaded, seed=seed), dtype=np.float64)


def softened(light: Float[np.ndarray, "y x 3"]) -> Float[np.ndarray, "y x 3"]:
    """Each pixel with a share of its neighbours; borders repeat."""
    for axis in (0, 1):
        padded = np.pad(light, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        before, after = (padded.take(range(s, s + light.shape[axis]), axis) for s in (0, 2))
        light = (1 - 2 * NEIGHBOUR) * light + NEIGHBOUR * (before + after)
    return light


def truth_of_all(
    mi: ModuleType, loaded: Any, meshes: Sequence[Any], camera: Camera, size: int
) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Ids and depth of what each pixel's centre shows: one ray each, apart from the picture's samples."""
    dr = need("drjit", "render", "Rendering")
    rays = mi.Vector3f(camera.rays(size).astype(np.float32).T)
    hits = loaded.ray_intersect_preliminary(mi.Ray3f(mi.Point3f(*camera.position_m), rays))
    shapes = np.array(dr.reinterpret_array(mi.UInt32, hits.shape))
    ids = np.zeros(size * size, np.int64)
    for k, mesh in enumerate(meshes):
        # shapes are numbered over the whole process, not the scene: ask each for its number
        number = np.array(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(mesh)))
        ids[shapes == number] = k + 1
    return ids, np.where(np.array(hits.is_valid()), np.array(hits.t), np.inf).astype(np.float32)


def truth_one_by_one(
    mi: ModuleType, loaded: Any, meshes: Sequence[Any], camera: Camera, size: int
) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """The same, for the variant that knows no arrays."""
    numbers = {mesh.id(): k + 1 for k, mesh in enumerate(meshes)}
    ids, depth = np.zeros(size * size, np.int64), np.full(size * size, np.inf, np.float32)
    start = mi.Point3f(*camera.position_m)
    for pixel, ray in enumerate(camera.rays(size).tolist()):
        hit = loaded.ray_intersect_preliminary(mi.Ray3f(start, mi.Vector3f(*ray)))
        if hit.is_valid():
            ids[pixel], depth[pixel] = numbers.get(hit.shape.id(), 0), hit.t
    return ids, depth
