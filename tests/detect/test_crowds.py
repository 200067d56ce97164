"""Columns closer than three sigma: widths and fits of all of them together."""

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.candidates import fit_columns
from hyperspy_stem_enhance.detect.columns import detect_columns
from hyperspy_stem_enhance.detect.crowds import (
    fit_together,
    is_crowded,
    merging_width,
)
from hyperspy_stem_enhance.detect.peaks import estimate_width
from hyperspy_stem_enhance.metrics import match_columns

SHAPE = (120, 130)
WIDTH = 4.0


@pytest.fixture
def crowd(draw):
    """A square lattice with some columns missing, 2.8 sigma apart."""
    rng = np.random.default_rng(8)
    points = 2.8 * WIDTH * np.stack(np.mgrid[-2:15, -2:15], -1).reshape(-1, 2)
    points = points @ np.array([[0.96, 0.28], [-0.28, 0.96]]) + [20, -10]
    points += rng.normal(0, 0.3, points.shape)
    near = np.all((points > -10) & (points < np.array(SHAPE) + 9), axis=1)
    points = points[near & (rng.random(len(points)) > 0.05)]
    heights = rng.normal(100, 10, len(points))
    return points, draw(points, heights, WIDTH, SHAPE)


def inner(points, margin):
    return points[np.all((points > margin) & (points < np.array(SHAPE) - margin), 1)]


def test_apparent_width_is_too_small(crowd):
    points, image = crowd
    apparent = estimate_width(image)
    assert apparent < 0.75 * WIDTH
    near = np.rint(inner(points, 0))
    assert merging_width(image, near, apparent) == pytest.approx(WIDTH, rel=0.08)


def test_width_of_columns_apart_stays(draw):
    points = np.stack(np.mgrid[10:110:24, 10:110:24], -1).reshape(-1, 2)
    assert merging_width(draw(points, 1, WIDTH, SHAPE), points, 3.9) == 3.9
    assert merging_width(draw(points[:1], 1, WIDTH, SHAPE), points[:1], 3.9) == 3.9


def test_crowded_by_overlap(crowd):
    points, _ = crowd
    assert is_crowded(points, WIDTH)
    assert not is_crowded(points, 0.8 * WIDTH)
    assert not is_crowded(points[:1], WIDTH)
    assert not is_crowded(np.array([[10, 10], [10, 40]]), WIDTH)


@pytest.mark.parametrize("unit", [1.0, 1e-30, 1e30])
def test_fits_in_one_system(crowd, unit):
    points, image = crowd
    fit = fit_together(unit * image, points + 0.8, WIDTH, 0.5 * unit)
    found = np.stack([fit.y, fit.x], axis=1)
    error = np.hypot(*(found - points).T)
    central = np.all((points > 25) & (points < 95), axis=1)
    assert error[central].max() < 0.2
    np.testing.assert_allclose(fit.sigma[central], WIDTH, rtol=0.05)
    assert np.isfinite(fit.residual[central]).all()


def test_missing_pixels_do_not_count(crowd):
    points, image = crowd
    image = image.copy()
    image[40:50, 60:66] = np.nan
    fit = fit_together(image, points, WIDTH, 0.5)
    central = np.all((points > 25) & (points < 95), axis=1)
    error = np.hypot(fit.y - points[:, 0], fit.x - points[:, 1])
    assert error[central].max() < 0.3


def test_all_columns_of_a_crowd_are_candidates(crowd):
    points, image = crowd
    fit, width = fit_columns(image, estimate_width(image))
    assert width == pytest.approx(WIDTH, rel=0.05)
    found = np.stack([fit.y, fit.x], axis=1)
    wanted = inner(points, 8)
    assert len(match_columns(found, wanted, 1.0)[0]) == len(wanted)


def test_crowds_are_detected(crowd):
    points, image = crowd
    rng = np.random.default_rng(5)
    raw = rng.poisson(np.maximum(image + 30, 0) / 2) * 2.0
    found = detect_columns(image, raw)
    wanted = inner(points, 8)
    assert len(match_columns(found[:, :2], wanted, 1.5)[0]) >= len(wanted) - 1
    assert len(found) <= len(inner(points, -2))
