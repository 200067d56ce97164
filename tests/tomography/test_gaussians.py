"""Views and voxels of Gaussians against numerical integration, and the table."""

import numpy as np
import pytest

from hyperspy_stem_enhance.tomography import Gaussians, project_volume

SHAPE = (30, 36, 40)


def draw(rng, n=4, shape=SHAPE):
    middle = (np.array(shape) - 1) / 2
    factor = rng.normal(size=(n, 3, 3))
    covariances = factor @ factor.transpose(0, 2, 1) + np.eye(3)
    positions = middle + rng.uniform(-4, 4, (n, 3))
    return Gaussians(positions, covariances, rng.uniform(0.5, 2, n), shape)


def density(gaussians, points):
    offset = points[:, None] - gaussians.positions
    inverse = np.linalg.inv(gaussians.covariances)
    distance = np.einsum("kni,nij,knj->kn", offset, inverse, offset)
    values = gaussians.denza * np.exp(-distance / 2)
    return np.where(distance < 16, values, 0).sum(axis=1)


def test_voxels_are_the_density_at_their_centres(rng):
    gaussians = draw(rng)
    points = np.stack(np.indices(SHAPE), axis=-1).reshape(-1, 3)
    expected = density(gaussians, points).reshape(SHAPE)
    np.testing.assert_allclose(gaussians.voxelise(), expected, atol=1e-5)


@pytest.mark.parametrize("angle", [-75, -30, 0, 20, 90])
def test_views_are_line_integrals(rng, angle):
    gaussians = draw(rng)
    n_x, n_z, n_y = SHAPE
    u, x = np.mgrid[:n_y, :n_x]
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    expected = np.zeros((n_y, n_x))
    step = 0.25
    for along in np.arange(-25, 25, step):
        across = u - (n_y - 1) / 2
        y = across * c + along * s + (n_y - 1) / 2
        z = -across * s + along * c + (n_z - 1) / 2
        points = np.stack([x, z, y], axis=-1).reshape(-1, 3)
        expected += step * density(gaussians, points).reshape(expected.shape)
    # The view ends at 4 σ as well, but not the integral at the rim of a view
    largest = expected.max()
    view = gaussians.project([angle])[0]
    np.testing.assert_allclose(view, expected, atol=2e-3 * largest)


def test_views_agree_with_projected_voxels(rng):
    gaussians = draw(rng)
    tilts = [-60, 0, 45]
    views = gaussians.project(tilts)
    seen = project_volume(gaussians.voxelise(), tilts)
    np.testing.assert_allclose(views, seen, atol=0.06 * views.max())
    np.testing.assert_allclose(views.sum((1, 2)), seen.sum((1, 2)), rtol=2e-3)


def test_mass_within_4_sigma(rng):
    gaussians = draw(rng, n=1, shape=(48, 48, 48))
    mass = gaussians.denza * (2 * np.pi) ** 1.5
    mass = (mass * np.sqrt(np.linalg.det(gaussians.covariances))).sum()
    assert gaussians.voxelise().sum() == pytest.approx(0.99887 * mass, rel=5e-4)
    assert gaussians.project([10])[0].sum() == pytest.approx(
        (1 - np.exp(-8)) * mass, rel=2e-4
    )


def test_scale_and_shape_keep_the_middle(rng):
    gaussians = draw(rng)
    fine = gaussians.voxelise(scale=3)
    assert fine.shape == tuple(3 * n for n in SHAPE)
    np.testing.assert_allclose(fine[1::3, 1::3, 1::3], gaussians.voxelise(), atol=1e-5)
    larger = gaussians.project([0], shape=(44, 36))[0]
    np.testing.assert_allclose(larger[2:-2, 3:-3], gaussians.project([0])[0], atol=1e-6)
    with pytest.raises(ValueError, match="scale is 0"):
        gaussians.voxelise(scale=0)


def test_table_and_back(rng):
    gaussians = draw(rng)
    back = Gaussians.from_table(gaussians.to_table())
    np.testing.assert_array_equal(back.covariances, gaussians.covariances)
    np.testing.assert_array_equal(back.project([7]), gaussians.project([7]))
    with pytest.raises(ValueError, match="no column denza"):
        Gaussians.from_table(gaussians.to_table().drop(columns="denza"))
