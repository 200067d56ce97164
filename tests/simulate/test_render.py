import numpy as np

from hyperspy_stem_enhance.simulate.render import render_columns


def test_column_is_a_gaussian_where_it_was_put():
    image = render_columns([[20.25, 33.5]], [3.0], [2.5], (48, 80))
    y, x = np.mgrid[:48, :80]
    expected = 3 * np.exp(-((y - 20.25) ** 2 + (x - 33.5) ** 2) / (2 * 2.5**2))
    np.testing.assert_allclose(image, expected, atol=3e-4)


def test_tiles_do_not_show(rng):
    positions = rng.uniform(-5, 155, (300, 2))
    heights, sigmas = rng.uniform(0.2, 1, 300), rng.uniform(1.2, 6, 300)
    image = render_columns(positions, heights, sigmas, (150, 150))
    shifted = render_columns(positions + 30, heights, sigmas, (200, 200))
    np.testing.assert_allclose(image, shifted[30:180, 30:180], atol=1e-3)


def test_no_column_gives_zeros():
    assert not render_columns(np.zeros((0, 2)), [], [], (20, 20)).any()
