"""Videos: bodies dropped and pushed towards the centre, by MuJoCo.

Friction, restitution and density per material are MOVi-A's (Greff et al. 2022); 12 frames per second.

MuJoCo knows no restitution: a contact is a damped spring. The share of speed that comes back from one, whose force
pushes and never pulls, follows from its damping ratio alone (Schwager & Poeschel 2007, "Coefficient of restitution and
linear dashpot model revisited"); `damping_ratio` inverts that. Each pair of bodies gets a contact of its own, with the
geometric mean of both materials' friction and restitution; the floor takes on the material that touches it.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from vitreous.extras import need
from vitreous.render.engine import RenderError
from vitreous.render.looks import draw
from vitreous.render.scene import Body, Pose, Scene
from vitreous.render.sight import visible

FRAMES_PER_SECOND = 12
STEPS_PER_FRAME = 160
# the stiffest spring whose push (half a period) still spans 20 steps: bodies sink 2 cm at 5 m/s and 0.1 mm at rest
STIFFNESS = (np.pi * FRAMES_PER_SECOND * STEPS_PER_FRAME / 20) ** 2
SPAWN_HALF_M, SPAWN_HEIGHT_M = 3.2, (0.9, 4.0)
PUSH_M_S = 2.0  # random part of the first speed, each way; the rest points to the centre
CLEAR_OF_CAMERA_M = 3.0
LEAST_AREA = 0.0014  # of the picture, seen, in the mean over a clip
TRIES = 60


@dataclass(frozen=True)
class Matter:
    """friction and restitution (of speed) between 0 and 1; density in 1000 kg/m3."""

    friction: float
    restitution: float
    density: float


MATTER = {"metal": Matter(0.4, 0.3, 2.7), "rubber": Matter(0.8, 0.7, 1.1)}


def moving_scene(
    style: str, objects: tuple[int, int], material: str, frames: int, rng: np.random.Generator
) -> tuple[Scene, list[list[Pose]]]:
    """A scene and the poses of its bodies in each frame; drawn again until every body is seen, in the mean."""
    bodies = int(rng.integers(objects[0], objects[1] + 1))
    for _ in range(TRIES):
        scene = draw(style, bodies, material, rng)
        start = thrown(scene, rng)
        if not start:
            continue
        motion = simulate(scene.bodies, start, pushes(start, rng), frames)
        looked_at = motion[:: max(1, frames // 8)]
        area = np.mean([visible(scene.camera, scene.bodies, poses)[0] for poses in looked_at], axis=0)
        if area.min() >= LEAST_AREA:
            return scene, motion
    raise RenderError(
        f"{bodies} falling objects could not be kept in view ({TRIES} tries).\nAsk for fewer:  --objects 3 10"
    )


def thrown(scene: Scene, rng: np.random.Generator, tries: int = 100) -> list[Pose]:
    """Poses in the air, turned anyhow, without overlap; empty where one body found no place."""
    poses: list[Pose] = []
    taken: list[tuple[np.ndarray, float]] = []
    for body in scene.bodies:
        reach = body.radius_m * {"sphere": 1, "cylinder": np.sqrt(2), "cube": np.sqrt(3)}[body.shape]
        for _ in range(tries):
            x, y = rng.uniform(-SPAWN_HALF_M, SPAWN_HALF_M, 2)
            place = np.array([x, y, rng.uniform(*SPAWN_HEIGHT_M)])
            turn = rng.normal(size=4)
            clear = np.linalg.norm(place - scene.camera.position_m) > CLEAR_OF_CAMERA_M + reach
            if clear and all(np.linalg.norm(place - other) > reach + r + 0.05 for other, r in taken):
                taken.append((place, reach))
                poses.append(pose(place, turn / np.linalg.norm(turn)))
                break
        else:
            return []
    return poses


def pushes(start: list[Pose], rng: np.random.Generator) -> Float[np.ndarray, "k 3"]:
    """First speeds (m/s): such as reach the centre in a second, and some at random; level."""
    towards = np.array([(-p.position_m[0], -p.position_m[1], 0.0) for p in start])
    return towards + rng.uniform(-PUSH_M_S, PUSH_M_S, towards.shape) * [1, 1, 0]


def pose(position: np.ndarray, quaternion: np.ndarray) -> Pose:
    (x, y, z), (w, i, j, k) = position.tolist(), quaternion.tolist()
    return Pose((x, y, z), (w, i, j, k))


def simulate(
    bodies: tuple[Body, ...], start: list[Pose], speeds_m_s: Float[np.ndarray, "k 3"], frames: int
) -> list[list[Pose]]:
    """Poses of all bodies at the time of each frame; the first is `start`."""
    mujoco = need("mujoco", "render", "Rendering videos")
    model = mujoco.MjModel.from_xml_string(world(bodies))
    state = mujoco.MjData(model)
    places = state.qpos.reshape(-1, 7)
    places[:] = [(*p.position_m, *p.quaternion) for p in start]
    state.qvel.reshape(-1, 6)[:, :3] = speeds_m_s
    motion = [start]
    for _ in range(frames - 1):
        mujoco.mj_step(model, state, nstep=STEPS_PER_FRAME)
        motion.append([pose(place[:3], place[3:] / np.linalg.norm(place[3:])) for place in places])
    return motion


def damping_ratio(restitution: float) -> float:
    """Damping, as a share of critical, of the spring that gives back this share of speed (0.05 .. 1)."""

    def given_back(ratio: float) -> float:
        root = np.sqrt(1 - ratio**2)
        # until the force, not the depth, is zero: the damper may not pull
        return np.exp(-ratio / root * (np.pi - np.arctan2(2 * ratio * root, 1 - 2 * ratio**2)))

    low, high = 0.0, 0.999
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if given_back(middle) > restitution else (low, middle)
    return (low + high) / 2


def world(bodies: tuple[Body, ...]) -> str:
    """The bodies and their contacts in MuJoCo's language."""
    return f"""<mujoco>
  <option timestep="{1 / (FRAMES_PER_SECOND * STEPS_PER_FRAME)}" gravity="0 0 -9.81" cone="elliptic"
          integrator="implicitfast"/>
  <size memory="64M"/>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    {"".join(geom(k, body) for k, body in enumerate(bodies))}
  </worldbody>
  <contact>{"".join(contacts(bodies))}</contact>
</mujoco>"""


