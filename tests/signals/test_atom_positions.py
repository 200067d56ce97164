import dask.array as da
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hyperspy.axes import DataAxis

from hyperspy_stem_enhance.detect.columns import COLUMN_NAMES
from hyperspy_stem_enhance.signals.atom_positions import (
    AtomPositions,
    LazyAtomPositions,
)

NAVIGATION_SHAPES = [(), (1,), (4,), (2, 3)]


def make_arrays(shape, k=5):
    """Ragged arrays; the last one is empty where there are several."""
    rng = np.random.default_rng(7)
    arrays = np.empty(shape or (1,), dtype=object)
    for n, index in enumerate(np.ndindex(arrays.shape)):
        count = 0 if n == arrays.size - 1 > 0 else n + 2
        columns = rng.uniform(0, 20, (count, k))
        arrays[index] = columns.astype(np.float32)
    return arrays


def make_image(shape):
    s = hs.signals.Signal2D(np.zeros((*shape, 20, 30), dtype=np.uint8))
    x, y = s.axes_manager.signal_axes
    x.scale, x.offset, x.units, x.name = 0.02, 3.0, "nm", "width"
    y.scale, y.offset, y.units, y.name = 0.02, -1.0, "nm", "height"
    for axis in s.axes_manager.navigation_axes:
        axis.scale, axis.units = 0.5, "s"
    s.metadata.General.title = "A movie"
    s.metadata.set_item("Acquisition_instrument.TEM.beam_energy", 200.0)
    return s


def make_atoms(shape, lazy):
    arrays = make_arrays(shape)
    source = da.from_array(arrays, chunks=1) if lazy else arrays
    return AtomPositions.from_arrays(source, make_image(shape)), arrays


