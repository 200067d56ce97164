"""Backgrounds are kept, their noise is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.enhance.background import (
    add_lowpass_background,
    add_residual_structure,
    find_background,
)


def slow_pattern(shape, rng, sigma=30):
    pattern = gaussian_filter(rng.normal(size=shape), sigma, mode="reflect")
    return (pattern / pattern.std()).astype(np.float32)


@pytest.mark.parametrize("shape", [(256, 256), (100, 300), (16, 16)])
def test_little_of_the_noise_is_kept(shape, rng):
    noise = rng.normal(size=shape).astype(np.float32)
    nothing = np.zeros(shape, np.float32)
    found = find_background(noise, np.ones(shape, bool))
    mean_of_eight = add_lowpass_background(noise, nothing, "HAADF")
    assert found.std() < 0.75 * mean_of_eight.std()


def test_what_is_stronger_than_the_noise_is_kept(rng):
    background = slow_pattern((256, 256), rng)
    noise = rng.normal(size=background.shape).astype(np.float32)
    recorded = np.ones(background.shape, bool)
    errors = [
        np.std(find_background(background + strength * noise, recorded) - background)
        for strength in (10, 1, 0.1)
    ]
    assert errors[0] < 0.7
    assert errors[1] < 0.1
    assert errors[2] < 0.05


def test_nothing_but_a_level_stays_as_it_is():
    level = np.full((64, 64), 3, np.float32)
    recorded = np.ones(level.shape, bool)
    np.testing.assert_allclose(find_background(level, recorded), level, rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-20, 1e10])
def test_units_do_not_matter(unit, rng):
    rest = slow_pattern((128, 128), rng) + rng.normal(size=(128, 128))
    rest, recorded = rest.astype(np.float32), np.ones((128, 128), bool)
    scaled = find_background(np.float32(unit) * rest, recorded) / np.float32(unit)
    np.testing.assert_allclose(scaled, find_background(rest, recorded), atol=1e-4)


def test_pixels_that_were_not_recorded_do_not_count(rng):
    rest = rng.normal(5, 1, (128, 128)).astype(np.float32)
    recorded = np.ones(rest.shape, bool)
    recorded[40:60, 30:70] = False
    rest[~recorded] = 5
    expected = find_background(rest, recorded)
    rest[~recorded] = 30
    assert np.abs(find_background(rest, recorded) - expected).max() < 0.5


@pytest.mark.parametrize("mode", ["HAADF", "BF", "HRTEM"])
def test_columns_and_background_add_up_to_the_image(mode, rng):
    columns = np.zeros((128, 128), np.float32)
    columns[::9, ::9] = 1
    columns = 20 * gaussian_filter(columns, 2)
    clean = slow_pattern(columns.shape, rng) + (-columns if mode == "BF" else columns)
    frame = clean + 100
    kept = add_residual_structure(frame, frame - np.median(frame), columns, mode)
    np.testing.assert_allclose(kept, frame, atol=0.15)


def test_noise_of_pixel_columns_does_not_come_back_in_hrtem(rng):
    noise = rng.normal(0, 1, (256, 256)) + rng.normal(0, 1, 256)
    nothing = np.zeros((256, 256), np.float32)
    smooth = add_lowpass_background(noise, nothing, "HRTEM")
    kept = add_residual_structure(noise, noise, nothing, "HRTEM")
    assert np.std(kept) < np.std(smooth)
    assert np.std(kept - smooth) < 0.1
