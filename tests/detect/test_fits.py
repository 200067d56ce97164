"""Fits of many columns at once: overlap, limits, blocks, missing pixels."""

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.refine import fit_gaussians, render_gaussians

SHAPE = (70, 110)


def start_near(rng, points, distance):
    angle = rng.uniform(0, 2 * np.pi, len(points))
    return points + distance * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_columns_at_edges_and_holes(draw):
    points = np.array([[0.2, 50.4], [35.3, 109.1], [30.5, 20.2]])
    image = draw(points, 2, 2.5, SHAPE)
    image[29:32, 20] = np.nan
    fit = fit_gaussians(image, np.rint(points), 2.5, background=False)
    np.testing.assert_allclose(np.stack([fit.y, fit.x], 1), points, atol=1e-3)
    np.testing.assert_allclose(fit.height, 2, rtol=1e-3)


def test_overlapping_columns_are_fitted_together(draw, lattice, rng):
    sigma = 2.0
    points = lattice((15, 0), (0, 15), SHAPE, basis=((0, 0), (0, 2.6 * sigma)))
    height = np.where(np.arange(len(points)) % 2, 1.0, 0.4)
    image = draw(points, height, sigma, SHAPE)
    start = start_near(rng, points, 0.5)
    error = {}
    for rounds in (1, 4, 16):
        fit = fit_gaussians(image, start, sigma, background=False, rounds=rounds)
        distance = np.hypot(fit.y - points[:, 0], fit.x - points[:, 1])
        error[rounds] = np.sqrt(np.mean(distance**2))
    assert error[4] < 0.5 * error[1]
    assert error[16] < 0.1 * error[1]


def test_weak_columns_take_the_width_of_the_others(draw, lattice, rng):
    points = lattice((20, 0), (0, 20), SHAPE, margin=8)
    height = np.where(np.arange(len(points)) % 2, 1.0, 0.05)
    image = draw(points, height, 2.5, SHAPE) + rng.normal(0, 0.03, SHAPE)
    free = fit_gaussians(image, points, 2.5, background=False)
    tied = fit_gaussians(image, points, 2.5, background=False, noise=0.03)
    weak = height < 0.5
    spread = [np.std(np.log(f.sigma[weak])) for f in (free, tied)]
    assert spread[1] < 0.7 * spread[0]
    np.testing.assert_allclose(tied.sigma[~weak], free.sigma[~weak], rtol=0.01)


def test_limits_hold(scattered, rng):
    image = rng.normal(0, 1, SHAPE)
    start = scattered(rng, SHAPE, 5, 60)
    fit = fit_gaussians(image, start, 2.0)
    assert np.all(np.abs(fit.y - start[:, 0]) <= 2 + 1e-9)
    assert np.all(np.abs(fit.x - start[:, 1]) <= 2 + 1e-9)
    assert np.all((fit.sigma >= 0.8 - 1e-9) & (fit.sigma <= 5 + 1e-9))
    assert np.all(fit.height >= 0)
    assert all(np.isfinite(v).all() for v in vars(fit).values())


def test_blocks_change_nothing(draw, lattice, rng, monkeypatch):
    points = lattice((9, 0), (0, 11), SHAPE)
    image = draw(points, 1, 2.2, SHAPE) + rng.normal(0, 0.02, SHAPE)
    whole = fit_gaussians(image, points, 2.0)
    monkeypatch.setattr("hyperspy_stem_enhance.detect.refine._BLOCK", 7)
    cut = fit_gaussians(image, points, 2.0)
    for name, values in vars(whole).items():
        np.testing.assert_allclose(vars(cut)[name], values, rtol=1e-6, atol=1e-9)


def test_nothing_to_fit():
    fit = fit_gaussians(np.zeros(SHAPE), np.empty((0, 2)), 2.0)
    assert len(fit) == 0
    assert not render_gaussians(SHAPE, fit).any()


def test_a_column_of_missing_pixels_only():
    image = np.ones(SHAPE)
    image[20:50, 20:50] = np.nan
    fit = fit_gaussians(image, [[35, 35]], 2.0)
    assert np.isinf(fit.residual[0])


def test_refuses():
    with pytest.raises(ValueError, match=r"\(2, 70, 110\)"):
        fit_gaussians(np.zeros((2, *SHAPE)), [[1, 1]], 2.0)
    with pytest.raises(ValueError, match=r"sigma=0\.0"):
        fit_gaussians(np.zeros(SHAPE), [[1, 1]], 0.0)
