"""Unit meshes of the three shapes, fine enough that colours may vary from vertex to vertex.

Each fills [-1, 1] in every direction: a cube of side 2, a sphere of radius 1, a closed cylinder of radius 1 and
height 2 that stands on its end.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int

SHAPES = ("cube", "cylinder", "sphere")


@dataclass(frozen=True)
class Mesh:
    """Vertices with outward normals (doubled along hard edges) and triangles, counter-clockwise from outside."""

    vertices: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]


def grid(rows: int, columns: int) -> Int[np.ndarray, "f 3"]:
    """Triangles of a sheet of (rows + 1) x (columns + 1) vertices, row by row."""
    corner = np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)
    a, b, c, d = (corner + step for step in (0, 1, columns + 2, columns + 1))
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def joined(parts: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
    )


def cube(steps: int = 24) -> Mesh:
    side = np.linspace(-1, 1, steps + 1)
    u, v = (axis.ravel() for axis in np.meshgrid(side, side))
    sides = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            # cyclic order keeps (u, v, axis) right-handed; swapping u and v turns the far side's triangles outwards
            first, second = (u, v) if sign > 0 else (v, u)
            columns = {axis: np.full_like(u, sign), (axis + 1) % 3: first, (axis + 2) % 3: second}
            normal = np.zeros((len(u), 3))
            normal[:, axis] = sign
            sides.append(Mesh(np.stack([columns[k] for k in range(3)], -1), normal, grid(steps, steps)))
    return joined(sides)


def sphere(rings: int = 48, around: int = 96) -> Mesh:
    polar, turn = np.meshgrid(np.linspace(np.pi, 0, rings + 1), np.linspace(0, 2 * np.pi, around + 1), indexing="ij")
    points = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1).reshape(-1, 3)
    return Mesh(points, points.copy(), grid(rings, around))


def cylinder(rings: int = 24, around: int = 96) -> Mesh:
    height, turn = np.meshgrid(np.linspace(-1, 1, rings + 1), np.linspace(0, 2 * np.pi, around + 1), indexing="ij")
    normal = np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], -1).reshape(-1, 3)
    side = Mesh(normal + [0, 0, 1] * height.reshape(-1, 1), normal, grid(rings, around))
    radius, turn = np.meshgrid(np.linspace(0, 1, rings // 2 + 1), np.linspace(0, 2 * np.pi, around + 1), indexing="ij")
    disc = np.stack([radius * np.cos(turn), radius * np.sin(turn), np.ones_like(turn)], -1).reshape(-1, 3)
    up = np.broadcast_to([0.0, 0.0, 1.0], disc.shape)
    faces = grid(rings // 2, around)
    return joined([side, Mesh(disc, up, faces[:, ::-1]), Mesh(disc * [1, 1, -1], -up, faces)])


@cache
def unit(shape: str) -> Mesh:
    return {"cube": cube, "cylinder": cylinder, "sphere": sphere}[shape]()
