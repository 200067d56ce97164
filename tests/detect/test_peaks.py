import numpy as np
import pytest

from hyperspy_stem_enhance.detect.peaks import (
    WIDTH_RANGE,
    estimate_width,
    find_candidates,
)
from hyperspy_stem_enhance.metrics import score_columns

SHAPE = (90, 130)


@pytest.mark.parametrize("sigma", [1.3, 2, 3.5, 5, 7])
def test_width_of_separate_columns(draw, lattice, sigma):
    points = lattice((6 * sigma, 0), (0, 6 * sigma), SHAPE, margin=3)
    image = draw(points, 1, sigma, SHAPE)
    assert estimate_width(image) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("sigma", [2, 4])
def test_width_of_touching_columns(draw, lattice, sigma):
    points = lattice((2.9 * sigma, 0), (0, 2.9 * sigma), SHAPE)
    width = estimate_width(draw(points, 1, sigma, SHAPE))
    assert 0.6 * sigma < width < 1.1 * sigma


def test_width_is_not_that_of_noise(draw, lattice, rng):
    points = lattice((22, 0), (0, 25), SHAPE, margin=5)
    image = draw(points, 1, 4, SHAPE)
    noisy = np.clip(image + rng.normal(0, 0.15, SHAPE), 0, None)
    assert estimate_width(noisy) == pytest.approx(4, rel=0.15)


def test_width_from_the_part_with_columns(draw, lattice):
    image = np.zeros((600, 1400))
    image[:90, -130:] = draw(lattice((14, 0), (0, 14), SHAPE, margin=4), 1, 2.5, SHAPE)
    assert estimate_width(image) == pytest.approx(2.5, rel=0.1)


def test_nothing():
    assert np.isnan(estimate_width(np.zeros((40, 40))))
    assert find_candidates(np.zeros((40, 40)), 2.0).shape == (0, 2)


def test_width_stays_in_the_range(draw, rng):
    low, high = WIDTH_RANGE
    assert low <= estimate_width(rng.normal(0, 1, (64, 64))) <= 1.05 * high
    wide = draw([[50, 50]], 1, 40, (100, 100))
    assert estimate_width(wide) <= 1.05 * high


def test_every_column_is_a_candidate(scene):
    image, points, sigma = scene
    score = score_columns(find_candidates(image, sigma), points, radius=1.5)
    assert score.recall == 1
    assert score.precision > 0.95


def test_noisy_tops_are_one_candidate(draw, lattice, rng):
    points = lattice((28, 0), (0, 28), SHAPE, margin=8)
    image = draw(points, 1, 6, SHAPE) + rng.normal(0, 0.02, SHAPE)
    found = find_candidates(image, 6.0)
    near = np.linalg.norm(found[:, None] - points, axis=-1).min(axis=1) < 6
    assert near.sum() == len(points)
