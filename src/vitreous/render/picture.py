"""Scenes to pictures, by Mitsuba 3.

The renderer compiles a kernel for what it is given, which takes ten times as long as running it. So every scene is built
from the same parts in the same numbers, and only their contents differ: a fixed number of meshes (those not needed
are parked below the floor), materials made once per process, colours in one shared palette, lamps that are meshes
(the place of a `rectangle` would be compiled in).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from vitreous.render.looks import METAL_ROUGHNESS, RUBBER_ROUGHNESS
from vitreous.render.meshes import Mesh, unit
from vitreous.render.patterns import on_body
from vitreous.render.scene import Body, Camera, Lamp, Pose, Scene, encoded, linear

PALETTE_ROWS, PALETTE_COLUMNS = 64, 16
MOST_BODIES = PALETTE_ROWS - 2  # two rows belong to what is parked
USUAL_BODIES = 10
FLOOR_HALF_M = 200.0
PARKED = Pose((0.0, 0.0, -50.0))
LONGEST_PATH = 5  # bounces; more changes no pixel of a gray-floored scene by a step of 8 bits on average


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
    """What one process keeps between scenes: materials and textures.

    `mi` is the started module (see engine.py). Pictures of one scene and seed are equal, whatever was rendered before.
    """

    def __init__(self, mi: ModuleType) -> None:
        self.mi = mi
        self.palette = self.texture(PALETTE_ROWS, PALETTE_COLUMNS, "clamp")
        self.floor_texture = self.texture(256, 256, "repeat")
        self.floor = mi.load_dict({"type": "diffuse", "reflectance": self.floor_texture})
        self.surfaces = {("metal", alpha): self.metal(alpha) for alpha in METAL_ROUGHNESS}
        self.surfaces |= {("rubber", alpha): self.rubber(alpha) for alpha in RUBBER_ROUGHNESS}

    def texture(self, rows: int, columns: int, wrap: str) -> Any:
        gray = self.mi.TensorXf(np.full((rows, columns, 3), 0.5, np.float32))
        return self.mi.load_dict({"type": "bitmap", "raw": True, "data": gray, "wrap_mode": wrap})

    def metal(self, alpha: float) -> Any:
        """Silver, tinted by the palette."""
        return self.mi.load_dict(
            {"type": "roughconductor", "alpha": alpha, "material": "Ag", "specular_reflectance": self.palette}
        )

    def rubber(self, alpha: float) -> Any:
        return self.mi.load_dict(
            {"type": "roughplastic", "alpha": alpha, "int_ior": 1.4, "diffuse_reflectance": self.palette}
        )

    def take(self, scene: Scene, poses: Sequence[Pose], size: int, samples: int, seed: int) -> Picture:
        """One picture of size x size; `samples` per pixel are rounded up to a square (stratified in two dimensions)."""
        meshes = self.bodies(scene, poses)
        loaded = self.mi.load_dict(self.parts(scene, meshes, size, samples), optimize=False)
        light = np.array(self.mi.render(loaded, seed=seed), dtype=np.float64)
        ids, depth = self.truth(loaded, meshes[: len(poses)], scene.camera, size)
        return Picture((encoded(light) * 255 + 0.5).astype(np.uint8), ids, depth)

    def parts(self, scene: Scene, meshes: list[Any], size: int, samples: int) -> dict[str, Any]:
        sky = np.repeat(scene.sky_linear[::-1, None], 16, 1)  # zenith first
        below = np.repeat(scene.sky_linear[:1, None], 16, 1).repeat(len(sky), 0)
        return {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": LONGEST_PATH},
            "sensor": self.sensor(scene.camera, size, samples),
            "sky": {
                "type": "envmap",
                "bitmap": self.mi.Bitmap(np.concatenate([sky, below]).astype(np.float32)),
                "sampling_weight": float(np.pi * scene.sky_linear.mean()),
                "to_world": self.mi.ScalarTransform4f().rotate([1, 0, 0], 90),  # its up is y, ours is z
            },
            "floor": self.ground(scene),
            **{f"lamp_{k}": self.lamp(lamp) for k, lamp in enumerate(scene.lamps)},
            **{f"body_{k}": mesh for k, mesh in enumerate(meshes)},
        }

    def sensor(self, camera: Camera, size: int, samples: int) -> dict[str, Any]:
        look_at = self.mi.ScalarTransform4f().look_at(
            origin=list(camera.position_m), target=list(camera.target_m), up=[0, 0, 1]
        )
        return {
            "type": "perspective",
            "fov": camera.fov_deg,
            "to_world": look_at,
            "near_clip": 0.01,
            "far_clip": 1e4,
            "film": {
                "type": "hdrfilm",
                "width": size,
                "height": size,
                "pixel_format": "rgb",
                "component_format": "float32",
                "rfilter": {"type": "gaussian"},
            },
            "sampler": {"type": "multijitter", "sample_count": samples},
        }

    def ground(self, scene: Scene) -> Any:
        self.paint(self.floor_texture, scene.floor_linear)
        corners = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * FLOOR_HALF_M
        sheet = Mesh(corners, np.tile([0.0, 0, 1], (4, 1)), np.array([[0, 1, 2], [0, 2, 3]]))
        return self.mesh("floor", sheet, corners[:, :2] / scene.floor_period_m, bsdf=self.floor)

    def lamp(self, lamp: Lamp) -> Any:
        axes = Camera(lamp.position_m, (0.0, 0.0, 0.0), 0.0).axes()
        right, up = axes[0] * lamp.half_side_m, -axes[1] * lamp.half_side_m
        corners = np.array(lamp.position_m) + np.stack([-right - up, up - right, right + up, right - up])
        sheet = Mesh(corners, np.tile(axes[2], (4, 1)), np.array([[0, 1, 2], [0, 2, 3]]))
        # as often as it lights the floor: what a lamp gives is then the same, whichever a sample asks
        distance_m = np.linalg.norm(lamp.position_m)
        light = np.mean(lamp.radiance) * (2 * lamp.half_side_m / distance_m) ** 2 * lamp.position_m[2] / distance_m
        radiance = {"type": "rgb", "value": list(lamp.radiance)}
        emitter = self.mi.load_dict({"type": "area", "radiance": radiance, "sampling_weight": float(light)})
        return self.mesh("lamp", sheet, np.zeros((4, 2)), emitter=emitter)

    def bodies(self, scene: Scene, poses: Sequence[Pose]) -> list[Any]:
        """A mesh per body, and those that are parked so that each scene has as many, of both materials."""
        bodies = list(scene.bodies)
        for material in ("metal", "rubber"):
            bodies.append(parked(material))
        while len(bodies) < USUAL_BODIES + 2:
            bodies.append(parked("metal"))
        colours = np.zeros((PALETTE_ROWS, PALETTE_COLUMNS, 3))
        mix = np.linspace(0, 1, PALETTE_COLUMNS)[:, None]
        for row, body in enumerate(bodies):
            first, second = np.array(body.colours)
            colours[row] = linear(first + (second - first) * mix)
        self.paint(self.palette, colours)
        return [self.body(row, body, poses[row] if row < len(poses) else PARKED) for row, body in enumerate(bodies)]

    def body(self, row: int, body: Body, pose: Pose) -> Any:
        shape, turn = unit(body.shape), pose.rotation()
        mix = on_body(body.pattern, shape.vertices, body.pattern_scale, np.random.default_rng(body.pattern_seed))
        # texel centres, from the first column to the last
        across = (0.5 + mix * (PALETTE_COLUMNS - 1)) / PALETTE_COLUMNS
        placed = Mesh(shape.vertices * body.radius_m @ turn.T + pose.position_m, shape.normals @ turn.T, shape.faces)
        texels = np.stack([across, np.full_like(across, (row + 0.5) / PALETTE_ROWS)], -1)
        return self.mesh(f"body_{row}", placed, texels, bsdf=self.surfaces[body.material, body.roughness])

    def paint(self, texture: Any, texels: Float[np.ndarray, "rows columns 3"]) -> None:
        parameters = self.mi.traverse(texture)
        parameters["data"] = self.mi.TensorXf(np.ascontiguousarray(texels, dtype=np.float32))
        parameters.update()

    def mesh(self, name: str, mesh: Mesh, texels: Float[np.ndarray, "v 2"], **surface: Any) -> Any:
        properties = self.mi.Properties()
        for key, value in surface.items():
            properties[key] = value
        made = self.mi.Mesh(
            name, len(mesh.vertices), len(mesh.faces), properties, has_vertex_normals=True, has_vertex_texcoords=True
        )
        parameters = self.mi.traverse(made)
        parameters["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
        parameters["vertex_normals"] = mesh.normals.astype(np.float32).ravel()
        parameters["vertex_texcoords"] = texels.astype(np.float32).ravel()
        parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
        parameters.update()
        return made

    def truth(
        self, loaded: Any, meshes: Sequence[Any], camera: Camera, size: int
    ) -> tuple[Int[np.ndarray, "y x"], Float32[np.ndarray, "y x"]]:
        """Ids and depth of what each pixel's centre shows: one ray each, apart from the picture's samples."""
        rays = camera.rays(size).astype(np.float32)
        hit = self.vectorised if self.mi.variant() != "scalar_rgb" else self.one_by_one
        ids, depth = hit(loaded, meshes, np.array(camera.position_m, np.float32), rays)
        return ids.reshape(size, size), depth.reshape(size, size)

    def vectorised(
        self, loaded: Any, meshes: Sequence[Any], origin: Float32[np.ndarray, " 3"], rays: Float32[np.ndarray, "n 3"]
    ) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        import drjit as dr

        mi = self.mi
        hits = loaded.ray_intersect_preliminary(mi.Ray3f(mi.Point3f(*origin.tolist()), mi.Vector3f(rays.T)))
        shapes = np.array(dr.reinterpret_array(mi.UInt32, hits.shape))
        # shapes are numbered over the whole process, not the scene: ask each for its number
        numbers = [int(np.array(dr.reinterpret_array(mi.UInt32, mi.ShapePtr(mesh)))[0]) for mesh in meshes]
        ids = np.zeros(len(rays), np.int64)
        for k, number in enumerate(numbers):
            ids[shapes == number] = k + 1
        return ids, np.where(np.array(hits.is_valid()), np.array(hits.t), np.inf).astype(np.float32)

    def one_by_one(
        self, loaded: Any, meshes: Sequence[Any], origin: Float32[np.ndarray, " 3"], rays: Float32[np.ndarray, "n 3"]
    ) -> tuple[Int[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        names = {mesh.id(): k + 1 for k, mesh in enumerate(meshes)}
        ids, depth = np.zeros(len(rays), np.int64), np.full(len(rays), np.inf, np.float32)
        start = self.mi.Point3f(*origin.tolist())
        for pixel, ray in enumerate(rays.tolist()):
            hit = loaded.ray_intersect_preliminary(self.mi.Ray3f(start, self.mi.Vector3f(*ray)))
            if hit.is_valid():
                ids[pixel], depth[pixel] = names.get(hit.shape.id(), 0), hit.t
        return ids, depth


def parked(material: str) -> Body:
    roughness = METAL_ROUGHNESS[0] if material == "metal" else RUBBER_ROUGHNESS[0]
    gray = (0.5, 0.5, 0.5)
    return Body("cube", "small", 0.01, material, "gray", (gray, gray), roughness)
