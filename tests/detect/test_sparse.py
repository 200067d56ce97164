"""Noise of few counts."""

import numpy as np
import pytest
from scipy.stats import norm

from hyperspy_stem_enhance.detect.columns import detect_classically
from hyperspy_stem_enhance.detect.peaks import local_maxima
from hyperspy_stem_enhance.detect.significance import (
    _noise_maxima_density,
    filter_heights,
    height_kernel,
)
from hyperspy_stem_enhance.detect.sparse import (
    as_gaussian,
    count_significance,
    measure_skewness,
)


@pytest.mark.parametrize("mean", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("width", [1.0, 3.0])
def test_maxima_of_counts_are_as_many_as_of_gaussian_noise(mean, width):
    counts = np.random.default_rng(1).poisson(mean, (1024, 1024)).astype(float)
    heights = filter_heights(counts, width)
    z = as_gaussian(heights / heights.std(), measure_skewness(counts), width)
    found = np.sum(z[local_maxima(z)] > 3.5)
    expected = _noise_maxima_density(3.5, width) * counts.size
    # Narrow maxima between pixels are not seen at their full height.
    assert 0.2 * expected < found < 1.6 * expected
    if width == 1.0 and mean < 1:
        plain = heights / heights.std()
        assert np.sum(plain[local_maxima(plain)] > 3.5) > 2 * expected


def test_skewness_of_counts_and_of_columns():
    rng = np.random.default_rng(2)
    assert measure_skewness(rng.normal(0, 1, (256, 256))) < 0.1
    for mean in (0.1, 1.0, 10.0):
        counts = rng.poisson(mean, (512, 512))
        assert measure_skewness(counts) == pytest.approx(mean**-0.5, rel=0.1)
    assert measure_skewness(-rng.poisson(0.2, (256, 256))) == 0
    assert measure_skewness(np.ones((2, 50))) == 0


def test_without_skewness_nothing_changes():
    z = np.linspace(-3, 50, 20)
    np.testing.assert_array_equal(as_gaussian(z, 0.0, 2.0), z)
    np.testing.assert_allclose(as_gaussian(z[z < 8], 0.01, 2.0), z[z < 8], atol=0.05)
    assert np.all(np.diff(as_gaussian(z, 3.0, 1.0)) >= 0)


@pytest.mark.parametrize("mean", [0.2, 0.5, 1.0])
def test_hardly_an_atom_in_counts_without_any(mean):
    found = [
        len(detect_classically(rng.poisson(mean, (256, 256)).astype(np.float32)))
        for rng in (np.random.default_rng([3, k]) for k in range(4))
    ]
    assert sum(found) <= 4  # as Gaussian noise they are 20 and more


@pytest.mark.parametrize("rate", [0.02, 0.3, 5.0])
def test_significance_of_counts_tells_how_often_noise_is_as_high(rate):
    counts = np.random.default_rng(3).poisson(rate, (700, 700)).astype(float)
    heights = filter_heights(counts, 1.5).ravel()
    seen = count_significance(heights, np.full(heights.size, rate), 1.5)
    for level in (1.5, 2.5, 3.2):
        expected = norm.sf(level) * heights.size
        assert 0.4 * expected < np.sum(seen > level) < 1.6 * expected


def test_many_counts_are_gaussian():
    sd = np.linalg.norm(height_kernel(2.0)) * np.sqrt(1e4)
    seen = count_significance(np.array([-1.0, 3 * sd, 8 * sd]), np.full(3, 1e4), 2.0)
    np.testing.assert_allclose(seen, [0, 3, 8], rtol=0.02, atol=1e-6)
