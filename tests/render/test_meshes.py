import numpy as np
import pytest

from vitreous.render.meshes import SHAPES, unit

VOLUME = {"cube": 8, "cylinder": 2 * np.pi, "sphere": 4 / 3 * np.pi}
AREA = {"cube": 24, "cylinder": 6 * np.pi, "sphere": 4 * np.pi}


@pytest.mark.parametrize("shape", SHAPES)
def test_meshes_are_closed_and_face_outwards(shape):
    mesh = unit(shape)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    # the signed volume is right only if no piece (a cap, say) is missing or inside out
    assert (a * np.cross(b, c)).sum() / 6 == pytest.approx(VOLUME[shape], rel=0.003)
    across = np.cross(b - a, c - a)
    assert np.linalg.norm(across, axis=1).sum() / 2 == pytest.approx(AREA[shape], rel=0.003)
    assert np.all((across * mesh.normals[mesh.faces].mean(1)).sum(1) >= -1e-12)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_meshes_fill_the_unit_box(shape):
    vertices = unit(shape).vertices
    np.testing.assert_allclose([vertices.min(0), vertices.max(0)], [[-1] * 3, [1] * 3], atol=1e-9)
