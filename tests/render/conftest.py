"""One studio for all tests of this folder: the scalar variant, which runs everywhere. One process has one variant."""

import numpy as np
import pytest

from vitreous.render.engine import start
from vitreous.render.scene import Camera, Lamp, Scene


@pytest.fixture(scope="session")
def studio():
    from vitreous.render.picture import Studio

    return Studio(start("scalar"))


@pytest.fixture
def room():
    """A scene of these bodies under one lamp, seen from above at a slant."""

    def make(*bodies, fov_deg=45.0, position_m=(6.0, -5.0, 5.0)):
        return Scene(
            bodies=bodies,
            lamps=(Lamp((4.0, 2.0, 12.0), 2.0, (20.0, 20.0, 20.0)),),
            camera=Camera(position_m, (0.0, 0.0, 0.3), fov_deg),
            floor_linear=np.full((256, 256, 3), 0.3),
            floor_period_m=8.0,
            sky_linear=np.full((8, 3), 0.2),
        )

    return make
