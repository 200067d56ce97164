import numpy as np
import pytest

from hyperspy_stem_enhance.noise.background import measure_background
from hyperspy_stem_enhance.simulate.render import render_columns


def make_columns(shape, spacing, sigma, height):
    grid = np.argwhere(np.ones([n // spacing + 3 for n in shape]))
    positions = (grid - 1) * float(spacing) + 0.37
    n = len(positions)
    return render_columns(positions, np.full(n, height), np.full(n, sigma), shape)


def make_wave(shape, low, high):
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    wave = np.cos(3 * y) * np.sin(2 * x + 0.5)
    wave = (wave - wave.min()) / np.ptp(wave)
    return (low + (high - low) * wave).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.5, 3.0, 5.0])
def test_background_below_columns_apart(sigma):
    shape = (200, 160)
    image = make_columns(shape, int(6 * sigma), sigma, 150.0) + make_wave(shape, 10, 80)
    found = measure_background(image, image, np.zeros_like(image), 0.0)
    assert found.low == pytest.approx(10, abs=5)
    assert found.high == pytest.approx(80, abs=5)
    assert found.brightness == pytest.approx(150, rel=0.06)


def test_overlapping_columns_are_taken_off():
    shape = (192, 192)
    # halfway between four columns, two fifths of their height remain
    image = make_columns(shape, 12, 4.0, 100.0) + 20
    assert image.min() > 60
    found = measure_background(image, image, np.zeros_like(image), 0.0)
    assert 20 <= found.low < image.min() - 2
    assert found.n_columns == pytest.approx((192 / 12) ** 2, rel=0.15)


def test_noise_does_not_raise_the_brightness(rng):
    shape = (256, 256)
    image = make_columns(shape, 20, 3.0, 100.0) + 30
    noise = rng.normal(0, 25, shape).astype(np.float32)
    found = measure_background(image + noise, image, noise, 0.0)
    assert found.brightness == pytest.approx(100, rel=0.04)
    ignorant = measure_background(image + noise, image, np.zeros_like(noise), 0.0)
    assert ignorant.brightness > found.brightness + 5


def test_flat_image_has_no_columns():
    flat = np.full((64, 64), 5, np.float32)
    found = measure_background(flat, flat, np.zeros_like(flat), 0.0)
    assert found.low == pytest.approx(5, abs=1e-3)
    assert np.isnan(found.brightness)
    assert found.n_columns == 0
