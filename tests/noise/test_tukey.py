import numpy as np
import pytest
from scipy import stats

from hyperspy_stem_enhance.noise.tukey import (
    draw_tukey_lambda,
    fit_tukey_lambda,
    tukey_lambda_kurtosis,
    tukey_lambda_sd,
    undo_mixing,
)

SHAPES = (-0.1, 0.0, 0.14, 0.27, 0.6, 1.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_are_those_of_scipy(shape):
    variance, kurtosis = stats.tukeylambda.stats(shape, moments="vk")
    assert tukey_lambda_sd(shape) ** 2 == pytest.approx(float(variance), rel=1e-6)
    assert tukey_lambda_kurtosis(shape) == pytest.approx(float(kurtosis), abs=0.02)


@pytest.mark.parametrize("shape", [0.0, 0.14, 0.4])
def test_draws_follow_the_distribution(rng, shape):
    samples = draw_tukey_lambda(rng, shape, (20_000,)) * tukey_lambda_sd(shape)
    assert stats.kstest(samples, stats.tukeylambda(shape).cdf).pvalue > 0.001


@pytest.mark.parametrize("shape", SHAPES)
def test_fit_gives_the_shape_back_at_any_scale(rng, shape):
    samples = 30 + 7 * draw_tukey_lambda(rng, shape, (60_000,))
    assert fit_tukey_lambda(samples) == pytest.approx(shape, abs=0.03)


def test_fit_is_the_maximum_scipy_finds(rng):
    samples = draw_tukey_lambda(rng, 0.27, (5000,))
    expected = stats.ppcc_max(samples, brack=(0, 0.3), dist="tukeylambda")
    assert fit_tukey_lambda(samples) == pytest.approx(expected, abs=0.005)


def test_fit_of_equal_samples_is_nan():
    assert np.isnan(fit_tukey_lambda(np.ones(100)))


@pytest.mark.parametrize("shape", [0.0, 0.27, 0.5])
def test_mixing_with_gaussian_noise_is_undone(rng, shape):
    n = 200_000
    share = 0.7  # of the variance: the excess kurtosis falls with its square
    tukey = draw_tukey_lambda(rng, shape, (n,))
    mixed = np.sqrt(share) * tukey + np.sqrt(1 - share) * rng.normal(size=n)
    found = fit_tukey_lambda(mixed)
    assert undo_mixing(found, share**2) == pytest.approx(shape, abs=0.03)
    assert abs(found - shape) > 0.03 or shape == 0.0
