import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vitreous.render.scene import Camera, Pose, encoded, linear, turned


def test_poses_turn_as_scipy_does():
    w, x, y, z = np.random.default_rng(0).normal(size=4)
    quaternion = (np.array([w, x, y, z]) / np.linalg.norm([w, x, y, z])).tolist()
    expected = Rotation.from_quat([*quaternion[1:], quaternion[0]]).as_matrix()
    np.testing.assert_allclose(Pose((0.0, 0.0, 0.0), tuple(quaternion)).rotation(), expected, atol=1e-12)


def test_yaw_turns_x_towards_y():
    np.testing.assert_allclose(turned(0.0, 0.0, 0.0, np.pi / 2).rotation()[:, 0], [0, 1, 0], atol=1e-12)


def test_rays_go_through_pixel_centres():
    camera = Camera((0.0, -4.0, 0.0), (0.0, 0.0, 0.0), 90.0)  # looks along y; the picture's plane is x z
    rays = camera.rays(2).reshape(2, 2, 3)
    diagonal = 1 / np.sqrt(1.5)
    np.testing.assert_allclose(rays[0, 0], [-diagonal / 2, diagonal, diagonal / 2])  # top left
    np.testing.assert_allclose(rays[1, 1], [diagonal / 2, diagonal, -diagonal / 2])


def test_camera_to_world_holds_right_down_forward_and_place():
    matrix = np.array(Camera((1.0, -4.0, 2.0), (1.0, 0.0, 2.0), 40.0).to_world())
    np.testing.assert_allclose(matrix @ [0, 0, 1, 0], [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(matrix @ [1, 0, 0, 0], [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(matrix @ [0, 1, 0, 0], [0, 0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(matrix @ [0, 0, 0, 1], [1, -4, 2, 1], atol=1e-12)


def test_srgb_there_and_back():
    values = np.linspace(0, 1, 300).reshape(-1, 3)
    np.testing.assert_allclose(encoded(linear(values)), values, atol=1e-9)
    assert linear(np.full(3, 0.5))[0] == pytest.approx(0.21404, abs=1e-5)  # IEC 61966-2-1
    assert encoded(np.array([7.0, 1.0, -1.0])).tolist() == pytest.approx([1, 1, 0])
