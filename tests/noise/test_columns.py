import numpy as np
import pytest

from hyperspy_stem_enhance.noise.columns import find_columns, typical_sigma
from hyperspy_stem_enhance.simulate.render import render_columns

SHAPE = (256, 256)


def make_lattice(spacing, sigma, height=100.0):
    grid = np.mgrid[-3 : SHAPE[0] / spacing + 3, -3 : SHAPE[1] / spacing + 3]
    positions = grid.reshape(2, -1).T * spacing + 0.3
    n = len(positions)
    return render_columns(positions, np.full(n, height), np.full(n, sigma), SHAPE)


@pytest.mark.parametrize("sigma", [1.5, 3.0, 6.0])
def test_typical_sigma_of_columns_apart(sigma):
    assert typical_sigma(make_lattice(7 * sigma, sigma)) == pytest.approx(
        sigma, rel=0.2
    )


@pytest.mark.parametrize("offset", [0, -30])
@pytest.mark.parametrize(("ratio", "sigma"), [(6, 2.0), (6, 5.0), (4, 3.0)])
def test_heights_and_width_do_not_see_a_constant_background(ratio, sigma, offset):
    image = make_lattice(ratio * sigma, sigma) + np.float32(offset)
    found = find_columns(image, image, 1.15 * sigma, 0.1)
    assert found.sigma == pytest.approx(sigma, rel=0.08)
    heights = found.heights[found.inside]
    assert np.median(heights) == pytest.approx(100, rel=0.08)


def test_rendered_columns_are_those_found():
    image = make_lattice(24.0, 4.0)
    found = find_columns(image, image, 4.0, 0.1)
    left = image - found.render(SHAPE)
    deep = np.s_[30:-30, 30:-30]
    assert np.abs(left[deep]).max() < 6


def test_columns_at_the_border_hide_the_background_there():
    image = render_columns([[100, -2.0], [128, 128]], [90, 90], [5, 5], SHAPE)
    found = find_columns(image, image, 5.0, 0.1)
    assert found.inside.sum() == 1
    hidden = found.beside_border(SHAPE)
    assert hidden[100, 8]
    assert not hidden[128, 128]
    assert found.render(SHAPE)[100, 0] < 1


def test_noise_of_heights_is_their_scatter(rng):
    image = make_lattice(20.0, 3.0)
    scatter, expected = [], []
    for _ in range(6):
        noise = rng.normal(0, 20, SHAPE).astype(np.float32)
        found = find_columns(image + noise, image, 3.0, 0.1)
        scatter.append(found.heights[found.inside].std())
        expected.append(found.height_noise(noise))
    assert np.mean(scatter) == pytest.approx(np.mean(expected), rel=0.3)
    assert found.brightness(np.mean(expected)) == pytest.approx(100, rel=0.05)


def test_one_column_much_higher_than_the_others_does_not_set_the_brightness():
    positions = [[40, 40], [40, 120], [120, 40], [120, 120], [200, 200]]
    image = render_columns(positions, [100, 100, 100, 100, 190], [4] * 5, SHAPE)
    found = find_columns(image, image, 4.0, 0.1)
    assert found.brightness(0.0) == pytest.approx(100, rel=0.05)


def test_nothing_is_found_in_a_flat_image():
    flat = np.zeros(SHAPE, np.float32)
    assert find_columns(flat, flat, 3.0) is None
