import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.approximation import (
    approximate_appearance,
    displacement_of,
    relative,
)
from hyperspy_stem_enhance.simulate.structures import STRUCTURES


def test_dark_field_grows_with_the_atomic_number():
    heights, widths = approximate_appearance(["Sr", "Ti O", "O"])
    ratio = (22**1.7 + 8**1.7) / 38**1.7
    np.testing.assert_allclose(heights["HAADF"], [1, ratio, (8 / 38) ** 1.7])
    np.testing.assert_allclose(widths["HAADF"], 1)


def test_light_atoms_show_better_in_bright_field():
    heights, _ = approximate_appearance(["Co", "O", "Li"])
    assert (heights["BF"][1:] > 1.5 * heights["HAADF"][1:]).all()


def test_atoms_that_move_more_are_wider_and_lower():
    still = approximate_appearance(["Sr", "O"], 0.08)
    moving = approximate_appearance(["Sr", "O"], {"Sr": 0.08, "O": 0.2})
    for mode in ("HAADF", "BF"):
        assert moving[1][mode][1] > still[1][mode][1]
        assert moving[0][mode][1] < still[0][mode][1]


def test_relative_to_the_strongest_and_to_the_mean_width():
    heights, widths = relative([2, 4], [0.3, 0.6])
    np.testing.assert_allclose(heights, [0.5, 1])
    assert np.average(widths, weights=heights) == pytest.approx(1)
    assert widths[1] == pytest.approx(2 * widths[0])


@pytest.mark.parametrize(
    ("columns", "displacements", "message"),
    [
        (["Xx"], 0.08, "Xx"),
        ([""], 0.08, "chemical symbols"),
        (["O"], {"Ti": 0.1}, "lacks O"),
        (["O"], -0.1, "negative"),
        (["O"], np.nan, "negative"),
    ],
)
def test_bad_arguments_are_named(columns, displacements, message):
    with pytest.raises(ValueError, match=message):
        approximate_appearance(columns, displacements)


def test_displacement_of_each_element():
    assert displacement_of("O", {"O": 0.1}) == 0.1
    assert displacement_of("Ti", 0.07) == 0.07


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_estimate_is_near_the_table(structure, mode):
    heights, _ = approximate_appearance(structure.columns)
    assert abs(heights[mode] - structure.heights[mode]).max() < 0.21
