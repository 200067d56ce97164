import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.interop.atomap import make_sublattice
from hyperspy_stem_enhance.signals.atom_positions import AtomPositions

HEIGHT, WIDTH = 60, 90


@pytest.fixture(scope="module")
def truth():
    y, x = np.mgrid[10.3:55:12, 9.6:88:13]
    return np.stack([y.ravel(), x.ravel()], axis=1)


@pytest.fixture
def image(truth):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    data = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    for y, x in truth:
        data += 50 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 2.5**2))
    s = hs.signals.Signal2D(data + 10)
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.offset, axis.units = 0.25, 7.0, "nm"
    return s


def xy(truth):
    return truth[:, ::-1]


def test_x_first_pixels_without_offset(image, truth):
    lattice = make_sublattice(np.hstack([truth, np.ones((len(truth), 3))]), image)
    np.testing.assert_allclose(lattice.atom_positions, xy(truth))
    assert (lattice.pixel_size, lattice.units) == (0.25, "nm")
    np.testing.assert_array_equal(lattice.image, image.data)
    np.testing.assert_array_equal(lattice.original_image, image.data)


@pytest.mark.parametrize("dark", [False, True])
def test_refine_on_the_original_image(image, truth, dark):
    blurred = image.deepcopy()
    blurred.data = np.roll(blurred.data, 2, axis=1)
    if dark:
        image.data = 100 - image.data
    start = truth + np.random.default_rng(0).uniform(-1, 1, truth.shape)
    lattice = make_sublattice(start, blurred, image, refine=True)
    error = lattice.atom_positions - xy(truth)
    assert np.abs(error).max() < 0.2  # what Atomap reaches
    assert np.abs(start - truth).max() > 0.5


def test_invert_can_be_chosen(image, truth):
    lattice = make_sublattice(truth, image, invert=True)
    np.testing.assert_allclose(
        lattice.image, image.data.max() - image.data, rtol=1e-6, atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int32", ">f4", "float64"])
def test_dtypes(image, truth, dtype):
    image.data = image.data.astype(dtype)
    lattice = make_sublattice(truth, image, image)
    np.testing.assert_allclose(lattice.image, image.data.astype(float))
    assert lattice.image.dtype in (np.float32, np.float64)
    assert lattice.original_image.dtype == lattice.image.dtype


def test_lazy_and_single_frame_of_a_movie(image, truth):
    lazy = image.as_lazy()
    assert isinstance(lazy.data, da.Array)
    frame = hs.signals.Signal2D(image.data[np.newaxis])
    for s in (lazy, frame):
        lattice = make_sublattice(truth, s)
        np.testing.assert_array_equal(lattice.image, image.data)


def test_negative_and_missing_pixels(image, truth):
    image.data = image.data - 30
    image.data[0, 0] = np.nan
    lattice = make_sublattice(truth, image)
    assert np.isfinite(lattice.image).all()
    assert lattice.image.min() == 0
    np.testing.assert_allclose(lattice.image[5], image.data[5] + 20, atol=1e-4)


def test_from_atom_positions(image, truth):
    atoms = AtomPositions.from_arrays([truth], image=None)
    lattice = atoms.inav[0].to_atomap(image=image)
    np.testing.assert_allclose(lattice.atom_positions, xy(truth), rtol=1e-6)
    assert lattice.units == "nm"


def test_no_columns(image):
    assert len(make_sublattice(np.empty((0, 5)), image).atom_list) == 0


def test_plain_array(image, truth):
    lattice = make_sublattice(truth, image.data)
    assert (lattice.pixel_size, lattice.units) == (1, "pixel")


class TestRefuses:
    def test_pixels_that_are_not_square(self, image, truth):
        image.axes_manager.signal_axes[0].scale = 0.3
        with pytest.raises(ValueError, match=r"0.25 by 0.3 nm .*square"):
            make_sublattice(truth, image)

    def test_units_that_differ(self, image, truth):
        image.axes_manager.signal_axes[0].units = "pm"
        with pytest.raises(ValueError, match=r"by 0.25 pm .*square"):
            make_sublattice(truth, image)
        image.axes_manager.signal_axes[0].units = "1/nm"
        with pytest.raises(ValueError, match="units nm along y and 1/nm along x"):
            make_sublattice(truth, image)

    def test_movie(self, image, truth):
        movie = hs.signals.Signal2D(np.zeros((3, HEIGHT, WIDTH)))
        with pytest.raises(
            ValueError, match=r"image has the shape \(3, 60, 90\).*inav"
        ):
            make_sublattice(truth, movie)
        with pytest.raises(ValueError, match=r"original_image has the shape \(3,"):
            make_sublattice(truth, image, movie)

    def test_another_shape(self, image, truth):
        with pytest.raises(ValueError, match=r"\(59, 90\), image \(60, 90\)"):
            make_sublattice(truth, image, image.isig[:, 1:])

    def test_positions_outside(self, image, truth):
        with pytest.raises(ValueError, match="outside of an image"):
            make_sublattice(truth, image.isig[:50, :])

    def test_too_few_to_refine(self, image, truth):
        with pytest.raises(ValueError, match="there are 1"):
            make_sublattice(truth[:1], image, refine=True)

    def test_no_finite_pixel(self, image, truth):
        image.data[:] = np.nan
        with pytest.raises(ValueError, match="image has no finite pixel"):
            make_sublattice(truth, image)


@pytest.mark.parametrize(
    ("y", "x"),
    [
        ((-0.25, 7.0, "nm"), (-0.25, 3.0, "nm")),
        ((-0.25, 7.0, "nm"), (0.25, -2.0, "nm")),
        ((2.5e-4, 1.0, "µm"), (0.25, 5.0, "nm")),
        ((0.25, 1.0, "nm"), (-250.0, 5.0, "pm")),
        ((2.5, 1.0, "Å"), (0.25, 5.0, "nm")),
    ],
)
def test_axes_there_and_back(image, truth, y, x):
    axes = image.axes_manager.signal_axes[::-1]
    for axis, values in zip(axes, (y, x), strict=True):
        axis.scale, axis.offset, axis.units = values
    atoms = AtomPositions.from_arrays(truth, image)
    lattice = atoms.to_atomap(image)
    np.testing.assert_allclose(lattice.pixel_size, abs(x[0]))
    assert lattice.units == x[2]
    back = AtomPositions.from_atomap(lattice)
    np.testing.assert_allclose(back.calibrated()[0], atoms.calibrated()[0], rtol=1e-5)
    assert back.calibrated()[1] == atoms.calibrated()[1]
    steps = np.diff(atoms.calibrated()[0][:2, 1])
    np.testing.assert_allclose(np.abs(steps), 13 * abs(x[0]), rtol=1e-5)
