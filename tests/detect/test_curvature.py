import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.detect.curvature import measure_peaks
from hyperspy_stem_enhance.detect.refine import GaussianFit

SHAPE = (128, 128)
WIDTH = 3.0
ROWS, COLUMNS = np.indices(SHAPE)


def as_fit(positions, heights):
    y, x = np.transpose(positions).astype(float)
    n = len(y)
    return GaussianFit(
        y, x, np.asarray(heights, float), np.full(n, WIDTH), np.zeros(n), np.zeros(n)
    )


def spots(positions, heights):
    image = np.zeros(SHAPE)
    for (y, x), height in zip(positions, heights, strict=True):
        image += height * np.exp(
            -((ROWS - y) ** 2 + (COLUMNS - x) ** 2) / (2 * WIDTH**2)
        )
    return image


@pytest.mark.parametrize("spacing", [13, 18])
def test_columns_are_peaks_and_bridges_are_none(rng, spacing):
    sites = np.stack(np.mgrid[10:118:spacing, 10:118:spacing], -1).reshape(-1, 2)
    between = sites[sites[:, 1] < 118 - spacing] + [0, spacing // 2]
    image = spots(sites, np.ones(len(sites)))
    # Each column has a wing that meets the next one
    image += 0.4 * np.exp(-((ROWS[:, :1] - sites[:, 0]) ** 2).min(1)[:, None] / 18)
    noise = rng.normal(0, 0.1, SHAPE)
    heights = np.repeat([1.0, 0.4], [len(sites), len(between)])
    fit = as_fit(np.concatenate([sites, between]), heights)
    peaks = measure_peaks(image + noise, noise, fit, WIDTH)
    assert peaks[: len(sites)].min() > 0
    assert peaks[len(sites) :].max() < -2


def test_places_along_a_fringe_are_no_peaks(rng):
    image = 0.5 + 0.5 * np.cos(2 * np.pi * (ROWS + 0.4 * COLUMNS) / 14)
    noise = rng.normal(0, 0.2, SHAPE)
    crests = np.argwhere((image > 0.99) & (COLUMNS % 9 == 0))
    fit = as_fit(crests, np.ones(len(crests)))
    assert np.quantile(measure_peaks(image + noise, noise, fit, WIDTH), 0.95) < -2


def test_noise_alone_decides_nothing(rng):
    # A column far below the noise is neither shown nor refused
    image, noise = spots([[64, 64]], [0.02]), rng.normal(0, 1, SHAPE)
    assert (
        abs(measure_peaks(image + noise, noise, as_fit([[64, 64]], [0.02]), WIDTH)) < 4
    )


@pytest.mark.parametrize("place", [[0, 64], [1, 1], [127, 30]])
def test_columns_at_the_edge_of_the_frame_are_peaks(rng, place):
    noise = rng.normal(0, 0.05, SHAPE)
    fit = as_fit([place], [1.0])
    assert measure_peaks(spots([place], [1.0]) + noise, noise, fit, WIDTH)[0] > 0


def test_scale_and_missing_pixels_change_nothing(rng):
    sites = np.stack(np.mgrid[16:120:16, 16:120:16], -1).reshape(-1, 2)
    noise = rng.normal(0, 0.1, SHAPE)
    image = spots(sites, np.ones(len(sites))) + noise
    expected = measure_peaks(image, noise, as_fit(sites, np.ones(len(sites))), WIDTH)
    fit = as_fit(sites, np.full(len(sites), 50.0))
    np.testing.assert_allclose(
        measure_peaks(50 * image, 50 * noise, fit, WIDTH), expected, rtol=1e-6
    )
    image[5, 5] = noise[5, 5] = np.nan
    found = measure_peaks(image, noise, as_fit(sites, np.ones(len(sites))), WIDTH)
    np.testing.assert_allclose(found, expected, rtol=0.1)


def test_without_noise_and_with_a_single_candidate():
    image = gaussian_filter(np.pad([[100.0]], 30), WIDTH)
    fit = as_fit([[30, 30]], [image.max()])
    assert measure_peaks(image, np.zeros_like(image), fit, WIDTH)[0] > 6


def test_merging_columns_are_not_doubted(rng):
    sites = np.stack(np.mgrid[12:117:7, 12:117:7], -1).reshape(-1, 2)
    image = spots(sites, np.ones(len(sites)))
    noise = rng.normal(0, 0.02, SHAPE)
    peaks = measure_peaks(
        image + noise, noise, as_fit(sites, np.ones(len(sites))), WIDTH
    )
    assert np.median(peaks) > -0.5
