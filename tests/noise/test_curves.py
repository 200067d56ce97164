import numpy as np
import pytest

from hyperspy_stem_enhance.noise.curves import SDCurve, binned_root, binned_sd, fit_line


def test_line_of_known_noise_comes_back(rng):
    x = rng.uniform(20, 80, 300_000)
    noise = 5 + rng.normal(0, 2 + 0.1 * x)  # the mean is no noise
    slope, intercept = fit_line(binned_sd(x, noise))
    assert slope == pytest.approx(0.1, abs=0.002)
    assert intercept == pytest.approx(2, abs=0.1)


def test_root_of_mean_variance_keeps_the_mean(rng):
    x = rng.uniform(0, 1, 100_000)
    curve = binned_root(x, (3 + rng.normal(0, 4, x.size)) ** 2)
    assert np.average(curve.sd, weights=curve.counts) == pytest.approx(5, rel=0.01)


def test_sparse_bins_are_left_out(rng):
    x = np.concatenate([rng.uniform(0, 1, 10_000), rng.uniform(9, 10, 40)])
    curve = binned_sd(x, rng.normal(size=x.size))
    assert curve.centres.max() < 1.1
    assert curve.counts.min() >= 64


def test_too_few_bins_have_no_line():
    curve = SDCurve(np.arange(3.0), np.ones(3), np.full(3, 100.0))
    assert np.isnan(fit_line(curve)).all()


def test_no_pixels_give_an_empty_curve():
    assert len(binned_sd(np.zeros(0), np.zeros(0)).centres) == 0
