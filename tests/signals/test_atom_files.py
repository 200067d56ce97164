"""Positions that were iterated, stacked, sliced or refined load again."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance import AtomPositions

TABLES = [[[12.0, 20.0]], [[12.0, 20.0], [5.0, 5.0]], np.zeros((0, 2))]


@pytest.fixture
def images():
    y, x = np.mgrid[:32, :32]
    spot = np.exp(-((y - 12.3) ** 2 + (x - 20) ** 2) / 9)
    signal = hs.signals.Signal2D(np.stack([spot] * 3))
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.1, "nm"
    return signal


@pytest.fixture
def atoms(images):
    return AtomPositions.from_arrays(TABLES, image=images)


def check_loads_again(signal, folder):
    path = folder / "atoms.hspy"
    signal.save(path, overwrite=True)
    loaded = hs.load(path)
    assert type(loaded) is AtomPositions
    assert loaded.data.shape == signal.data.shape
    assert loaded.column_names == signal.column_names
    assert [axis.units for axis in loaded.image_axes] == ["nm", "nm"]
    expected = signal.data.compute() if signal._lazy else signal.data
    for index in np.ndindex(expected.shape):
        np.testing.assert_array_equal(loaded.data[index], expected[index])
    return loaded


@pytest.mark.parametrize("lazy", [False, True])
def test_iterated(images, atoms, tmp_path, lazy):
    positions = atoms.as_lazy() if lazy else atoms
    for number, (image, found) in enumerate(zip(images, positions, strict=True)):
        assert found.axes_manager.navigation_shape == (1,)
        assert found.metadata.General.title.endswith(f"({number},)")
        np.testing.assert_array_equal(found.single_array(), TABLES[number])
        check_loads_again(found, tmp_path)
        refined = found.refine(image, show_progressbar=False)
        assert "refined" in check_loads_again(refined, tmp_path).column_names
    assert number == 2


def test_iterated_in_two_dimensions():
    tables = np.empty((2, 3), dtype=object)
    for index in np.ndindex(tables.shape):
        tables[index] = np.array([index], dtype=np.float32)
    singles = list(AtomPositions.from_arrays(tables))
    assert len(singles) == 6
    for single in singles:
        [[y, x]] = single.single_array()
        assert single.metadata.General.title.endswith(f"({int(x)}, {int(y)})")


@pytest.mark.parametrize("lazy", [False, True])
def test_stacked(atoms, tmp_path, lazy):
    series = atoms.as_lazy() if lazy else atoms
    stacked = hs.stack([series, series], show_progressbar=False)
    assert stacked.axes_manager.navigation_shape == (3, 2)
    np.testing.assert_array_equal(stacked.n_atoms, [[1, 2, 0]] * 2)
    check_loads_again(stacked, tmp_path)
    check_loads_again(stacked.inav[:2, 1], tmp_path)
    joined = [series.inav[1], series.inav[0]]
    joined = hs.stack(joined, axis=0, show_progressbar=False)
    assert joined.axes_manager.navigation_shape == (2,)
    np.testing.assert_array_equal(joined.n_atoms, [2, 1])
    check_loads_again(joined, tmp_path)


def test_stacked_while_loading(atoms, tmp_path):
    paths = [str(tmp_path / f"{number}.hspy") for number in range(3)]
    for path, single in zip(paths, atoms, strict=True):
        single.save(path)
    stacked = hs.load(paths, stack=True)
    np.testing.assert_array_equal(stacked.n_atoms, [[1], [2], [0]])


def test_stacks_of_different_columns_are_not_saved(images, atoms, tmp_path):
    refined = atoms.refine(images, show_progressbar=False)
    mixed = hs.stack([atoms, refined], show_progressbar=False)
    with pytest.raises(ValueError, match=r"image \(1, 0\).*refine all or none"):
        mixed.save(tmp_path / "mixed.hspy")
    assert not list(tmp_path.iterdir())


def test_positions_have_no_axes_to_exchange(atoms):
    with pytest.raises(RuntimeError, match="can't be transposed"):
        _ = atoms.T
