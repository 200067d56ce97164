import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from hyperspy_stem_enhance.detect.refine import fit_gaussians
from hyperspy_stem_enhance.detect.significance import (
    filter_heights,
    measure_false_rate,
    measure_noise,
    measure_row_noise,
    measure_significance,
)

SHAPE = (160, 200)


def believed(*args):
    """What noise does not explain, from 0 to 1."""
    return np.clip(1 - measure_false_rate(*args), 0, 1)


@pytest.mark.parametrize("width", [1.3, 2.5, 5])
def test_height_does_not_see_a_background(draw, width):
    image = draw([[80, 100]], 3, width, SHAPE) + 70
    image += 0.2 * np.arange(SHAPE[1]) - 0.1 * np.arange(SHAPE[0])[:, None]
    assert filter_heights(image, width)[80, 100] == pytest.approx(3, rel=1e-3)


def test_height_of_an_image_smaller_than_the_filter():
    assert filter_heights(np.ones((16, 16)), 8.0).shape == (16, 16)


@pytest.mark.parametrize("kind", ["white", "scan lines", "counts"])
def test_noise_is_that_of_the_heights(rng, kind):
    noise = rng.normal(0, 1, SHAPE)
    if kind == "scan lines":
        noise = gaussian_filter1d(noise, 6, axis=1)
    elif kind == "counts":
        noise = rng.poisson(0.4, SHAPE).astype(float)
    expected = np.std(filter_heights(noise, 2.0))
    measured = np.median(measure_noise(noise, 2.0))
    assert measured == pytest.approx(expected, rel=0.15)


def test_columns_hardly_enter_the_noise_of_rows(draw, lattice, rng):
    noise = rng.normal(0, 1, SHAPE)
    columns = 8 * draw(lattice((11, 0), (0, 12), SHAPE), 1, 2.5, SHAPE)
    alone, with_columns = (
        np.median(measure_row_noise(image, 2.5)) for image in (noise, noise + columns)
    )
    assert with_columns == pytest.approx(alone, rel=0.1)


def test_noise_follows_the_image(rng):
    noise = rng.normal(0, 1, SHAPE) * np.where(np.arange(SHAPE[1]) < 100, 1, 5)
    measured = measure_noise(noise, 2.0)
    left, right = np.median(measured[:, :50]), np.median(measured[:, 150:])
    assert right / left == pytest.approx(5, rel=0.25)


def test_fitting_the_maxima_of_noise_does_not_hide_it(rng):
    noise = rng.normal(0, 1, SHAPE)
    heights = filter_heights(noise, 2.0)
    rows, columns = np.nonzero(heights > 2 * heights.std())
    depleted = noise.copy()
    depleted[rows, columns] -= noise[rows, columns].clip(0)
    expected = np.median(measure_noise(noise, 2.0))
    assert np.median(measure_noise(depleted, 2.0)) > 0.85 * expected


@pytest.mark.parametrize("part", [0.0, 0.6, 1.0, 1.4])
def test_significance_whatever_was_subtracted(draw, rng, part):
    column = draw([[80, 100]], 2, 2.5, SHAPE)
    raw = column + rng.normal(0, 1, SHAPE)
    fit = fit_gaussians(column, [[80, 100]], 2.5, background=False)
    fit.height = fit.height * part
    z = measure_significance(raw - part * column, fit, 2.5)[0]
    whole = measure_significance(
        raw - column, fit_gaussians(column, [[80, 100]], 2.5, background=False), 2.5
    )[0]
    assert z == pytest.approx(whole, rel=0.1)


def test_missing_pixels_cost_nothing(rng):
    noise = rng.normal(0, 1, SHAPE)
    noise[:, 60:63] = np.nan
    assert np.isfinite(measure_noise(noise, 2.0)).all()


def test_maxima_of_noise_are_not_believed(rng):
    noise = rng.normal(0, 1, (300, 300))
    heights = filter_heights(noise, 2.0)
    inner = heights[1:-1, 1:-1]
    top = np.ones(inner.shape, bool)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            top &= inner >= heights[dy : dy + 298, dx : dx + 298]
    rows, columns = np.nonzero(top & (inner > 0))
    z = inner[rows, columns] / heights.std()
    positions = np.stack([rows, columns], axis=1) + 1.0
    confidence = believed(z, positions, 2.0, noise.shape)
    assert len(z) > 500
    assert np.sum(confidence > 0.5) <= 2


def test_lattice_is_believed_where_one_alone_is_not(lattice):
    points = lattice((10, 0), (0, 10), (200, 200))
    z = np.full(len(points), 3.0)
    together = believed(z, points, 2.0, (200, 200))
    alone = believed(z[:1], points[:1], 2.0, (200, 200))
    assert together.min() > 0.8
    assert alone[0] < 0.1


def test_more_significance_is_more_confidence():
    point = np.array([[50.0, 50.0]])
    confidence = [
        believed(np.array([z]), point, 2.0, (256, 256))[0]
        for z in (-1, 0, 2, 3.8, 4.2, 5, 8, 1e9)
    ]
    assert confidence == sorted(confidence)
    assert confidence[0] == 0
    assert confidence[-1] == 1


def test_column_that_the_image_has_not_got_is_not_significant():
    y, x = np.mgrid[:96, :96]
    fit = fit_gaussians(gaussian(y, x, 50, 40), [[50, 40]], sigma=2)
    fit.height[:] = 5
    # the image is empty but for a trace; hardly any noise hides it
    image = 0.2 * gaussian(y, x, 50, 40)
    image += np.random.default_rng(0).normal(0, 1e-3, image.shape)
    residual = image - 5 * gaussian(y, x, 50, 40)
    assert measure_significance(residual, fit, 2.0)[0] == 0
    there = image + 2.8 * gaussian(y, x, 50, 40)
    residual = there - 5 * gaussian(y, x, 50, 40)
    assert measure_significance(residual, fit, 2.0)[0] > 20


def gaussian(y, x, row, column, sigma=2.0):
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
