from itertools import combinations

import numpy as np
import pytest

from vitreous.render.engine import RenderError
from vitreous.render.layout import GAP_M, LEAST_AREA, LEAST_SHOWN, placed, still_scene
from vitreous.render.looks import STYLES, draw
from vitreous.render.sight import visible


@pytest.mark.parametrize("style", STYLES)
def test_bodies_rest_on_the_floor_apart_and_in_sight(style):
    for seed in range(8):
        scene, poses = still_scene(style, (3, 10), "mixed", np.random.default_rng(seed))
        for body, pose in zip(scene.bodies, poses, strict=True):
            assert pose.position_m[2] == body.radius_m
        turning = [body.radius_m * (np.sqrt(2) if body.shape == "cube" else 1) for body in scene.bodies]
        for i, j in combinations(range(len(poses)), 2):
            apart = np.hypot(*np.subtract(poses[i].position_m, poses[j].position_m)[:2])
            assert apart > turning[i] + turning[j] + GAP_M
        area, shown = visible(scene.camera, scene.bodies, poses)
        assert area.min() >= LEAST_AREA
        assert shown.min() >= LEAST_SHOWN


def test_every_number_of_objects_comes_up():
    counts = [len(still_scene("clevr", (3, 6), "mixed", np.random.default_rng(seed))[1]) for seed in range(40)]
    assert set(counts) == {3, 4, 5, 6}


def test_no_place_is_no_pose():
    assert placed(draw("clevr", 60, "metal", np.random.default_rng(0)).bodies, np.random.default_rng(0)) == []


def test_too_many_objects_are_refused_with_a_number(monkeypatch):
    monkeypatch.setattr("vitreous.render.layout.TRIES", 3)
    with pytest.raises(RenderError, match=r"^50 objects do not fit.*\n.*--objects 3 10"):
        still_scene("clevr", (50, 50), "mixed", np.random.default_rng(0))
