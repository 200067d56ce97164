import numpy as np
import pytest
import scipy.fft as sf

from hyperspy_stem_enhance.noise.structure import _close_seams, split_bands
from hyperspy_stem_enhance.simulate.noise import draw_scan_pattern, gradient_magnitude


@pytest.fixture
def ideal(simulate):
    return simulate()[2]


def test_structure_is_closer_to_the_truth_than_a_blur(simulate):
    from scipy.ndimage import gaussian_filter

    image, _, ideal = simulate()
    found = split_bands(image).structure
    blurred = [gaussian_filter(image, s) for s in (0.7, 1, 1.5, 2, 3)]
    best = min(np.std(b - ideal) for b in blurred)
    assert np.std(found - ideal) < 0.8 * best


def test_gradient_is_that_without_noise(simulate):
    image, _, ideal = simulate()
    found = split_bands(image).gradient
    expected = gradient_magnitude(ideal)
    for quantile in (0.5, 0.9):
        assert np.quantile(found, quantile) == pytest.approx(
            np.quantile(expected, quantile), rel=0.16
        )


def test_bands_hold_the_sd_of_the_noise(ideal, rng):
    white = rng.normal(0, 9, ideal.shape)
    bands = split_bands((ideal + white).astype(np.float32))
    assert bands.pixel_band.std() == pytest.approx(9, rel=0.02)
    assert bands.row_band.std() == pytest.approx(9, rel=0.03)


def test_scan_noise_is_in_the_row_band_alone(ideal, rng):
    scan = 20 * draw_scan_pattern(rng, ideal.shape)
    white = rng.normal(0, 5, ideal.shape)
    bands = split_bands((ideal + scan + white).astype(np.float32))
    assert bands.pixel_band.std() == pytest.approx(5, rel=0.03)
    assert bands.row_band.std() == pytest.approx(np.hypot(20, 5), rel=0.1)


def test_response_powers_are_those_of_the_residual(rng):
    white = rng.normal(0, 1, (128, 96)).astype(np.float32)
    bands = split_bands(white)
    assert bands.residual.var() == pytest.approx(bands.residual_second, rel=0.04)
    assert 0 < bands.residual_fourth < bands.residual_second**2


@pytest.mark.parametrize("shape", [(16, 16), (67, 43), (257, 127)])
def test_closed_image_continues_into_itself(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    ramp = (100 * y / shape[0] + 50 * x / shape[1]).astype(np.float32)
    closed = _close_seams(ramp)
    np.testing.assert_array_equal(closed[: shape[0], : shape[1]], ramp)
    if min(shape) > 40:
        assert closed.shape == tuple(sf.next_fast_len(n, True) for n in closed.shape)
    step = np.abs(np.diff(np.concatenate([closed, closed[:1]]), axis=0)).max()
    assert step < 100 / 8
