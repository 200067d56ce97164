"""Columns of images without noise, of ripple, and against a raw image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, maximum_filter

from hyperspy_stem_enhance.detect.columns import detect_columns
from hyperspy_stem_enhance.metrics import score_columns

SHAPE = (112, 150)


def test_every_column_once(scene):
    image, points, _ = scene
    score = score_columns(detect_columns(image), points, radius=1.0)
    assert (score.precision, score.recall) == (1, 1)
    assert score.rms < 0.1


def test_noisy_tops_are_one_column(draw, lattice, rng):
    points = lattice((28, 0), (0, 28), SHAPE, margin=8)
    image = draw(points, 1, 6, SHAPE) + rng.normal(0, 0.02, SHAPE)
    found = detect_columns(np.clip(image, 0, None))
    score = score_columns(found, points, radius=2)
    assert score.recall == 1
    assert score.rms < 0.1
    near = np.linalg.norm(found[:, None, :2] - points, axis=-1).min(axis=1) < 12
    assert near.sum() == len(points)


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_what_the_raw_image_does_not_show_is_refused(draw, rng, mode):
    real, invented = [[30, 40.0], [80, 100.0]], [[30, 100.0], [80, 40.0]]
    noise = rng.normal(0, 1, SHAPE)
    raw = noise + draw(real, 4, 2.5, SHAPE)
    raw = raw if mode == "HAADF" else 50 - raw
    enhanced = draw(real, 4, 2.5, SHAPE) + draw(invented, 1.2, 2.5, SHAPE)
    assert len(detect_columns(enhanced)) == 4
    found = detect_columns(enhanced, raw, mode)
    np.testing.assert_allclose(found[:, :2], real, atol=0.1)
    everything = detect_columns(enhanced, raw, mode, threshold=0)
    assert len(everything) == 4
    assert np.sum(everything[:, 4] > 0.9) == 2
    assert np.sum(everything[:, 4] < 0.5) == 2


def test_a_weak_lattice_is_carried_by_its_neighbours(draw, lattice, rng):
    # Heights of 3 standard deviations of the noise in a height: one alone is
    # nothing in an image of this size, the lattice is seen.
    sigma, spacing = 2.0, 9.0
    points = lattice((spacing, 0), (0, spacing), SHAPE, margin=4)
    height = 3 / (np.sqrt(np.pi) * sigma) * 1.3
    noise = rng.normal(0, 1, SHAPE)
    enhanced = draw(points, height, sigma, SHAPE)
    found = detect_columns(enhanced, enhanced + noise)
    assert score_columns(found, points, radius=1).recall > 0.8
    alone = draw(points[70:71], height, sigma, SHAPE)
    assert len(detect_columns(alone, alone + noise)) == 0


def test_noise_that_the_enhancement_took_for_columns(rng):
    # The worst enhancement: all that is positive in smoothed noise.
    raw = rng.normal(0, 1, (200, 200))
    enhanced = np.clip(gaussian_filter(raw, 2.0), 0, None)
    everything = detect_columns(enhanced, raw, threshold=0)
    assert len(everything) > 200
    maxima = np.sum((enhanced == maximum_filter(enhanced, 5)) & (enhanced > 0))
    assert len(detect_columns(enhanced, raw)) <= maxima / 10
    assert np.sum(everything[:, 4] > 0.9) <= 2


def test_sorted_and_scaled(draw, lattice):
    points = lattice((14, 3), (-2, 17), SHAPE)
    image = draw(points, 1, 2.5, SHAPE)
    found = detect_columns(image)
    order = np.lexsort((found[:, 1], found[:, 0]))
    assert np.array_equal(order, np.arange(len(found)))
    scaled = detect_columns(1e6 * image)
    np.testing.assert_allclose(scaled[:, 2], 1e6 * found[:, 2], rtol=1e-4)
    np.testing.assert_allclose(scaled[:, :2], found[:, :2], atol=1e-3)


def test_rows_and_columns_are_not_mixed_up(draw):
    found = detect_columns(draw([[10.0, 130.0]], 1, 2, SHAPE))
    np.testing.assert_allclose(found[0, :2], [10, 130], atol=0.01)
    turned = detect_columns(draw([[10.0, 130.0]], 1, 2, SHAPE).T)
    np.testing.assert_allclose(turned[0, :2], [130, 10], atol=0.01)
