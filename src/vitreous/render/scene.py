"""What a scene holds, as plain data: no renderer, no physics.

Metres; z is up and the floor is z = 0. Colours are sRGB in [0, 1] unless a name ends in `_linear`.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

MATERIALS = ("metal", "rubber")
# the eight of CLEVR (Johnson et al. 2017), as 8-bit sRGB
COLOURS = {
    "blue": (42, 75, 215),
    "brown": (129, 74, 25),
    "cyan": (41, 208, 208),
    "gray": (87, 87, 87),
    "green": (29, 105, 20),
    "purple": (129, 38, 192),
    "red": (173, 35, 35),
    "yellow": (255, 238, 51),
}
RADII_M = {"small": 0.35, "large": 0.7}


@dataclass(frozen=True)
class Pose:
    """Where a body is: position of its centre (m) and unit quaternion w x y z."""

    position_m: tuple[float, float, float]
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)

    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """The matrix whose columns are the body's axes in the world."""
        w, x, y, z = self.quaternion
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )


def turned(x_m: float, y_m: float, z_m: float, yaw: float) -> Pose:
    """A body that stands upright, turned by `yaw` radians about the vertical."""
    return Pose((x_m, y_m, z_m), (float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))))


@dataclass(frozen=True)
class Body:
    """One object, apart from where it is.

    radius_m   half its extent: a sphere's or cylinder's radius (cylinders are as high as wide), half a cube's side
    colours    the two ends between which its pattern mixes; equal where it is plain
    roughness  width (alpha) of its microfacets, 0 mirror .. 1 dull
    pattern    plain, checker, stripes or noise; `pattern_seed` and `pattern_scale` (per radius) say which
    """

    shape: str
    size: str
    radius_m: float
    material: str
    colour: str
    colours: tuple[tuple[float, float, float], tuple[float, float, float]]
    roughness: float
    pattern: str = "plain"
    pattern_seed: int = 0
    pattern_scale: float = 1.0


@dataclass(frozen=True)
class Lamp:
    """A square area light that faces the centre of the scene."""

    position_m: tuple[float, float, float]
    half_side_m: float
    radiance: tuple[float, float, float]  # linear


@dataclass(frozen=True)
class Camera:
    """A pinhole; square pictures; `fov_deg` is the whole vertical (and horizontal) angle."""

    position_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    fov_deg: float

    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Rows: right, down and forward in the world."""
        forward = np.subtract(self.target_m, self.position_m)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def rays(self, size: int) -> Float[np.ndarray, "n 3"]:
        """Unit directions through the centres of size x size pixels, row by row from the top left."""
        half = np.tan(np.radians(self.fov_deg) / 2)
        centre = ((np.arange(size) + 0.5) / size * 2 - 1) * half
        down, right = (side.ravel() for side in np.meshgrid(centre, centre, indexing="ij"))
        rays = np.stack([right, down, np.ones_like(right)], -1) @ self.axes()
        return rays / np.linalg.norm(rays, axis=1, keepdims=True)

    def to_world(self) -> list[list[float]]:
        """4 x 4: camera coordinates (x right, y down, z forward) to the world."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.axes().T, self.position_m
        return matrix.tolist()


@dataclass(frozen=True)
class Scene:
    """Everything that does not move during a clip, and the bodies.

    floor_linear  a texture that repeats every `floor_period_m`
    sky_linear    radiance from the horizon (first row) to the zenith (last row)
    """

    bodies: tuple[Body, ...]
    lamps: tuple[Lamp, ...]
    camera: Camera
    floor_linear: Float[np.ndarray, "y x 3"] = field(repr=False)
    floor_period_m: float
    sky_linear: Float[np.ndarray, "rows 3"] = field(repr=False)


def linear(srgb: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def encoded(light: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Linear light to sRGB; what is brighter than white is white."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
