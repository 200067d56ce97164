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
