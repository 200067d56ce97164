import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.lattice import Grains
from hyperspy_stem_enhance.signals.atom_positions import (
    AtomPositions,
    LazyAtomPositions,
)


def perovskite(rng, a=(16.0, 20.0)):
    """Table of columns of a cell of a[0] × a[1] pixels, and their kinds."""
    corner = np.stack(np.mgrid[5:100:1, 5:100:1], -1).reshape(-1, 2)[:, :] - 5.0
    heavy = corner * a
    heavy = heavy[np.all(heavy < 200, axis=1)] + 5
    both = np.concatenate([heavy, heavy + np.array(a) / 2])
    kind = np.repeat([0, 1], len(heavy))
    both = both + rng.normal(0, 0.2, both.shape)
    intensity = np.array([4.0, 2.0])[kind] * rng.normal(1, 0.05, len(kind))
    return np.column_stack([both, intensity]).astype(np.float32), kind


def make_atoms(shape, lazy, rng, units=("nm", "nm")):
    arrays = np.empty(shape or (1,), dtype=object)
    for index in np.ndindex(arrays.shape):
        arrays[index] = perovskite(rng)[0]
    s = hs.signals.Signal2D(np.zeros((*shape, 220, 220), dtype=np.uint8))
    x, y = s.axes_manager.signal_axes
    # The cell is square in these units
    y.scale, y.offset, y.units = 0.025, 3.0, units[0]
    x.scale, x.offset, x.units = 0.020, -1.0, units[1]
    source = da.from_array(arrays, chunks=1) if lazy else arrays
    return AtomPositions.from_arrays(source, s, ("y", "x", "intensity"))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
class TestEveryNavigationShape:
    def test_classify(self, shape, lazy, rng):
        atoms = make_atoms(shape, lazy, rng).classify()
        assert type(atoms) is (LazyAtomPositions if lazy else AtomPositions)
        assert atoms.column_names == ("y", "x", "intensity", "class")
        assert atoms.axes_manager.navigation_shape == (shape or (1,))[::-1]
        kind = perovskite(rng)[1]
        data = atoms.data.compute() if lazy else atoms.data
        for table in data.ravel():
            assert table.dtype == np.float32
            np.testing.assert_array_equal(table[:, 3], kind)
        again = atoms.classify("intensity")
        assert again.column_names == atoms.column_names

    def test_summary_in_calibrated_units(self, shape, lazy, rng):
        table = make_atoms(shape, lazy, rng).lattice_summary()
        assert len(table) == np.prod(shape or (1,))
        assert np.all(table["columns_per_cell"] == 2)
        np.testing.assert_allclose(table[["a", "b"]], 0.4, rtol=5e-3)
        np.testing.assert_allclose(table["gamma"], 90, atol=0.3)
        assert set(table["units"]) == {"nm"}

    def test_fit_lattice(self, shape, lazy, rng):
        atoms = make_atoms(shape, lazy, rng)
        one = atoms.inav[(0,) * max(len(shape), 1)]
        lattice = one.fit_lattice()
        assert lattice.units == "nm"
        assert lattice.a == pytest.approx(0.4, rel=5e-3)
        assert len(lattice.sites) == 2
        pixels = one.single_array()
        np.testing.assert_allclose(
            lattice.positions, [3, -1] + pixels[:, :2] * [0.025, 0.02], rtol=1e-5
        )
        alone = one.fit_lattice(by_intensity=False)
        assert alone.a == pytest.approx(0.4 / np.sqrt(2), rel=5e-3)


def test_images_without_a_lattice(rng):
    tables = [np.empty((0, 3)), perovskite(rng)[0], rng.uniform(0, 99, (50, 3))]
    atoms = AtomPositions.from_arrays(tables)
    summary = atoms.lattice_summary()
    assert list(np.isnan(summary["a"])) == [True, False, True]
    assert list(summary["n_columns"]) == [0, len(tables[1]), 50]
    assert list(summary)[:2] == ["n_columns", "n_on_lattice"]
    classes = atoms.classify()
    assert classes.inav[0].single_array().shape == (0, 4)
    with pytest.raises(ValueError, match="too few"):
        atoms.inav[0].fit_lattice()


def test_without_intensity(rng):
    atoms = AtomPositions.from_arrays(perovskite(rng)[0][:, :2])
    assert len(atoms.fit_lattice().sites) == 1
    with pytest.raises(ValueError, match="no column 'intensity'"):
        atoms.classify()


def test_refuses(rng):
    atoms = make_atoms((), False, rng, units=("nm", "1/nm"))
    for method in (atoms.fit_lattice, atoms.lattice_summary, atoms.classify):
        with pytest.raises(ValueError, match="units nm along y and 1/nm along x"):
            method()
    with pytest.raises(ValueError, match="by='colour'"):
        atoms.classify("colour")
    movie = make_atoms((2,), False, rng)
    with pytest.raises(ValueError, match="takes the atoms of one image"):
        movie.fit_lattice()


def test_units_that_go_into_each_other(rng):
    atoms = make_atoms((), False, rng)
    expected = atoms.fit_lattice()
    image = hs.signals.Signal2D(np.zeros((220, 220), dtype=np.uint8))
    along_x, along_y = image.axes_manager.signal_axes
    along_y.scale, along_y.offset, along_y.units = -25.0, 0.0, "pm"
    along_x.scale, along_x.offset, along_x.units = 0.020, 5.0, "nm"
    mixed = AtomPositions.from_arrays(
        atoms.single_array(), image, ("y", "x", "intensity")
    )
    lattice = mixed.fit_lattice()
    assert lattice.units == "nm"
    assert lattice.a == pytest.approx(expected.a, rel=1e-3)
    assert lattice.b == pytest.approx(expected.b, rel=1e-3)
    table = mixed.lattice_summary()
    assert table["a"].iloc[0] == pytest.approx(lattice.a)


def test_grains(rng):
    i = np.stack(np.mgrid[-20:20, -20:20], -1).reshape(-1, 2)
    c, s = np.cos(0.3), np.sin(0.3)
    left, right = i * (20, 24), i @ [[20 * c, 20 * s], [-24 * s, 24 * c]]
    both = [left[left[:, 1] < 20], right[right[:, 1] > 30]]
    table = np.concatenate(both) + rng.normal(0, 0.3, (sum(map(len, both)), 2))
    table = table[np.abs(table).max(axis=1) < 200]
    atoms = AtomPositions.from_arrays(table)
    with pytest.warns(UserWarning, match="on other lattices"):
        lattice = atoms.fit_lattice()
    grains = atoms.fit_lattice(grains="all")
    assert isinstance(grains, Grains)
    assert len(grains) == 2
    assert grains[0].a == pytest.approx(lattice.a)
    with pytest.raises(ValueError, match="grains=0"):
        atoms.fit_lattice(grains=0)
