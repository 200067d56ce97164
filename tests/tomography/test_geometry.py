"""Projection: direction of the tilts, sums, and the transpose."""

import numpy as np
import pytest

from hyperspy_stem_enhance.tomography.geometry import (
    SliceProjector,
    back_project,
    project_volume,
)


def test_a_voxel_is_seen_where_the_convention_says():
    volume = np.zeros((5, 21, 21), np.float32)
    x, z, y = 1, 14, 5
    volume[x, z, y] = 1
    tilts = np.array([-60, -20, 0, 35, 90])
    views = project_volume(volume, tilts)
    angle = np.deg2rad(tilts)
    expected = (y - 10) * np.cos(angle) - (z - 10) * np.sin(angle) + 10
    seen = (views[:, :, x] * np.arange(21)).sum(axis=1)
    np.testing.assert_allclose(seen, expected, atol=0.05)
    assert views[:, :, [0, 2, 3, 4]].max() == 0


def test_the_sum_is_kept_in_each_view(rng):
    volume = np.zeros((3, 40, 40), np.float32)
    volume[:, 10:30, 10:30] = rng.uniform(0, 1, (3, 20, 20))
    views = project_volume(volume, np.linspace(-90, 90, 13))
    np.testing.assert_allclose(views.sum(axis=(1, 2)), volume.sum(), rtol=1e-5)


def test_a_disc_is_seen_as_its_chords():
    n, radius = 65, 24
    z, y = np.mgrid[:n, :n] - (n - 1) / 2
    fine = np.arange(-0.4, 0.5, 0.2)
    disc = np.mean(
        [np.hypot(z + a, y + b) < radius for a in fine for b in fine], axis=0
    )
    views = project_volume(disc[None], [0, 17, 45, 80])[:, :, 0]
    u = np.arange(n) - (n - 1) / 2
    inside = abs(u) < radius - 2
    chords = 2 * np.sqrt(radius**2 - u[inside] ** 2)
    np.testing.assert_allclose(views[:, inside], chords[None].repeat(4, 0), rtol=0.02)


def test_back_projection_is_the_transpose(rng):
    tilts = [-70, -10, 0, 33, 45, 90]
    volume = rng.normal(size=(7, 12, 20)).astype(np.float32)
    views = rng.normal(size=(6, 20, 7)).astype(np.float32)
    forward = np.vdot(project_volume(volume, tilts), views)
    backward = np.vdot(volume, back_project(views, tilts, thickness=12))
    assert forward == pytest.approx(backward, rel=1e-4)


def test_results_do_not_depend_on_the_length_of_the_axis(rng):
    volume = rng.normal(size=(130, 9, 16)).astype(np.float32)
    projector = SliceProjector([-50, 20], 16, 9)
    whole = projector.forward(volume.transpose(1, 2, 0))
    part = projector.forward(volume[60:70].transpose(1, 2, 0))
    np.testing.assert_array_equal(whole[:, :, 60:70], part)
