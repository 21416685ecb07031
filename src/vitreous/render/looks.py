"""What scenes look like. `clevr`: MOVi-A's and CLEVR's studio. `varied`: anything plausible, for training data.

Greff et al. 2022, "Kubric" (MOVi-A); Johnson et al. 2017, "CLEVR". Where this differs: lamps are a key, a fill and a
back light of our own placing, metal is a tinted silver and rubber a rough plastic, and the camera always looks down far
enough that the floor fills the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vitreous.render.meshes import SHAPES
from vitreous.render.patterns import PATTERNS, floor_checker, floor_noise, floor_planks
from vitreous.render.scene import COLOURS, MATERIALS, RADII_M, Body, Camera, Lamp, Scene, linear

Rng = np.random.Generator
# a few fixed widths: what a rough plastic costs to set up is paid once for each
METAL_ROUGHNESS = (0.06, 0.12, 0.2, 0.3)
RUBBER_ROUGHNESS = (0.15, 0.3, 0.45)
SENSOR_FOV_DEG = 49.13  # 35 mm lens on a 32 mm sensor, as in CLEVR and MOVi
FLOOR_TEXELS = 256
# nearer to the horizon than this the floor would end inside the picture
HORIZON_MARGIN_DEG = 3.0


@dataclass(frozen=True)
class Style:
    """How to draw the parts of a scene."""

    body: Callable[[Rng, str], Body]
    lamps: Callable[[Rng], tuple[Lamp, ...]]
    camera: Callable[[Rng], Camera]
    floor: Callable[[Rng], Float[np.ndarray, "y x 3"]]
    sky: Callable[[Rng], Float[np.ndarray, "rows 3"]]


def draw(style: str, bodies: int, material: str, rng: Rng) -> Scene:
    """A scene of so many bodies; `material` is metal, rubber or mixed (each body tosses a coin)."""
    parts = STYLES[style]
    made_of = [str(rng.choice(MATERIALS)) if material == "mixed" else material for _ in range(bodies)]
    return Scene(
        bodies=tuple(parts.body(rng, each) for each in made_of),
        lamps=parts.lamps(rng),
        camera=parts.camera(rng),
        floor_linear=parts.floor(rng),
        floor_period_m=float(rng.uniform(6, 16)),
        sky_linear=parts.sky(rng),
    )


def around(distance_m: float, elevation_deg: float, azimuth_deg: float) -> tuple[float, float, float]:
    elevation, azimuth = np.radians([elevation_deg, azimuth_deg])
    x, y = distance_m * np.cos(elevation) * np.array([np.cos(azimuth), np.sin(azimuth)])
    return float(x), float(y), float(distance_m * np.sin(elevation))


def lamp(distance_m: float, elevation_deg: float, azimuth_deg: float, half_side_m: float, light: np.ndarray) -> Lamp:
    """A lamp that gives the centre the irradiance `light` times cos(its angle to the vertical), whatever its size."""
    radiance = light * distance_m**2 / (2 * half_side_m) ** 2
    red, green, blue = (float(v) for v in radiance)
    return Lamp(around(distance_m, elevation_deg, azimuth_deg), half_side_m, (red, green, blue))


def clevr_body(rng: Rng, material: str) -> Body:
    size, colour = str(rng.choice(list(RADII_M))), str(rng.choice(list(COLOURS)))
    red, green, blue = (channel / 255 for channel in COLOURS[colour])
    return Body(
        shape=str(rng.choice(SHAPES)),
        size=size,
        radius_m=RADII_M[size],
        material=material,
        colour=colour,
        colours=((red, green, blue), (red, green, blue)),
        roughness=METAL_ROUGHNESS[1] if material == "metal" else RUBBER_ROUGHNESS[1],
    )


def clevr_lamps(rng: Rng) -> tuple[Lamp, ...]:
    # farther than any camera: a lamp must not stand in the view
    turn = rng.uniform(0, 360)
    key, fill, back = ((2.6, 50, 0), (1.0, 38, 130), (1.2, 60, 235))
    return tuple(
        lamp(
            13 + rng.uniform(-1, 1), up + rng.uniform(-5, 5), turn + side + rng.uniform(-15, 15), 2.1, np.full(3, light)
        )
        for light, up, side in (key, fill, back)
    )


def clevr_camera(rng: Rng) -> Camera:
    position = around(rng.uniform(7.6, 9.0), rng.uniform(29, 46), rng.uniform(0, 360))
    return Camera(position, (0.0, 0.0, 0.0), SENSOR_FOV_DEG)


def clevr_floor(rng: Rng) -> Float[np.ndarray, "y x 3"]:
    return np.full((FLOOR_TEXELS, FLOOR_TEXELS, 3), 0.28)


def clevr_sky(rng: Rng) -> Float[np.ndarray, "rows 3"]:
    return np.linspace(0.28, 0.14, 8)[:, None] * np.ones(3)


def tint(rng: Rng, saturation: tuple[float, float], value: tuple[float, float]) -> Float[np.ndarray, " 3"]:
    """A colour of any hue: sRGB, from hue, saturation and value."""
    hue, strong, bright = rng.uniform(0, 6), rng.uniform(*saturation), rng.uniform(*value)
    wheel = (np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1).clip(0, 1)
    return bright * (1 - strong * (1 - wheel))


def colour_word(srgb: Float[np.ndarray, " 3"]) -> str:
    """The nearest of the eight colour names."""
    return min(COLOURS, key=lambda name: float(np.square(srgb - np.divide(COLOURS[name], 255)).sum()))


def varied_body(rng: Rng, material: str) -> Body:
    first = tint(rng, (0.0, 0.95), (0.15, 0.95))
    second = tint(rng, (0.0, 0.9), (0.1, 0.95)) if rng.random() < 0.5 else first * rng.uniform(0.2, 0.7)
    radius = float(rng.uniform(0.3, 0.8))
    roughness = METAL_ROUGHNESS if material == "metal" else RUBBER_ROUGHNESS
    plain = rng.random() < 0.5
    (r, g, b), (r2, g2, b2) = first.tolist(), (first if plain else second).tolist()
    return Body(
        shape=str(rng.choice(SHAPES)),
        size="small" if radius < np.mean(list(RADII_M.values())) else "large",
        radius_m=radius,
        material=material,
        colour=colour_word(first),
        colours=((r, g, b), (r2, g2, b2)),
        roughness=float(rng.choice(roughness)),
        pattern="plain" if plain else str(rng.choice(PATTERNS)),
        pattern_seed=int(rng.integers(2**31)),
        pattern_scale=float(rng.uniform(0.6, 1.8)),
    )


def varied_lamps(rng: Rng) -> tuple[Lamp, ...]:
    shares = rng.dirichlet(np.full(rng.integers(2, 5), 2.0)) * rng.uniform(2.8, 5.0)
    return tuple(
        lamp(
            rng.uniform(18, 24),  # farther than any camera: a lamp must not stand in the view
            rng.uniform(30, 80),
            rng.uniform(0, 360),
            rng.uniform(1.8, 4.5),
            share * (1 + rng.uniform(0, 0.25) * (tint(rng, (1.0, 1.0), (1.0, 1.0)) - 0.5)),
        )
        for share in shares
    )


def varied_camera(rng: Rng) -> Camera:
    fov = rng.uniform(32, 60)
    half_view_m = rng.uniform(3.0, 4.4)  # at the centre of the scene
    elevation = rng.uniform(fov / 2 + HORIZON_MARGIN_DEG + 2, 65)
    position = around(half_view_m / np.tan(np.radians(fov / 2)), elevation, rng.uniform(0, 360))
    x, y = rng.uniform(-0.5, 0.5, 2).tolist()
    return Camera((position[0] + x, position[1] + y, position[2]), (x, y, 0.0), float(fov))


def varied_floor(rng: Rng) -> Float[np.ndarray, "y x 3"]:
    first = tint(rng, (0.0, 0.35), (0.35, 0.8))
    second = (first * rng.uniform(0.5, 1.0) + rng.uniform(-0.06, 0.06, 3)).clip(0.05, 0.95)
    kind = rng.choice(["plain", "noise", "checker", "planks"], p=[0.35, 0.35, 0.15, 0.15])
    mix = np.zeros((FLOOR_TEXELS, FLOOR_TEXELS))
    if kind == "noise":
        mix = floor_noise(FLOOR_TEXELS, rng.uniform(0.6, 1.8), rng)
    elif kind == "checker":
        mix = floor_checker(FLOOR_TEXELS, 2 * int(rng.integers(2, 9)))
    elif kind == "planks":
        mix = floor_planks(FLOOR_TEXELS, int(rng.integers(6, 24)), rng)
    return linear(first + (second - first) * mix[:, :, None])


def varied_sky(rng: Rng) -> Float[np.ndarray, "rows 3"]:
    horizon, zenith = rng.uniform(0.1, 0.5, 2)
    tone = 1 + rng.uniform(0, 0.25) * (tint(rng, (1.0, 1.0), (1.0, 1.0)) - 0.5)
    return np.linspace(horizon, zenith, 8)[:, None] * tone


STYLES = {
    "clevr": Style(clevr_body, clevr_lamps, clevr_camera, clevr_floor, clevr_sky),
    "varied": Style(varied_body, varied_lamps, varied_camera, varied_floor, varied_sky),
}
