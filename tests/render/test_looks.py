import numpy as np
import pytest

from vitreous.render.looks import METAL_ROUGHNESS, RUBBER_ROUGHNESS, STYLES, colour_word, draw
from vitreous.render.patterns import PATTERNS, floor_checker, floor_noise, on_body
from vitreous.render.scene import COLOURS, RADII_M, Camera


def scenes(style, count=60, material="mixed"):
    return [draw(style, 6, material, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("material", ["metal", "rubber"])
def test_a_material_asked_for_is_the_only_one(style, material):
    assert {body.material for scene in scenes(style, 5, material) for body in scene.bodies} == {material}


@pytest.mark.parametrize("style", STYLES)
def test_mixed_scenes_toss_a_coin(style):
    materials = [body.material for scene in scenes(style) for body in scene.bodies]
    assert 0.4 < materials.count("metal") / len(materials) < 0.6


@pytest.mark.parametrize("style", STYLES)
def test_the_floor_fills_the_picture(style):
    for scene in scenes(style):
        highest = scene.camera.rays(8)[:, 2].max()
        assert highest < 0
        # and ends far beyond what the topmost ray meets
        assert scene.camera.position_m[2] / -highest < 150


@pytest.mark.parametrize("style", STYLES)
def test_no_lamp_stands_in_the_view(style):
    across, along = (side.ravel()[:, None] for side in np.meshgrid(*[np.linspace(-1, 1, 15)] * 2))
    for scene in scenes(style, 200):
        camera = scene.camera
        half = np.tan(np.radians(camera.fov_deg / 2))
        for lamp in scene.lamps:
            sides = Camera(lamp.position_m, (0.0, 0.0, 0.0), 0.0).axes() * lamp.half_side_m
            points = lamp.position_m + across * sides[0] + along * sides[1]
            right, down, forward = camera.axes() @ (points - camera.position_m).T
            assert not np.any((forward > 0) & (np.maximum(np.abs(right), np.abs(down)) < half * forward))


def test_clevr_has_its_colours_and_sizes():
    bodies = [body for scene in scenes("clevr") for body in scene.bodies]
    assert {body.colour for body in bodies} == set(COLOURS)
    assert {(body.size, body.radius_m) for body in bodies} == set(RADII_M.items())
    assert {body.pattern for body in bodies} == {"plain"}
    for body in bodies:
        np.testing.assert_allclose(np.multiply(body.colours[0], 255), COLOURS[body.colour])


def test_varied_bodies_vary():
    bodies = [body for scene in scenes("varied") for body in scene.bodies]
    assert {body.pattern for body in bodies} == {"plain", *PATTERNS}
    plain = [body for body in bodies if body.pattern == "plain"]
    assert 0.35 < len(plain) / len(bodies) < 0.65
    assert len({body.colours[0] for body in bodies}) == len(bodies)
    for body in bodies:
        assert body.roughness in (METAL_ROUGHNESS if body.material == "metal" else RUBBER_ROUGHNESS)
        assert 0 <= min(min(colour) for colour in body.colours) <= max(max(colour) for colour in body.colours) <= 1


def test_colours_are_named_by_the_nearest_word():
    for name, colour in COLOURS.items():
        assert colour_word(np.divide(colour, 255) + 0.02) == name


@pytest.mark.parametrize("pattern", ["plain", *PATTERNS])
def test_patterns_mix_between_nothing_and_all(pattern):
    points = np.random.default_rng(1).uniform(-1, 1, (500, 3))
    mix = on_body(pattern, points, 1.0, np.random.default_rng(2))
    assert 0 <= mix.min() <= mix.max() <= 1
    assert (np.ptp(mix) > 0.5) == (pattern != "plain")


def test_floor_textures_repeat_without_a_seam():
    noise = floor_noise(64, 1.5, np.random.default_rng(0))
    inside = np.abs(np.diff(noise, axis=1)).mean()
    assert np.abs(noise[:, 0] - noise[:, -1]).mean() < 2 * inside
    board = floor_checker(64, 8)
    assert np.all(board[:, 0] != board[:, -1])
    assert board.mean() == 0.5
