import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from hyperspy_stem_enhance.noise.laws import LAGS, fit_pointwise_law, fit_scan_law

SHAPE = (256, 256)


def correlated(rng, length):
    noise = gaussian_filter1d(rng.normal(size=SHAPE), length, axis=1)
    return noise / noise.std()


def test_pointwise_law(rng):
    intensity = np.linspace(20, 200, 256) * np.ones((256, 1))
    band = rng.normal(0, 0.07 * intensity + 11)
    law = fit_pointwise_law(intensity, band, np.ones(SHAPE, bool))
    assert law.slope == pytest.approx(0.07, abs=3 * law.slope_error)
    assert law.intercept == pytest.approx(11, abs=3 * law.intercept_error)
    assert law.slope_error < 0.004


def test_error_of_the_intercept_holds_at_zero(rng):
    intensity = np.linspace(20, 200, 256) * np.ones((256, 1))
    band = rng.normal(0, 0.07 * intensity + 11)
    usable = np.ones(SHAPE, bool)
    expected = fit_pointwise_law(intensity, band, usable)
    shifted = fit_pointwise_law(intensity - 5000, band, usable, zero=-5000)
    assert shifted.intercept_error == pytest.approx(expected.intercept_error, rel=0.01)


@pytest.mark.parametrize("length", [1.0, 3.0, 10.0])
def test_scan_law_for_any_correlation_length(rng, length):
    gradient = np.abs(np.sin(np.arange(256) / 15))[:, None] * np.full(SHAPE, 80.0)
    scan = (0.1 * gradient + 5) * correlated(rng, length)
    band = scan + rng.normal(0, 10, SHAPE)
    total = np.hypot(0.1 * gradient + 5, 10)
    one = np.array([0.0, 1.0, 0.0])
    law, correlation = fit_scan_law(gradient, band, one, total, np.ones(SHAPE, bool))
    assert law.intercept == pytest.approx(5, rel=0.15)
    assert law.slope == pytest.approx(0.1, rel=0.15)
    expected = np.exp(-np.square(LAGS) / (4 * length**2))
    np.testing.assert_allclose(correlation, expected, atol=0.12)


def test_unusable_pixels_do_not_count(rng):
    intensity = np.linspace(20, 200, 256) * np.ones((256, 1))
    band = rng.normal(0, 0.07 * intensity + 11)
    usable = np.ones(SHAPE, bool)
    usable[50:120, 30:90] = usable[200:] = False
    expected = fit_pointwise_law(intensity, np.where(usable, band, 0), usable)
    found = fit_pointwise_law(intensity, np.where(usable, band, 1e6), usable)
    assert found == expected
