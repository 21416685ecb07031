"""Scenes as Mitsuba holds them.

The renderer compiles a kernel for what it is given, which takes ten times as long as running it. So every scene is
built from the same parts in the same numbers, and only their contents differ: a fixed number of meshes (those not
needed are parked below the floor), materials made once per process, colours in one shared palette, lamps that are
meshes (the place of a `rectangle` would be compiled in).
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from vitreous.render.looks import FLOOR_TEXELS, METAL_ROUGHNESS, RUBBER_ROUGHNESS
from vitreous.render.meshes import Mesh, unit
from vitreous.render.patterns import on_body
from vitreous.render.scene import Body, Camera, Lamp, Pose, Scene, linear

PALETTE_ROWS, PALETTE_COLUMNS = 64, 16
MOST_BODIES = PALETTE_ROWS - 2  # two rows belong to what is parked
USUAL_BODIES = 10
FLOOR_HALF_M = 200.0
PARKED = Pose((0.0, 0.0, -50.0))
LONGEST_PATH = 5  # segments: what light does after that is below one step of 8 bits nearly everywhere


class Stage:
    """What one process keeps between scenes: materials and textures. `mi` is the started module (see engine.py).

    Only the scene built last is good to render: the next one is painted over its textures.
    """

    def __init__(self, mi: ModuleType) -> None:
        self.mi = mi
        self.palette = self.texture(PALETTE_ROWS, PALETTE_COLUMNS, "clamp")
        self.floor_texture = self.texture(FLOOR_TEXELS, FLOOR_TEXELS, "repeat")
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

    def build(self, scene: Scene, poses: Sequence[Pose], size: int, samples: int) -> tuple[Any, list[Any]]:
        """The scene, loaded, and the meshes of its bodies in their order."""
        meshes = self.bodies(scene, poses)
        # optimize=False: Mitsuba would merge what is equal, and the ids would lie
        return self.mi.load_dict(self.parts(scene, meshes, size, samples), optimize=False), meshes[: len(poses)]

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
                "rfilter": {"type": "box"},
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
        bodies += [parked("metal")] * max(1, USUAL_BODIES + 1 - len(bodies))
        bodies += [parked("rubber")]
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


def parked(material: str) -> Body:
    roughness = METAL_ROUGHNESS[0] if material == "metal" else RUBBER_ROUGHNESS[0]
    gray = (0.5, 0.5, 0.5)
    return Body("cube", "small", 0.01, material, "gray", (gray, gray), roughness)
