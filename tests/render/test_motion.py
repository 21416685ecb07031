import numpy as np
import pytest

from vitreous.render.looks import draw
from vitreous.render.motion import (
    FRAMES_PER_SECOND,
    MATTER,
    damping_ratio,
    moving_scene,
    pushes,
    simulate,
    thrown,
)
from vitreous.render.scene import Body, Pose

GRAY = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def body(shape, material, radius_m=0.5):
    return Body(shape, "large", radius_m, material, "gray", GRAY, 0.3)


def heights(motion, which=0):
    return np.array([poses[which].position_m[2] for poses in motion])


def dropped(material, height_m=3.0, frames=400):
    """Heights of a ball's lowest point; time runs fast enough to see single bounces."""
    return heights(simulate((body("sphere", material),), [Pose((0.0, 0.0, height_m + 0.5))], np.zeros((1, 3)), frames))


@pytest.mark.parametrize("material", MATTER)
def test_a_ball_bounces_as_high_as_its_material_says(material, monkeypatch):
    monkeypatch.setattr("vitreous.render.motion.STEPS_PER_FRAME", 4)
    monkeypatch.setattr("vitreous.render.motion.FRAMES_PER_SECOND", 480)
    path = dropped(material, frames=900) - 0.5
    lowest = int(path[:500].argmin())
    rebound = path[lowest:].max() / 3.0  # height goes with the square of speed
    assert np.sqrt(rebound) == pytest.approx(MATTER[material].restitution, abs=0.03)


def test_rubber_bounces_higher_than_metal():
    after = {material: dropped(material, frames=30)[12:].max() for material in MATTER}
    assert after["rubber"] > after["metal"] + 0.5


@pytest.mark.parametrize("restitution", [0.1, 0.3, 0.7, 0.95])
def test_more_damping_gives_less_back(restitution):
    assert damping_ratio(restitution) > damping_ratio(restitution + 0.04)


@pytest.mark.parametrize("shape", ["cube", "cylinder", "sphere"])
@pytest.mark.parametrize("material", MATTER)
def test_bodies_come_to_rest_on_the_floor_and_do_not_sink(shape, material):
    tilted = Pose((0.0, 0.0, 1.5), (0.8, 0.36, 0.48, 0.0))
    motion = simulate((body(shape, material),), [tilted], np.zeros((1, 3)), 10 * FRAMES_PER_SECOND)
    height = heights(motion)
    assert height[-1] == pytest.approx(0.5, abs=0.003)
    assert np.ptp(height[-12:]) < 0.002


def test_friction_stops_rubber_before_metal():
    cubes = (body("cube", "metal"), body("cube", "rubber"))
    start = [Pose((0.0, -3.0, 0.5)), Pose((0.0, 3.0, 0.5))]
    motion = simulate(cubes, start, np.array([[3.0, 0, 0], [3.0, 0, 0]]), 36)
    metal, rubber = (pose.position_m[0] for pose in motion[-1])
    # v^2 / (2 mu g): 1.15 m and 0.57 m
    assert metal == pytest.approx(9 / (2 * 0.4 * 9.81), rel=0.1)
    assert rubber == pytest.approx(9 / (2 * 0.8 * 9.81), rel=0.15)


def test_bodies_push_each_other_and_do_not_overlap():
    balls = (body("sphere", "metal"), body("sphere", "rubber"))
    start = [Pose((-2.0, 0.0, 0.5)), Pose((0.0, 0.0, 0.5))]
    motion = simulate(balls, start, np.array([[4.0, 0, 0], [0.0, 0, 0]]), 24)
    gaps = [np.linalg.norm(np.subtract(a.position_m, b.position_m)) for a, b in motion]
    assert min(gaps) > 1 - 0.03
    assert motion[-1][1].position_m[0] > 1


def test_bodies_start_apart_and_are_pushed_towards_the_centre():
    scene = draw("clevr", 8, "mixed", np.random.default_rng(3))
    start = thrown(scene, np.random.default_rng(0))
    speeds = np.mean([pushes(start, np.random.default_rng(seed)) for seed in range(300)], axis=0)
    np.testing.assert_allclose(speeds[:, :2], [np.multiply(p.position_m[:2], -1) for p in start], atol=0.3)
    assert np.all(speeds[:, 2] == 0)


def test_a_video_keeps_its_bodies_above_the_floor():
    scene, motion = moving_scene("clevr", (5, 5), "mixed", 24, np.random.default_rng(1))
    assert len(motion) == 24
    for k, each in enumerate(scene.bodies):
        reach = each.radius_m
        assert heights(motion, k).min() > reach - 0.03
        assert heights(motion, k)[-1] < 2.0


def test_the_same_seed_moves_the_same_way():
    first, second = (moving_scene("varied", (3, 4), "mixed", 6, np.random.default_rng(5))[1] for _ in range(2))
    assert first == second
