"""Lattices of real crystals: every column on it, no site empty."""

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

import hyperspy_stem_enhance  # noqa: F401 (gives signals their methods)

ATOMAP = Path(find_spec("atomap").origin).parent / "tests" / "datasets"


@pytest.fixture(scope="module")
def pair():
    found = {}
    for name, mode in (("ADF", "HAADF"), ("ABF", "BF")):
        s = hs.load(ATOMAP / f"test_{name}_cropped.hdf5", file_format="HSPY")
        for axis in s.axes_manager.signal_axes:
            axis.units = "nm"
        found[name] = s.detect_atoms(mode=mode, show_progressbar=False)
    return found


def inside(table):
    """Mask of columns whose centre is not at the edge of the frame."""
    y, x = table[:, :2].T
    return (np.minimum(y, x) > 2.5) & (y < 397) & (x < 377)


def test_pair_of_images_of_a_perovskite(pair):
    adf = pair["ADF"].fit_lattice()
    abf = pair["ABF"].fit_lattice()
    for lattice, columns_per_cell in ((adf, 2), (abf, 3)):
        assert len(lattice.sites) == columns_per_cell
        assert len(lattice.empty_sites()) <= 1
        assert lattice.rms_displacement < 0.008  # nm
    assert np.mean(abf.on_lattice) > 0.98
    # A few oxygen columns show in the dark field too, off its two sites
    columns, every = (pair[name].single_array() for name in ("ADF", "ABF"))
    inner = inside(columns)
    assert np.mean(adf.on_lattice[inner]) > 0.95
    rest = columns[inner & ~adf.on_lattice, :2]
    assert np.max(cKDTree(every[:, :2]).query(rest)[0], initial=0) < 2  # pixels
    # One scan, two detectors
    np.testing.assert_allclose(adf.vectors, abf.vectors, atol=0.002)


def test_kinds_of_columns(pair):
    kinds = pair["ABF"].classify().column("class").astype(int)
    # Columns at the edges are found or not
    kinds = kinds[inside(pair["ABF"].single_array())]
    assert sorted(np.bincount(kinds)) == pytest.approx([104, 112, 117], abs=1)


def test_strontium_titanate(data_dir):
    s = hs.load(data_dir / "haadf" / "16_STOimage_1.ser")
    s = (s[0] if isinstance(s, list) else s).isig[:512, :512]
    atoms = s.detect_atoms(show_progressbar=False)
    lattice = atoms.fit_lattice()
    assert len(lattice.sites) == 2
    assert np.mean(lattice.on_lattice) > 0.985
    assert len(lattice.empty_sites()) == 0
    # a = 390.5 pm; the stored size of a pixel is about 4 % too large
    edge = np.sqrt(abs(np.linalg.det(lattice.vectors)))
    assert edge == pytest.approx(0.3905 * 1.04, rel=0.01)
    local = lattice.local_displacement * 0.3905 / edge
    assert np.sqrt(np.nanmean(local**2)) < 0.005  # nm
    strontium = atoms.classify().column("class") == 0
    assert np.sum(strontium) == pytest.approx(len(strontium) / 2, rel=0.1)