def assert_same_arrays(atoms, arrays):
    data = atoms.data.compute() if atoms._lazy else atoms.data
    assert data.shape == arrays.shape
    for found, expected in zip(data.ravel(), arrays.ravel(), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shape", NAVIGATION_SHAPES)
class TestEveryNavigationShape:
    def test_from_arrays(self, shape, lazy):
        atoms, arrays = make_atoms(shape, lazy)
        assert type(atoms) is (LazyAtomPositions if lazy else AtomPositions)
        assert atoms.axes_manager.navigation_shape == (shape or (1,))[::-1]
        assert atoms.ragged
        assert atoms.metadata.General.title == "A movie"
        assert atoms.metadata.Acquisition_instrument.TEM.beam_energy == 200
        assert atoms.metadata.Signal.signal_type == "AtomPositions"
        assert atoms.column_names == COLUMN_NAMES
        assert_same_arrays(atoms, arrays)
        expected = [len(a) for a in arrays.ravel()]
        np.testing.assert_array_equal(atoms.n_atoms.ravel(), expected)
        assert atoms.n_atoms.shape == arrays.shape
        if shape:
            axis = atoms.axes_manager.navigation_axes[0]
            assert (axis.scale, axis.units) == (0.5, "s")

    @pytest.mark.parametrize("load_lazy", [False, True])
    def test_save_and_load(self, shape, lazy, load_lazy, tmp_path):
        atoms, arrays = make_atoms(shape, lazy)
        atoms.save(tmp_path / "atoms.hspy")
        loaded = hs.load(tmp_path / "atoms.hspy", lazy=load_lazy)
        assert type(loaded) is (LazyAtomPositions if load_lazy else AtomPositions)
        assert loaded.axes_manager.navigation_shape == (shape or (1,))[::-1]
        assert loaded.column_names == COLUMN_NAMES
        assert loaded.metadata.General.title == "A movie"
        y, x = loaded.image_axes
        assert (y.scale, y.offset, y.units, y.name) == (0.02, -1, "nm", "height")
        assert (x.scale, x.offset, x.units, x.name) == (0.02, 3, "nm", "width")
        assert (y.size, x.size) == (20, 30)
        assert_same_arrays(loaded, arrays)
        if load_lazy:
            loaded.compute()
            assert type(loaded) is AtomPositions
            loaded.close_file() if hasattr(loaded, "close_file") else None

    @pytest.mark.filterwarnings("ignore:.*NestedDirectoryStore:FutureWarning")
    def test_zspy(self, shape, lazy, tmp_path):
        zarr = pytest.importorskip("zarr", reason=".zspy needs zarr < 3")
        if int(zarr.__version__.split(".")[0]) > 2:
            pytest.skip(f".zspy needs zarr < 3, this is {zarr.__version__}")
        atoms, arrays = make_atoms(shape, lazy)
        atoms.save(tmp_path / "atoms.zspy")
        for load_lazy in (False, True):
            loaded = hs.load(tmp_path / "atoms.zspy", lazy=load_lazy)
            assert type(loaded) is (LazyAtomPositions if load_lazy else AtomPositions)
            assert loaded.column_names == COLUMN_NAMES
            assert loaded.image_axes[1].units == "nm"
            assert_same_arrays(loaded, arrays)

    def test_inav(self, shape, lazy):
        atoms, arrays = make_atoms(shape, lazy)
        one = atoms.inav[1, 0] if len(shape) == 2 else atoms.inav[0]
        expected = arrays[0, 1] if len(shape) == 2 else arrays[0]
        assert type(one) is type(atoms)
        assert one.axes_manager.navigation_shape == (1,)
        np.testing.assert_array_equal(one.single_array(), expected)
        assert one.image_axes[0].units == "nm"
        part = atoms.inav[:1]
        assert_same_arrays(part, arrays[..., :1])

    def test_dataframe(self, shape, lazy):
        atoms, arrays = make_atoms(shape, lazy)
        table = atoms.to_dataframe()
        assert isinstance(table, pd.DataFrame)
        stacked = np.concatenate(list(arrays.ravel()))
        np.testing.assert_array_equal(table[list(COLUMN_NAMES)], stacked)
        np.testing.assert_allclose(
            table["y_calibrated"], -1 + 0.02 * stacked[:, 0], rtol=1e-6
        )
        np.testing.assert_allclose(
            table["x_calibrated"], 3 + 0.02 * stacked[:, 1], rtol=1e-6
        )
        assert set(table["units"]) == {"nm"}
        counts = [len(a) for a in arrays.ravel()]
        np.testing.assert_array_equal(
            table["frame"], np.repeat(np.arange(arrays.size), counts)
        )
        if len(shape) == 2:
            # In the order of inav: the fastest axis first.
            np.testing.assert_array_equal(table["frame_0"], table["frame"] % 3)
            np.testing.assert_array_equal(table["frame_1"], table["frame"] // 3)

    def test_markers_follow_the_navigation(self, shape, lazy):
        atoms, arrays = make_atoms(shape, lazy)
        image = make_image(shape)
        image.plot()
        markers = atoms.to_markers()
        image.add_marker(markers)
        index = (1, 0) if len(shape) == 2 else (0,) * len(shape)
        image.axes_manager.indices = index
        expected = arrays[index[::-1] or 0]
        offsets = markers.get_current_kwargs()["offsets"]
        np.testing.assert_allclose(offsets[:, 0], 3 + 0.02 * expected[:, 1], rtol=1e-6)
        np.testing.assert_allclose(offsets[:, 1], -1 + 0.02 * expected[:, 0], rtol=1e-6)
        plt.close("all")

    def test_deepcopy_and_set_signal_type(self, shape, lazy):
        atoms, arrays = make_atoms(shape, lazy)
        copy = atoms.deepcopy()
        copy.set_signal_type("AtomPositions")
        assert type(copy) is type(atoms)
        assert_same_arrays(copy, arrays)
        lazily = atoms.as_lazy()
        assert type(lazily) is LazyAtomPositions
        assert_same_arrays(lazily, arrays)


def test_list_without_an_image():
    atoms = AtomPositions.from_arrays([np.ones((3, 2)), np.empty((0, 2))])
    assert atoms.column_names == ("y", "x")
    np.testing.assert_array_equal(atoms.n_atoms, [3, 0])
    table = atoms.to_dataframe()
    assert list(table["y_calibrated"]) == [1, 1, 1]
    assert set(table["units"]) == {"px"}


def test_extra_columns_need_names():
    with pytest.raises(ValueError, match=r"column_names is missing .* 6 columns"):
        AtomPositions.from_arrays([np.ones((3, 6))])
    names = ["y", "x", "a", "b", "c", "d"]
    atoms = AtomPositions.from_arrays([np.ones((3, 6))], column_names=names)
    assert atoms.column_names == tuple(names)
    assert list(atoms.to_dataframe()["d"]) == [1, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "names", "message"),
    [
        ([np.ones((3, 2)), np.ones((2, 3))], None, r"\(2, 3\), \(3, 2\)"),
        ([np.ones(3)], None, r"\(3,\)"),
        ([np.ones((3, 2))], ["x", "y"], "must start with 'y', 'x'"),
        ([np.ones((3, 2))], ["y", "x", "sigma"], "names 3 columns, the arrays have 2"),
    ],
)
def test_refuses_arrays(arrays, names, message):
    with pytest.raises(ValueError, match=message):
        AtomPositions.from_arrays(arrays, column_names=names)


def test_refuses_another_navigation_shape():
    with pytest.raises(ValueError, match=r"\(2,\), expected .* \(4,\)"):
        AtomPositions.from_arrays([np.ones((1, 2))] * 2, make_image((4,)))


def test_refuses_axes_that_are_not_uniform():
    image = make_image(())
    values = np.arange(20.0) ** 2
    image.axes_manager._axes[0] = DataAxis(axis=values, name="height")
    with pytest.raises(ValueError, match=r"y axis of image .height. is not uniform"):
        AtomPositions.from_arrays([np.ones((1, 2))], image)


@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize(
    ("name", "value"), [("scale", 0.0), ("scale", np.nan), ("offset", np.inf)]
)
def test_refuses_calibrations_that_are_none(which, name, value):
    image = make_image(())
    setattr(image.axes_manager.signal_axes["xy".index(which)], name, value)
    message = rf"The {which} axis .*{name}={value}.*axis\.scale = 1"
    with pytest.raises(ValueError, match=message):
        AtomPositions.from_arrays(make_arrays(()), image=image)
    with pytest.raises(ValueError, match=message):
        image.detect_atoms()


def test_refuses_plain_numbers():
    with pytest.raises(TypeError, match="from_arrays"):
        AtomPositions(np.ones((3, 2)))


def test_one_image_at_a_time():
    atoms, _ = make_atoms((4,), lazy=False)
    with pytest.raises(ValueError, match=r"to_atomap .* \(4,\).*inav"):
        atoms.to_atomap(image=make_image(()))


def test_plot():
    atoms, _ = make_atoms((4,), lazy=False)
    image = make_image((4,))
    atoms.plot(image, color="blue")
    assert image._plot.signal_plot.ax_markers
    plt.close("all")
    with pytest.raises(ValueError, match="image=None"):
        atoms.plot()


def test_survives_squeeze_before_saving(tmp_path):
    atoms, arrays = make_atoms((1,), lazy=False)
    atoms.squeeze().save(tmp_path / "atoms.hspy")
    assert_same_arrays(hs.load(tmp_path / "atoms.hspy"), arrays)
