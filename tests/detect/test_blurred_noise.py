"""Noise that a camera blurs is measured at frequencies above those of columns."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.detect.blurred_noise import (
    NO_BLUR,
    measure_blurred_noise,
)
from hyperspy_stem_enhance.detect.columns import detect_classically, detect_columns
from hyperspy_stem_enhance.detect.significance import filter_heights

SHAPE = (192, 160)


def blurred_noise(rng, blur, shape=SHAPE):
    """A little noise of single pixels in it would end the fall of its spectrum."""
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


def test_blurred_noise_has_no_columns(rng):
    noise = 10 + blurred_noise(rng, 0.8)
    assert len(detect_classically(noise, "HRTEM")) <= 1
    # In scanned images nothing blurs noise, and rows say that there is none
    assert len(detect_classically(noise, "HAADF")) > 50


def test_a_lattice_in_blurred_noise_is_found(rng):
    clean = lattice(12, 2)
    image = 2 * clean + blurred_noise(rng, 0.8)
    n = (SHAPE[0] // 12) * (SHAPE[1] // 12)
    for found in (
        detect_classically(image, "HRTEM"),
        detect_columns(clean, image, "HRTEM"),
    ):
        assert 0.95 * n < len(found) < 1.15 * n


def test_an_invented_image_is_compared_with_blurred_noise(rng):
    # What follows noise takes it out of what is left, by which it is judged
    raw = blurred_noise(rng, 0.8)
    invented = np.maximum(gaussian_filter(raw, 1), 0)
    scanned = detect_columns(invented, raw, "HAADF")
    assert len(scanned) > 30
    assert len(detect_columns(invented, raw, "HRTEM")) < 0.1 * len(scanned)
