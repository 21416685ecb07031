import numpy as np
import pytest

from vitreous.render.scene import Body, Camera, Pose
from vitreous.render.sight import centred, distances, visible

RED = ((0.7, 0.1, 0.1), (0.7, 0.1, 0.1))
ALONG_Y = Camera((0.0, -10.0, 0.0), (0.0, 0.0, 0.0), 40.0)


def body(shape, radius_m=1.0):
    return Body(shape, "large", radius_m, "rubber", "red", RED, 0.3)


@pytest.mark.parametrize(
    ("shape", "along", "expected"),
    [
        ("cube", [0, 1, 0], 4),
        ("sphere", [0, 1, 0], 4),
        ("cylinder", [0, 1, 0], 4),
        ("cylinder", [0, 0, 1], np.inf),
        ("sphere", [0.0, 1.0, 1.0], np.inf),
        ("cube", [0, -1, 0], np.inf),  # behind
    ],
)
def test_distances_by_hand(shape, along, expected):
    ray = np.array([along], float) / np.linalg.norm(along)
    assert distances(shape, np.array([0.0, -5.0, 0.0]), ray)[0] == pytest.approx(expected)


def test_a_cylinder_is_closed():
    down = np.array([[0.0, 0.0, -1.0]])
    assert distances("cylinder", np.array([0.5, 0.0, 3.0]), down)[0] == pytest.approx(2)
    assert distances("cylinder", np.array([1.5, 0.0, 3.0]), down)[0] == np.inf


def test_the_share_of_a_ball_is_that_of_its_disc():
    area, shown = visible(ALONG_Y, [body("sphere")], [Pose((0.0, 0.0, 0.0))])
    # seen from 10 m its outline is a circle of angle asin(1/10)
    disc = np.pi * np.tan(np.arcsin(0.1)) ** 2
    assert area[0] == pytest.approx(disc / (2 * np.tan(np.radians(20))) ** 2, rel=0.02)
    assert shown[0] == 1


def test_what_stands_behind_is_hidden():
    near, far = Pose((0.0, -3.0, 0.0)), Pose((0.0, 3.0, 0.0))
    area, shown = visible(ALONG_Y, [body("sphere"), body("sphere", 0.4)], [near, far])
    assert shown.tolist() == [1, 0]
    assert area[1] == 0


def test_centres_must_be_inside_the_picture():
    assert centred(ALONG_Y, [Pose((0.0, 0.0, 0.0)), Pose((3.0, 0.0, 0.0))])
    assert not centred(ALONG_Y, [Pose((0.0, 0.0, 0.0)), Pose((3.6, 0.0, 0.0))])  # 10 tan(20 deg) = 3.64
    assert not centred(ALONG_Y, [Pose((0.0, -12.0, 0.0))])
