import mujoco
import numpy as np
import pytest

from vitreous.render.layout import still_scene
from vitreous.render.motion import world
from vitreous.render.picture import softened
from vitreous.render.scene import Body, Pose, Scene
from vitreous.render.stage import PARKED

RED, BLUE = ((0.8, 0.05, 0.05),) * 2, ((0.05, 0.05, 0.8),) * 2


def cast(scene, poses, size):
    """Ids and distances by MuJoCo's own ray casting: other code, other shapes (exact ones, no meshes)."""
    model = mujoco.MjModel.from_xml_string(world(scene.bodies))
    state = mujoco.MjData(model)
    state.qpos.reshape(-1, 7)[:] = [(*p.position_m, *p.quaternion) for p in poses]
    mujoco.mj_kinematics(model, state)
    rays = scene.camera.rays(size)
    ids, far = np.zeros(len(rays), np.int32), np.zeros(len(rays))
    origin = np.array(scene.camera.position_m)
    mujoco.mj_multiRay(model, state, origin, rays.ravel(), None, True, -1, ids, far, None, len(rays), 1e5)
    ids[far < 0], far[far < 0] = 0, np.inf  # geom 0 is the floor, and bodies follow in order
    return ids.reshape(size, size), far.reshape(size, size)


def tumbled(bodies, seed):
    rng = np.random.default_rng(seed)
    turns = rng.normal(size=(len(bodies), 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    places = np.column_stack([rng.uniform(-2, 2, (len(bodies), 2)), rng.uniform(1, 3, len(bodies))])
    return [Pose(tuple(p), tuple(q)) for p, q in zip(places.tolist(), turns.tolist(), strict=True)]


def agree(picture, scene, poses, size):
    ids, far = cast(scene, poses, size)
    # meshes approximate round shapes to a thousandth of their radius: at outlines a centre may fall either way
    assert (picture.ids == ids).mean() > 0.995
    same = picture.ids == ids
    np.testing.assert_allclose(picture.depth_m[same], far[same], atol=0.03)
    assert np.abs(picture.depth_m[same] - far[same]).mean() < 0.002
    assert set(np.unique(ids)) == set(np.unique(picture.ids))


@pytest.mark.parametrize("seed", range(3))
def test_ids_and_depth_agree_with_an_independent_ray_cast(studio, seed):
    scene, poses = still_scene("clevr", (6, 8), "mixed", np.random.default_rng(seed))
    agree(studio.take(scene, poses, 64, 1, 0), scene, poses, 64)


def test_ids_of_bodies_turned_anyhow_and_equal_in_all_but_place(studio, room):
    shapes = ("cube", "cube", "cylinder", "cylinder", "sphere", "sphere")
    bodies = tuple(Body(shape, "large", 0.7, "rubber", "red", RED, 0.3) for shape in shapes)
    scene = room(*bodies)
    poses = tumbled(bodies, 4)
    agree(studio.take(scene, poses, 64, 1, 0), scene, poses, 64)


def test_a_picture_does_not_depend_on_those_before(studio):
    scenes = [still_scene(style, (3, 5), "mixed", np.random.default_rng(7)) for style in ("clevr", "varied")]
    first = studio.take(*scenes[0], 24, 2, 11)
    studio.take(*scenes[1], 16, 1, 12)
    again = studio.take(*scenes[0], 24, 2, 11)
    for name in ("image", "ids", "depth_m"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    other = studio.take(*scenes[0], 24, 2, 12)
    assert np.any(other.image != first.image)
    np.testing.assert_array_equal(other.ids, first.ids)


def test_objects_have_their_own_colours_where_the_ids_say_they_are(studio, room):
    bodies = (
        Body("sphere", "large", 0.7, "rubber", "red", RED, 0.3),
        Body("cube", "large", 0.7, "rubber", "blue", BLUE, 0.3),
        Body("cylinder", "large", 0.7, "metal", "blue", BLUE, 0.12),
    )
    poses = [Pose((-1.0, -1.5, 0.7)), Pose((1.5, -0.5, 0.7)), Pose((-0.5, 1.5, 0.7))]
    picture = studio.take(room(*bodies), poses, 64, 4, 0)
    floor, red, blue, metal = (picture.image[picture.ids == k].mean(0) for k in range(4))
    assert np.ptp(floor) < 25
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]
    assert metal[2] > 1.3 * metal[0]


def test_patterns_show_both_colours(studio, room):
    white_and_black = ((0.95, 0.95, 0.95), (0.02, 0.02, 0.02))
    checked = Body("cube", "large", 1.0, "rubber", "gray", white_and_black, 0.3, "checker", 1, 1.0)
    picture = studio.take(room(checked, fov_deg=20.0), [Pose((0.0, 0.0, 1.0))], 48, 4, 0)
    on_it = picture.image[picture.ids == 1].mean(1)
    assert np.percentile(on_it, 10) < 60
    assert np.percentile(on_it, 90) > 120


def test_metal_reflects_and_rubber_does_not(studio, room):
    """A red wall beside a ball: seen in the metal one."""
    wall = Body("cube", "large", 1.5, "rubber", "red", RED, 0.45)
    white = ((0.9, 0.9, 0.9),) * 2
    pictures = {}
    for material, roughness in (("metal", 0.06), ("rubber", 0.45)):
        ball = Body("sphere", "large", 0.7, material, "gray", white, roughness)
        poses = [Pose((-2.5, 0.0, 1.5)), Pose((0.2, 0.0, 0.7))]
        pictures[material] = studio.take(room(wall, ball, fov_deg=30.0, position_m=(5.0, -5.0, 4.0)), poses, 48, 4, 0)
    redness = {}
    for name, picture in pictures.items():
        pixels = picture.image[picture.ids == 2].astype(float)
        redness[name] = (pixels[:, 0] - pixels[:, 2]).max()
    assert redness["metal"] > redness["rubber"] + 20


def test_depth_is_infinite_where_the_ray_leaves(studio, room):
    level = room(Body("cube", "small", 0.35, "rubber", "red", RED, 0.3), position_m=(6.0, 0.0, 1.0), fov_deg=60.0)
    picture = studio.take(level, [Pose((0.0, 0.0, 0.35))], 32, 1, 0)
    assert np.all(np.isinf(picture.depth_m[:4]))
    assert np.all(np.isfinite(picture.depth_m[-4:]))
    assert picture.ids[0].max() == 0


def test_parked_bodies_are_never_seen(studio, room):
    below = room(Body("sphere", "small", 0.35, "rubber", "red", RED, 0.3), position_m=(0.5, 0.0, 9.0))
    scene = Scene(**{**vars(below)})
    picture = studio.take(scene, [PARKED], 16, 1, 0)
    assert picture.ids.max() == 0


def test_the_sensor_looks_along_the_rays_of_the_ids(studio, room):
    scene = room(Body("sphere", "small", 0.35, "rubber", "red", RED, 0.3))
    loaded, _ = studio.stage.build(scene, [Pose((0.0, 0.0, 0.35))], 16, 1)
    mi, sensor = studio.mi, loaded.sensors()[0]
    expected = scene.camera.rays(16).reshape(16, 16, 3)
    for row, column in ((0, 0), (3, 12), (15, 8)):
        place = mi.Point2f((column + 0.5) / 16, (row + 0.5) / 16)
        ray, _ = sensor.sample_ray(0.0, 0.0, place, mi.Point2f(0.5, 0.5))
        np.testing.assert_allclose(np.array(ray.d), expected[row, column], atol=1e-5)


def test_softening_keeps_the_light():
    light = np.random.default_rng(0).random((9, 9, 3))
    assert softened(np.full((5, 5, 3), 0.3)) == pytest.approx(0.3)
    spread = softened(np.pad(light, [(2, 2), (2, 2), (0, 0)]))
    assert spread.sum() == pytest.approx(light.sum())