def geom(number: int, body: Body) -> str:
    r = body.radius_m
    kind = {
        "cube": f'type="box" size="{r} {r} {r}"',
        "sphere": f'type="sphere" size="{r}"',
        "cylinder": f'type="cylinder" size="{r} {r}"',
    }[body.shape]
    density = 1000 * MATTER[body.material].density
    return f'<body><freejoint/><geom name="{number}" {kind} density="{density}"/></body>'


def contacts(bodies: tuple[Body, ...]) -> list[str]:
    with_floor = [pair("floor", str(k), MATTER[body.material], MATTER[body.material]) for k, body in enumerate(bodies)]
    return with_floor + [
        pair(str(i), str(j), MATTER[bodies[i].material], MATTER[bodies[j].material])
        for i, j in combinations(range(len(bodies)), 2)
    ]


def pair(first: str, second: str, one: Matter, other: Matter) -> str:
    slide = np.sqrt(one.friction * other.friction)
    damping = 2 * damping_ratio(float(np.sqrt(one.restitution * other.restitution))) * np.sqrt(STIFFNESS)
    attributes: dict[str, Any] = {
        "geom1": first,
        "geom2": second,
        "condim": 6,
        # sliding both ways, spinning, rolling both ways (m): a ball comes to rest within some metres
        "friction": f"{slide} {slide} {0.01 * slide} {0.004 * slide} {0.004 * slide}",
        "solref": f"{-STIFFNESS} {-damping}",
        # as hard as MuJoCo lets a contact be, at every depth: the spring above is all there is
        "solimp": "0.99 0.99 0.001 0.5 2",
    }
    return "<pair " + " ".join(f'{name}="{value}"' for name, value in attributes.items()) + "/>"
