"""Noise that is blurred is measured at frequencies above those of columns."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.detect import evidence
from hyperspy_stem_enhance.detect.blurred_noise import (
    NO_BLUR,
    BlurredNoise,
    measure_blurred_noise,
)
from hyperspy_stem_enhance.detect.columns import detect_classically, detect_columns
from hyperspy_stem_enhance.detect.significance import filter_heights
from hyperspy_stem_enhance.detect.sparse import measure_skewness

SHAPE = (192, 160)


def blurred_noise(rng, blur, shape=SHAPE):
    return gaussian_filter(rng.normal(0, 1, shape), blur)


def lattice(spacing, sigma, shape=SHAPE):
    y, x = (np.arange(n) % spacing - spacing // 2 for n in shape)
    return np.exp(-(y[:, None] ** 2 + x**2) / (2 * sigma**2))


@pytest.mark.parametrize("blur", [0.5, 0.8, 1.2])
@pytest.mark.parametrize("width", [1.5, 3.0])
def test_heights_of_blurred_noise(rng, blur, width):
    noise = blurred_noise(rng, blur)
    measured = measure_blurred_noise(noise)
    assert measured.blur == pytest.approx(blur, abs=0.08)
    true = filter_heights(noise, width).std()
    assert measured.height_sd(width) == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_a_lattice_changes_little(rng, sigma):
    noise = blurred_noise(rng, 0.7)
    alone = measure_blurred_noise(noise)
    both = measure_blurred_noise(noise + 5 * lattice(12, sigma))
    assert both.height_sd(2) == pytest.approx(alone.height_sd(2), rel=0.25)


def test_gaps_are_filled(rng):
    noise = blurred_noise(rng, 0.8)
    noise[40:50, 30:60] = np.nan
    assert measure_blurred_noise(noise).blur == pytest.approx(0.8, abs=0.08)


def test_white_noise_is_not_blurred(rng):
    noise = rng.normal(0, 1, SHAPE)
    assert measure_blurred_noise(noise) is NO_BLUR
    assert measure_blurred_noise(noise + 5 * lattice(12, 2)) is NO_BLUR
    assert NO_BLUR.height_sd(2) == 0


@pytest.mark.parametrize("image", [np.zeros(SHAPE), np.eye(12)])
def test_nothing_to_measure(image):
    assert measure_blurred_noise(image) is NO_BLUR


def test_columns_without_noise_are_no_noise():
    image = lattice(14, 2)
    height = measure_blurred_noise(image).height_sd(2)
    assert height < 0.01


@pytest.mark.parametrize("mode", ["HAADF", "BF", "HRTEM"])
@pytest.mark.parametrize("blur", [0.5, 0.8, 1.1])
def test_blurred_noise_has_no_columns(rng, mode, blur):
    noise = blurred_noise(rng, blur)
    assert len(detect_classically(noise, mode)) <= 1


@pytest.mark.parametrize("mode", ["HAADF", "BF", "HRTEM"])
def test_few_electrons_that_are_blurred(rng, mode):
    counts = rng.poisson(0.3, SHAPE).astype(float)
    image = gaussian_filter(counts, 0.8) * (-1 if mode == "BF" else 1)
    assert len(detect_classically(image, mode)) <= 1
    skewed = measure_skewness(gaussian_filter(counts, 0.8), BlurredNoise(0.3, 0.8))
    assert skewed == pytest.approx(0.3**-0.5, rel=0.15)


@pytest.mark.parametrize("blur", [0.5, 0.8, 1.1])
def test_an_image_that_follows_noise(rng, blur, monkeypatch):
    # By what rows tell alone, hundreds of columns of it are sure
    noise = gaussian_filter(rng.poisson(0.3, SHAPE).astype(float), blur)
    invented = np.maximum(gaussian_filter(noise, 1) - 0.3, 0)
    found = len(detect_columns(invented, noise))
    monkeypatch.setattr(evidence, "measure_blurred_noise", lambda _: NO_BLUR)
    without = len(detect_columns(invented, noise))
    assert without > 200
    assert found < 0.2 * without


@pytest.mark.parametrize("mode", ["HAADF", "HRTEM"])
def test_a_lattice_in_blurred_noise_is_found(rng, mode):
    clean = lattice(12, 2)
    image = 2 * clean + blurred_noise(rng, 0.8)
    n = (SHAPE[0] // 12) * (SHAPE[1] // 12)
    for found in (
        detect_classically(image, mode),
        detect_columns(clean, image, mode),
    ):
        assert 0.95 * n < len(found) < 1.15 * n


def test_sharp_columns_without_noise_are_no_noise(rng):
    # Their spectrum is that of blurred noise
    image = np.zeros(SHAPE)
    places = rng.choice(SHAPE[0] // 8 * (SHAPE[1] // 8), 120, replace=False)
    columns = np.stack(np.unravel_index(places, (SHAPE[0] // 8, SHAPE[1] // 8)))
    row, column = 8 * columns + rng.integers(2, 6, columns.shape)
    image[row, column] = 1
    image = gaussian_filter(image, 1.1)
    assert measure_blurred_noise(image).density > 0
    assert len(detect_columns(image, image)) == 120
    assert len(detect_classically(image)) == 120
