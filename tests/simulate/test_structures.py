import subprocess
import sys

import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.structures import (
    HELD_OUT_STRUCTURES,
    STRUCTURES,
)

each_structure = pytest.mark.parametrize(
    "structure", STRUCTURES.values(), ids=STRUCTURES
)
each_mode = pytest.mark.parametrize("mode", ["HAADF", "BF"])


def test_there_are_fifteen():
    assert len(STRUCTURES) == 15
    assert set(HELD_OUT_STRUCTURES) < set(STRUCTURES)


@each_structure
def test_every_column_has_its_atoms(structure):
    n = len(structure.sites)
    assert structure.cell.shape == (2, 2)
    assert structure.sites.shape == (n, 2)
    assert len(structure.columns) == n
    assert all(structure.columns)
    assert len(structure.zone_axis) == 3
    np.testing.assert_array_equal(structure.brightness, structure.heights["HAADF"])


@each_structure
@each_mode
def test_appearance_is_relative(structure, mode):
    heights, widths = structure.appearance(mode)
    assert heights.shape == widths.shape == (len(structure.sites),)
    assert heights.max() == 1
    assert heights.min() >= 0
    assert np.average(widths, weights=heights) == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("name", STRUCTURES)
def test_table_is_that_of_the_crystals(name):
    from hyperspy_stem_enhance.simulate.crystals import tabulated_crystals
    from hyperspy_stem_enhance.simulate.projection import project

    crystal, structure = tabulated_crystals()[name], STRUCTURES[name]
    seen = project(crystal.atoms, crystal.zone_axis)
    assert structure.columns == seen.columns
    assert structure.zone_axis == seen.zone_axis
    assert structure.source == crystal.source
    np.testing.assert_allclose(structure.cell, seen.cell, atol=1e-3)
    np.testing.assert_allclose(structure.sites, seen.sites, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "strong", "weak"),
    [
        ("SrTiO3 [001]", "Sr", "Ti O"),
        ("SrTiO3 [110]", "Sr O", "Ti"),
        ("GaAs [110]", "As", "Ga"),
        ("MoS2 [001]", "Mo", "S S"),
        ("Sb2Se3 [001]", "Sb", "Se"),
        ("LiCoO2 [100]", "O", "Li"),
    ],
)
def test_heavy_columns_are_brighter_in_dark_field(name, strong, weak):
    structure = STRUCTURES[name]
    columns = np.array(structure.columns)
    heights = structure.brightness
    assert heights[columns == strong].mean() > heights[columns == weak].mean()


@pytest.mark.parametrize("name", ["SrTiO3 [001]", "TiO2 [100]", "LiCoO2 [100]"])
def test_oxygen_shows_better_in_bright_field(name):
    structure = STRUCTURES[name]
    oxygen = np.array(structure.columns) == "O"
    dark, bright = (structure.appearance(mode)[0][oxygen] for mode in ("BF", "HAADF"))
    assert dark.min() > 2 * bright.max()


def test_columns_that_symmetry_makes_equal_look_alike():
    for name in ("Si [110]", "Pt [110]", "graphene"):
        for mode in ("HAADF", "BF"):
            heights, _ = STRUCTURES[name].appearance(mode)
            assert np.ptp(heights) < 0.12


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match="mode='ADF'"):
        STRUCTURES["Pt [001]"].appearance("ADF")


def test_load_without_ase():
    code = (
        "import sys; sys.modules['ase'] = None\n"
        "from hyperspy_stem_enhance.simulate.structures import STRUCTURES\n"
        "assert len(STRUCTURES) == 15"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
