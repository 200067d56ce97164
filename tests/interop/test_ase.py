import hyperspy.api as hs
import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_stem_enhance.signals.atom_positions import AtomPositions


def make_image(units="nm", scale=(0.02, 0.03), offset=(1.0, -2.0)):
    """Signal of 20 rows and 30 columns, with (y, x) calibration."""
    s = hs.signals.Signal2D(np.zeros((20, 30)))
    x, y = s.axes_manager.signal_axes
    for axis, one, start in zip((y, x), scale, offset, strict=True):
        axis.scale, axis.offset, axis.units = one, start, units
    return s


@pytest.mark.parametrize(
    ("units", "factor"),
    [("nm", 10), ("pm", 0.01), ("Å", 1), ("Angstrom", 1), ("µm", 1e4)],
)
def test_angstrom_with_offset_and_anisotropic_pixels(units, factor):
    table = np.array([[4.0, 25.0, 7.0], [10.0, 3.0, 9.0]])
    atoms = AtomPositions.from_arrays(table, make_image(units)).to_ase("Pt")
    expected = np.stack(
        [-2 + 0.03 * table[:, 1], 1 + 0.02 * table[:, 0], [0, 0]], axis=1
    )
    assert_allclose(atoms.positions, factor * expected, rtol=1e-5)
    assert_allclose(np.diag(atoms.cell), factor * np.array([0.9, 0.4, 0]))
    assert not atoms.pbc.any()
    assert_allclose(atoms.arrays["intensity"], [7, 9])
    assert atoms.get_chemical_symbols() == ["Pt", "Pt"]


def test_symbols_by_class_and_heights():
    table = np.array([[1.0, 2, 9, 1, 1, 0], [5, 2, 3, 1, 1, 1], [9, 9, 5, 1, 1, -1]])
    names = ("y", "x", "intensity", "sigma", "confidence", "class")
    atoms = AtomPositions.from_arrays(table, make_image(), names)
    found = atoms.to_ase({0: "Sr", 1: "Ti"}, heights=[1.0, 2.0, 3.0])
    assert found.get_chemical_symbols() == ["Sr", "Ti", "X"]
    assert_allclose(found.positions[:, 2], [1, 2, 3])
    assert atoms.to_ase(["C", "N", "O"]).get_chemical_symbols() == ["C", "N", "O"]


def test_no_columns():
    atoms = AtomPositions.from_arrays(np.empty((0, 2)), make_image())
    assert len(atoms.to_ase()) == 0


@pytest.mark.parametrize("units", ["1/nm", "px", ""])
def test_refuses_units(units):
    atoms = AtomPositions.from_arrays(np.ones((1, 2)), make_image(units))
    with pytest.raises(ValueError, match=rf"y axis has the units '{units}'"):
        atoms.to_ase()


def test_refuses():
    atoms = AtomPositions.from_arrays(np.ones((2, 2)), make_image())
    with pytest.raises(ValueError, match="symbols has 1 values for 2 columns"):
        atoms.to_ase(["Pt"])
    with pytest.raises(ValueError, match=r"no column 'class'.*classify"):
        atoms.to_ase({0: "Pt"})
    movie = AtomPositions.from_arrays([np.ones((2, 2))] * 2)
    with pytest.raises(ValueError, match="to_ase takes the atoms of one image"):
        movie.to_ase()
