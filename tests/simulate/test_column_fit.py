import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.column_fit import fit_columns, sum_gaussians
from hyperspy_stem_enhance.simulate.render import render_columns

SQUARE = np.eye(2) * 4.0
OBLIQUE = np.array([[4.5, 0.0], [-1.2, 3.4]])
SITES = np.array([[0.0, 0.0], [0.5, 0.5], [0.0, 0.5]])


def test_sum_is_that_of_the_columns_drawn_one_by_one():
    drawn = sum_gaussians((32, 32), SQUARE, SITES, [3, 2, 1], [0.4, 0.5, 0.3])
    steps = np.stack(np.meshgrid(range(-2, 3), range(-2, 3)), -1).reshape(-1, 1, 2)
    positions = ((SITES + steps) * 32).reshape(-1, 2)
    expected = render_columns(
        positions,
        np.tile([3, 2, 1], len(steps)),
        np.tile([0.4, 0.5, 0.3], len(steps)) * 8,
        (32, 32),
    )
    np.testing.assert_allclose(drawn, expected, atol=2e-4)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("cell", [SQUARE, OBLIQUE], ids=["square", "oblique"])
def test_what_was_put_in_comes_out(cell, dark):
    heights, widths = np.array([0.03, 0.02, 0.004]), np.array([0.45, 0.5, 0.4])
    image = sum_gaussians((18, 14), cell, SITES, heights, widths)
    image = 0.3 - image if dark else 0.002 + image
    fit = fit_columns(image, cell, SITES, ["Sr", "Ti", "O"], dark)
    assert fit.background == pytest.approx(0.3 if dark else 0.002, rel=0.01)
    np.testing.assert_allclose(fit.heights, heights, rtol=0.02)
    np.testing.assert_allclose(fit.widths, widths, rtol=0.02)
    assert fit.correlation > 0.9999


def test_columns_of_the_same_atoms_share_their_width():
    image = sum_gaussians((16, 16), SQUARE, SITES, [1, 1, 1], [0.4, 0.5, 0.6])
    fit = fit_columns(image, SQUARE, SITES, ["Ti", "O", "O"])
    assert fit.widths[1] == fit.widths[2]
    assert fit.widths[0] == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("dark", [False, True])
def test_a_column_that_does_not_show_has_no_height(dark):
    image = sum_gaussians((16, 16), SQUARE, SITES[:2], [1, 0.5], [0.5, 0.5])
    image = 3 - image if dark else image
    fit = fit_columns(image, SQUARE, SITES, ["Sr", "Ti", "Li"], dark)
    assert 0 <= fit.heights[2] < 0.01
    np.testing.assert_allclose(fit.heights[:2], [1, 0.5], rtol=0.02)


def test_a_column_of_the_wrong_sign_has_no_height():
    bright = sum_gaussians((16, 16), SQUARE, SITES[1:2], [0.2], [0.5])
    dark = sum_gaussians((16, 16), SQUARE, SITES[:1], [1], [0.5])
    fit = fit_columns(2 - dark + bright, SQUARE, SITES[:2], ["Sr", "Ti"], dark=True)
    assert fit.heights[1] < 0.01
