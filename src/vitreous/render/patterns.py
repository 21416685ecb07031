"""Textures: patterns in space on objects, repeating ones on the floor. All values in [0, 1]."""

import numpy as np
from jaxtyping import Float

PATTERNS = ("checker", "stripes", "noise")


def on_body(
    pattern: str, points: Float[np.ndarray, "v 3"], scale: float, rng: np.random.Generator
) -> Float[np.ndarray, " v"]:
    """How far each point of a unit body is mixed from its first colour to its second.

    The pattern fills space and the body is cut from it, so no seams need hiding.
    """
    if pattern == "plain":
        return np.zeros(len(points))
    if pattern == "noise":
        waves = rng.normal(size=(24, 3)) * 2.5 * scale
        sums = np.cos(points @ waves.T + rng.uniform(0, 2 * np.pi, 24)).sum(1) / np.sqrt(12)
        return 1 / (1 + np.exp(-4 * sums))
    phase = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(points * 3.5 * scale + phase)
    return ((waves[:, 2] if pattern == "stripes" else waves.prod(1)) > 0).astype(float)


def floor_noise(size: int, roughness: float, rng: np.random.Generator) -> Float[np.ndarray, "y x"]:
    """Cloudy noise that repeats without a seam: white noise with amplitudes falling as 1 / frequency^roughness."""
    y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    frequency = np.hypot(y, x) * size
    falling = np.where(frequency > 0, np.maximum(frequency, 1) ** -roughness, 0)
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * falling).real
    return (0.5 + noise / (4 * noise.std())).clip(0, 1)


def floor_checker(size: int, fields: int) -> Float[np.ndarray, "y x"]:
    """A board of fields x fields; even, so that it repeats without a seam."""
    cell = np.arange(size) * fields // size
    return ((cell[:, None] + cell) % 2).astype(float)


def floor_planks(size: int, fields: int, rng: np.random.Generator) -> Float[np.ndarray, "y x"]:
    """Boards side by side, each of its own shade."""
    shades = rng.uniform(0, 1, fields)
    return np.broadcast_to(shades[np.arange(size) * fields // size], (size, size))
