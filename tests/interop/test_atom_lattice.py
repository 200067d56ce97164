import hyperspy.api as hs
import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_stem_enhance.interop.atomap import make_atom_lattice
from hyperspy_stem_enhance.signals.atom_positions import AtomPositions

HEIGHT, WIDTH = 90, 130


@pytest.fixture(scope="module")
def truth():
    """Heavy and light columns of a perovskite: y, x, intensity, kind."""
    y, x = (k.ravel() for k in np.mgrid[10.3:85:16, 9.6:128:16])
    heavy = np.stack([y, x, np.full(len(y), 50), np.zeros(len(y))], axis=1)
    light = heavy + np.array([8, 8, -25, 1])
    light = light[(light[:, 0] < HEIGHT - 5) & (light[:, 1] < WIDTH - 5)]
    return np.concatenate([heavy, light])


@pytest.fixture(scope="module")
def image(truth):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    data = np.full((HEIGHT, WIDTH), 10.0, dtype=np.float32)
    for y, x, height, _ in truth:
        data += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 2.2**2))
    s = hs.signals.Signal2D(data)
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.units = 0.025, "nm"
    return s


@pytest.fixture
def atoms(truth, image):
    return AtomPositions.from_arrays(truth[:, :3], image)


def test_a_sublattice_for_each_class(atoms, image, truth):
    lattice = atoms.to_atomap(image, classes=True)
    assert [len(sub.atom_list) for sub in lattice.sublattice_list] == [
        np.sum(truth[:, 3] == 0),
        np.sum(truth[:, 3] == 1),
    ]
    for number, sub in enumerate(lattice.sublattice_list):
        of_class = truth[truth[:, 3] == number]
        assert_allclose(sub.atom_positions, of_class[:, 1::-1], rtol=1e-6)
        assert (sub.pixel_size, sub.units) == (0.025, "nm")
        assert sub.name == f"class {number}"
    assert (lattice.pixel_size, lattice.units) == (0.025, "nm")
    np.testing.assert_array_equal(lattice.image, image.data)
    lattice.get_sublattice_atom_list_on_image()  # Atomap's own methods run


def test_refine_each_sublattice(truth, image):
    start = truth[:, :3].copy()
    start[:, :2] += np.random.default_rng(0).uniform(-0.8, 0.8, (len(truth), 2))
    atoms = AtomPositions.from_arrays(start, image)
    lattice = atoms.to_atomap(image, image, refine=True, classes=truth[:, 3])
    for number, sub in enumerate(lattice.sublattice_list):
        error = sub.atom_positions - truth[truth[:, 3] == number, 1::-1]
        assert np.sqrt(np.mean(error**2)) < 0.05
        assert np.abs(error).max() < 0.4  # at the edges, by Atomap


def test_one_class_is_still_an_atom_lattice(image):
    y, x = (k.ravel() for k in np.mgrid[10:85:16, 10:128:16])
    atoms = AtomPositions.from_arrays(np.stack([y, x, np.ones(len(y))], 1), image)
    assert len(atoms.to_atomap(image, classes=True).sublattice_list) == 1
    assert hasattr(atoms.to_atomap(image), "atom_list")


def test_given_classes_leave_columns_out(atoms, image, truth):
    classes = np.where(truth[:, 3] == 1, -1, 0)
    lattice = atoms.to_atomap(image, classes=classes)
    assert len(lattice.sublattice_list) == 1
    assert len(lattice.sublattice_list[0].atom_list) == np.sum(classes == 0)


def test_classes_of_the_table_are_used(truth, image):
    names = ("y", "x", "intensity", "class")
    atoms = AtomPositions.from_arrays(truth[:, [0, 1, 2, 3]], image, names)
    swapped = atoms.data[0].copy()
    swapped[:, 3] = 1 - swapped[:, 3]
    atoms = AtomPositions.from_arrays(swapped, image, names)
    lattice = atoms.to_atomap(image, classes=True)
    assert len(lattice.sublattice_list[1].atom_list) == np.sum(truth[:, 3] == 0)


def test_there_and_back(atoms, image, truth):
    back = AtomPositions.from_atomap(atoms.to_atomap(image))
    assert back.column_names == ("y", "x", "intensity", "sigma")
    assert_allclose(back.single_array()[:, :2], truth[:, :2], rtol=1e-6)
    assert np.isnan(back.column("sigma")).all()  # not fitted
    y, x = back.image_axes
    assert (y.scale, y.units, y.size) == (0.025, "nm", HEIGHT)
    assert (x.scale, x.units, x.size) == (0.025, "nm", WIDTH)
    with_image = AtomPositions.from_atomap(atoms.to_atomap(image), image)
    assert with_image.image_axes[0].size == HEIGHT


def test_back_from_several_sublattices(atoms, image, truth):
    lattice = atoms.to_atomap(image, refine=True, classes=True)
    back = AtomPositions.from_atomap(lattice)
    assert back.column_names == ("y", "x", "intensity", "sigma", "class")
    kinds = np.sort(truth[:, 3])
    np.testing.assert_array_equal(back.column("class"), kinds)
    assert_allclose(np.median(back.column("sigma")), 2.2, rtol=0.1)
    heights = back.column("intensity")
    assert np.median(heights[kinds == 0]) > 1.5 * np.median(heights[kinds == 1])


class TestRefuses:
    def test_number_of_classes(self, atoms, image):
        with pytest.raises(ValueError, match=r"classes has the shape \(3,\)"):
            atoms.to_atomap(image, classes=[0, 1, 2])

    def test_only_negative_classes(self, image, truth):
        with pytest.raises(ValueError, match="no class that is 0 or more"):
            make_atom_lattice(truth, np.full(len(truth), -1), image)

    def test_something_else(self):
        with pytest.raises(TypeError, match="lattice is a list"):
            AtomPositions.from_atomap([1, 2])
