import numpy as np
import pytest

from hyperspy_stem_enhance.detect.peaks import estimate_width
from hyperspy_stem_enhance.detect.refine import fit_gaussians, render_gaussians
from hyperspy_stem_enhance.simulate.render import render_columns

SHAPE = (64, 90)


def test_fit_gives_back_what_was_drawn(rng):
    grid = np.stack(np.meshgrid([16, 32, 48], [18, 36, 54, 72]), -1).reshape(-1, 2)
    true = grid + rng.uniform(-0.5, 0.5, grid.shape)
    heights, sigmas = rng.uniform(2, 5, len(true)), rng.uniform(1.8, 2.6, len(true))
    image = 10 + render_columns(true, heights, sigmas, SHAPE)
    fit = fit_gaussians(image, grid, 2.2)
    np.testing.assert_allclose(np.stack([fit.y, fit.x], 1), true, atol=0.01)
    np.testing.assert_allclose(fit.height, heights, rtol=0.01)
    np.testing.assert_allclose(fit.sigma, sigmas, rtol=0.01)
    np.testing.assert_allclose(fit.background, 10, atol=0.05)


def test_neighbours_that_overlap_do_not_attract_each_other():
    true = np.array([[30.2, 40.1], [30.4, 45.6]])
    image = render_columns(true, [1.0, 0.4], [2.0, 2.0], SHAPE)
    alone = fit_gaussians(image, true, 2.0, background=False, rounds=1)
    joint = fit_gaussians(image, true, 2.0, background=False, rounds=8)
    error = [abs(fit.x[1] - 45.6) for fit in (alone, joint)]
    assert error[1] < 0.05
    assert error[1] < 0.5 * error[0]


def test_noise_costs_what_statistics_demand(rng):
    """Within a fifth of the Cramér-Rao bound for white noise."""
    sigma, noise = 2.5, 0.1
    centre = np.array([[32.0, 44.0]])
    clean = render_columns(centre, [1.0], [sigma], SHAPE)
    errors = []
    for _ in range(150):
        fit = fit_gaussians(clean + rng.normal(0, noise, SHAPE), centre, sigma)
        errors += [fit.y[0] - 32, fit.x[0] - 44]
    bound = noise * np.sqrt(2 / np.pi)  # SD of a coordinate at height 1
    assert np.std(errors) < 1.35 * bound
    assert np.std(errors) > 0.8 * bound


def test_pixels_that_are_not_finite_are_left_out():
    image = render_columns([[30, 40]], [1.0], [3.0], SHAPE)
    image[31, 41] = np.nan
    fit = fit_gaussians(image, [[30.4, 39.5]], 3.0)
    assert (fit.y[0], fit.x[0]) == pytest.approx((30, 40), abs=0.01)


def test_model_drawn_is_the_image():
    image = render_columns([[30, 40], [10, 70]], [1.0, 2.0], [3.0, 2.0], SHAPE)
    fit = fit_gaussians(image, [[30, 40], [10, 70]], 2.5)
    np.testing.assert_allclose(render_gaussians(SHAPE, fit), image, atol=5e-3)


@pytest.mark.parametrize("sigma", [1.2, 2, 4, 7])
def test_width_is_measured(sigma):
    y, x = np.mgrid[:200, :200]
    positions = np.stack([y[20::40, 20::40].ravel(), x[20::40, 20::40].ravel()], 1)
    image = render_columns(
        positions, np.ones(len(positions)), np.full(len(positions), sigma), (200, 200)
    )
    assert estimate_width(image) == pytest.approx(sigma, rel=0.1)


def test_only_some_columns_are_fitted_beside_all_others(rng):
    image = rng.normal(0, 0.1, (48, 48))
    starts = np.array([[12.0, 14.0], [16.0, 17.0], [30.0, 30.0]])
    for y, x in starts + 0.3:
        rows, columns = np.mgrid[:48, :48]
        image += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 2.0**2))
    only = [True, False, True]
    some = fit_gaussians(image, starts, 2.0, rounds=1, only=only)
    everything = fit_gaussians(image, starts, 2.0, rounds=1).select(only)
    np.testing.assert_allclose(some.y, everything.y, rtol=1e-9)
    np.testing.assert_allclose(some.height, everything.height, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_the_unit_of_an_image_does_not_matter(rng, unit):
    true = np.array([[20.3, 30.1], [24.0, 35.0]])
    image = render_columns(true, [3.0, 2.0], [2.0, 2.2], SHAPE).astype(float)
    image += rng.normal(0, 0.1, SHAPE)
    expected = fit_gaussians(image, true, 2.0, noise=0.1)
    fit = fit_gaussians(image * unit, true, 2.0, noise=0.1 * unit)
    np.testing.assert_allclose(fit.x, expected.x, atol=1e-6)
    np.testing.assert_allclose(fit.height / unit, expected.height, rtol=1e-6)
