import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_laplace, maximum_filter

from hyperspy_stem_enhance.detect.filters import (
    CosineSpectrum,
    gaussian_kernel,
    gaussian_reach,
    second_derivative_kernel,
)
from hyperspy_stem_enhance.detect.peaks import local_maxima


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(3, 1, (37, 50))


@pytest.mark.parametrize("sigma", [0.8, 3.0, 14.0])
def test_gaussian_filters_are_those_of_scipy(image, sigma):
    kernel = gaussian_kernel(sigma)
    filtered = CosineSpectrum(image).filtered([(kernel, kernel)])
    np.testing.assert_allclose(filtered, gaussian_filter(image, sigma), rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.8, 2.0, 5.0])
def test_a_margin_lets_the_image_go_on_as_it_ends(image, sigma):
    mean, curvature = gaussian_kernel(sigma), second_derivative_kernel(sigma)
    spectrum = CosineSpectrum(image, margin=gaussian_reach(sigma))
    filtered = spectrum.filtered([(curvature, mean), (mean, curvature)])
    expected = gaussian_laplace(image, sigma, mode="nearest")
    np.testing.assert_allclose(filtered, expected, atol=1e-11)


def test_float32_stays_float32(image):
    kernel = gaussian_kernel(2.0)
    filtered = CosineSpectrum(image.astype(np.float32)).filtered([(kernel, kernel)])
    assert filtered.dtype == np.float32
    np.testing.assert_allclose(filtered, gaussian_filter(image, 2.0), rtol=1e-5)


def test_maxima_are_the_pixels_not_below_their_neighbours(image):
    rows, columns = local_maxima(image)
    highest = image == maximum_filter(image, 3, mode="nearest")
    np.testing.assert_array_equal(np.nonzero(highest), (rows, columns))
