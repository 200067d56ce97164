"""Images in colour: grey ones are worked on, others are refused with a way out."""

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse

RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([*RGB.descr, ("A", "u1")])
RGB16 = np.dtype([("R", "u2"), ("G", "u2"), ("B", "u2")])


@pytest.fixture
def grey(rng):
    y, x = np.mgrid[:64, :80]
    clean = np.sin(np.pi * y / 8) ** 8 * np.sin(np.pi * x / 8) ** 8
    return rng.poisson(60 * clean + 5).astype("uint8")


def in_colour(grey, dtype=RGB, lazy=False, factors=(1, 1, 1)):
    data = np.zeros(grey.shape, dtype)
    for name, factor in zip("RGB", factors, strict=True):
        data[name] = grey * factor
    s = hs.signals.Signal2D(da.from_array(data) if lazy else data)
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.units = 0.02, "nm"
    return s.as_lazy() if lazy else s


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", [RGB, RGBA, RGB16])
def test_equal_channels_are_grey(grey, dtype, lazy):
    s = in_colour(grey, dtype, lazy)
    found = hse.to_grey(s)
    assert found._lazy == lazy
    assert found.data.dtype == dtype["R"]
    np.testing.assert_array_equal(np.asarray(found.data), grey)
    assert found.axes_manager[0].scale == 0.02
    assert s.data.dtype == dtype


def test_methods_take_grey_in_colour(grey):
    plain = hs.signals.Signal2D(grey)
    options = {"method": "classical", "show_progressbar": False}
    expected = plain.detect_atoms(**options).single_array()
    assert len(expected) > 20
    for shape in ((), (2,)):
        data = np.broadcast_to(grey, (*shape, *grey.shape))
        atoms = in_colour(data).detect_atoms(**options)
        first = atoms.inav[0] if shape else atoms
        np.testing.assert_array_equal(first.single_array(), expected)


def test_other_colours(grey):
    s = in_colour(grey, factors=(1, 2, 0))
    with pytest.raises(TypeError, match=r"in colour.*hyperspy_stem_enhance\.to_grey"):
        s.detect_atoms()
    found = hse.to_grey(s)
    assert found.data.dtype == np.float32
    expected = 0.299 * grey + 0.587 * (2.0 * grey)
    np.testing.assert_allclose(found.data, expected, rtol=1e-5)
    with pytest.raises(TypeError, match="not in colour"):
        hse.to_grey(found)


@pytest.mark.parametrize("method", ["detect_atoms", "enhance_sfin", "calibrate_noise"])
def test_signals_that_are_no_images(method):
    stack = hs.signals.Signal2D(np.ones((20, 24, 4, 4)))
    virtual = stack.sum(axis=stack.axes_manager.signal_axes)
    with pytest.raises(AttributeError, match=r"s\.T"):
        getattr(virtual, method)
    assert not hasattr(virtual, method)
    assert hasattr(virtual.T, method)
    waves = hs.signals.ComplexSignal2D(np.ones((20, 24), complex))
    with pytest.raises(AttributeError, match=r"s\.amplitude"):
        getattr(waves, method)
    assert hasattr(waves.amplitude, method)
