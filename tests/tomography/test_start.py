"""Noise measured in views, levels of views, and the first Gaussians."""

import numpy as np
import pytest

from hyperspy_stem_enhance.tomography import (
    Gaussians,
    project_volume,
    reconstruct,
    start,
)
from hyperspy_stem_enhance.tomography.denza import views_to_leave_out
from hyperspy_stem_enhance.tomography.fit import Terms
from hyperspy_stem_enhance.tomography.geometry import SliceProjector
from hyperspy_stem_enhance.tomography.levels import find_levels
from hyperspy_stem_enhance.tomography.noise_model import pixel_variance


@pytest.mark.parametrize("unit", [1.0, 250.0])
def test_variance_of_counts(rng, unit):
    u, x = np.mgrid[:96, :96] / 15
    expected = 30 + 25 * np.sin(u) * np.cos(x)
    views = unit * rng.poisson(expected, (4, 96, 96))
    ratio = pixel_variance(views).mean(axis=0) / (unit**2 * expected)
    assert np.median(ratio) == pytest.approx(1.1, abs=0.15)


def test_variance_that_is_constant(rng):
    views = np.linspace(0, 50, 64) + rng.normal(0, 4, (3, 64, 64))
    assert np.median(pixel_variance(views)) == pytest.approx(16, rel=0.15)


def test_gains_of_a_whole_object(rng):
    ball = np.zeros((20, 48, 48), np.float32)
    ball[4:16, 14:34, 16:30] = rng.uniform(0.5, 1, (12, 20, 14))
    tilts = np.linspace(-60, 60, 13)
    true = np.exp(rng.normal(0, 0.1, 13))
    true /= np.exp(np.log(true).mean())
    views = project_volume(ball, tilts) * true[:, None, None].astype(np.float32)
    projector = SliceProjector(tilts, 48, 48)
    gains, _, _ = find_levels(views, np.ones_like(views), projector, Terms())
    assert np.log(gains / true).std() < 0.02


def test_a_film_keeps_its_growth_with_the_tilt(rng):
    film = np.zeros((20, 48, 144), np.float32)
    film[:, 20:28] = rng.uniform(0.5, 1, (20, 8, 144))
    tilts = np.linspace(-50, 50, 11)
    views = project_volume(film, tilts)[:, 48:96]
    assert np.log(views.sum(axis=(1, 2))).std() > 0.1
    result = reconstruct(views, tilts, method="sirt", iterations=5)
    assert not result.settings["fit_gain"]
    np.testing.assert_array_equal(result.gains, 1)
    np.testing.assert_array_equal(result.backgrounds, 0)


def test_gaussians_at_maxima_are_the_atoms(rng):
    grid = np.stack(np.meshgrid(*[np.arange(6, 30, 6)] * 3, indexing="ij"), -1)
    positions = grid.reshape(-1, 3) + rng.uniform(-0.4, 0.4, (64, 3))
    atoms = Gaussians(
        positions, np.tile(1.7 * np.eye(3), (64, 1, 1)), np.ones(64), (36, 36, 36)
    )
    model = start.gaussians_at_maxima(atoms.voxelise(), 0.6)
    assert len(model.numbers) == 64
    nearest = np.linalg.norm(model.positions[:, None] - positions, axis=2).min(axis=1)
    assert nearest.max() < 0.9


def test_drawn_gaussians_have_the_mass_of_the_volume(rng):
    z, y, x = np.mgrid[:32, :32, :32] - 15.5
    ball = (np.sqrt(x**2 + y**2 + z**2) < 10).astype(np.float32)
    model = start.draw_gaussians(ball, 400, 0.6, rng)
    drawn = model.gaussians(ball.shape).voxelise()
    assert drawn.sum() == pytest.approx(ball.sum(), rel=0.1)
    assert np.corrcoef(drawn.ravel(), ball.ravel())[0, 1] > 0.8


def test_left_out_views_are_inner_ones():
    tilts = np.linspace(-70, 70, 15)
    assert len(views_to_leave_out(tilts[:4])) == 0
    for order in (slice(None), slice(None, None, -1)):
        chosen = tilts[order][views_to_leave_out(tilts[order])]
        assert len(chosen) == 2
        assert abs(chosen).max() < 65
