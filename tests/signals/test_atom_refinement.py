"""Refinement of `AtomPositions` on images of any navigation shape."""

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance import AtomPositions
from hyperspy_stem_enhance.detect.refinement import refine_positions
from hyperspy_stem_enhance.simulate.render import render_columns

SHAPE = (64, 80)
QUIET = {"show_progressbar": False}
ADDED = ("height", "background", "y_error", "x_error", "refined")


def make(navigation, rng):
    """Images of columns 16 pixels apart, and their rough positions."""
    grid = np.stack(np.mgrid[12:60:16, 12:76:16], -1).reshape(-1, 2)
    tables = np.empty(navigation or (1,), dtype=object)
    images = np.empty((*tables.shape, *SHAPE), dtype=np.float32)
    for number, index in enumerate(np.ndindex(tables.shape)):
        true = (grid + rng.uniform(-0.5, 0.5, grid.shape))[: len(grid) - number]
        n = len(true)
        clean = render_columns(true, np.full(n, 90.0), np.full(n, 2.4), SHAPE) + 15
        images[index] = rng.poisson(clean)
        table = np.column_stack([true + rng.normal(0, 0.3, true.shape), np.ones(n)])
        tables[index] = table.astype(np.float32)
    s = hs.signals.Signal2D(images if navigation else images[0])
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.units = 0.02, "nm"
    s.metadata.General.title = "lattice"
    names = ("y", "x", "confidence")
    return s, AtomPositions.from_arrays(tables, image=s, column_names=names)


@pytest.mark.parametrize("navigation", [(), (3,), (2, 2)])
@pytest.mark.parametrize("lazy", ["neither", "image", "both"])
def test_any_navigation_shape_lazy_or_not(navigation, lazy, rng):
    s, atoms = make(navigation, rng)
    expected = [
        refine_positions(image, table)
        for image, table in zip(
            s.data.reshape(-1, *SHAPE), atoms.data.ravel(), strict=True
        )
    ]
    if lazy != "neither":
        s = s.as_lazy()
    if lazy == "both":
        chunks = (1,) * atoms.data.ndim
        atoms = AtomPositions.from_arrays(
            da.from_array(atoms.data, chunks=chunks),
            image=s,
            column_names=atoms.column_names,
        )
    result = atoms.refine(s, **QUIET)
    assert result._lazy == (lazy != "neither")
    if result._lazy:
        result.compute(**QUIET)
    assert type(result) is AtomPositions
    assert result.data.shape == (navigation or (1,))
    assert result.column_names[:3] == ("y", "x", "confidence")
    assert set(ADDED) <= set(result.column_names)
    assert [axis.units for axis in result.image_axes] == ["nm", "nm"]
    for table, known in zip(result.data.ravel(), expected, strict=True):
        assert table.dtype == np.float32
        np.testing.assert_allclose(table[:, :2], known[:, :2], atol=1e-4)
        np.testing.assert_array_equal(table[:, 2], 1)
        place = result.column_names.index("y_error")
        np.testing.assert_allclose(table[:, place], known[:, -3], rtol=1e-3)


def test_columns_are_replaced_not_doubled(rng):
    s, atoms = make((), rng)
    once = atoms.refine(s, "elliptical", **QUIET)
    twice = once.refine(s, "elliptical", **QUIET)
    assert twice.column_names == once.column_names
    np.testing.assert_allclose(
        twice.single_array()[:, :2], once.single_array()[:, :2], atol=0.01
    )
    assert "rotation" in once.to_dataframe()
    # The positions that came in are as they were.
    assert atoms.column_names == ("y", "x", "confidence")


def test_records_what_was_done(rng):
    s, atoms = make((), rng)
    result = atoms.refine(s, mask_radius=6.0, **QUIET)
    record = result.metadata.STEM_enhance.refine
    assert record.method == "gaussian"
    assert record.mask_radius == 6.0
    assert record.has_item("version")
    assert not atoms.metadata.has_item("STEM_enhance.refine")
    assert result.metadata.General.title == "lattice"


def test_saved_and_loaded(rng, tmp_path):
    s, atoms = make((2,), rng)
    result = atoms.refine(s, variance=(1, 0), **QUIET)
    result.save(tmp_path / "atoms.hspy")
    loaded = hs.load(tmp_path / "atoms.hspy")
    assert loaded.column_names == result.column_names
    np.testing.assert_array_equal(loaded.data[1], result.data[1])
    assert tuple(loaded.metadata.STEM_enhance.refine.variance) == (1, 0)


def test_noise_of_the_metadata_is_used(rng):
    s, atoms = make((), rng)
    node = "Signal.Noise_properties.Variance_linear_model"
    s.metadata.set_item(node, {"gain_factor": 1.0, "gain_offset": 0.0})
    known = atoms.refine(s, **QUIET)
    given = atoms.refine(s, variance=(1, 0), **QUIET)
    np.testing.assert_array_equal(known.single_array(), given.single_array())
    assert tuple(known.metadata.STEM_enhance.refine.variance) == (1, 0)


def test_one_bad_frame_and_one_without_atoms(rng):
    s, atoms = make((3,), rng)
    s.data[1] = np.nan
    atoms.data[2] = np.empty((0, 3), dtype=np.float32)
    with pytest.warns(UserWarning, match=r"inav\[1\]"):
        result = atoms.refine(s, **QUIET)
    k = len(result.column_names)
    assert [table.shape for table in result.data] == [(12, k), (0, k), (0, k)]


def test_dark_columns(rng):
    s, atoms = make((), rng)
    bright = atoms.refine(s, **QUIET).single_array()
    s.data = 200 - s.data
    dark = atoms.refine(s, mode="BF", **QUIET).single_array()
    np.testing.assert_allclose(dark[:, :2], bright[:, :2], atol=1e-3)


def test_dark_columns_of_a_camera(rng):
    s, atoms = make((2,), rng)
    bright = atoms.refine(s, mode="HRTEM", **QUIET)
    s.data = 200 - s.data
    dark = atoms.refine(s, mode="HRTEM", contrast="dark", **QUIET)
    for found, expected in zip(dark.data, bright.data, strict=True):
        np.testing.assert_allclose(found[:, :2], expected[:, :2], atol=1e-3)
    assert dark.metadata.STEM_enhance.refine.contrast == "dark"
    with pytest.raises(ValueError, match="contrast='dark' belongs to mode='HRTEM'"):
        atoms.refine(s, contrast="dark", **QUIET)


def test_refuses(rng):
    s, atoms = make((3,), rng)
    with pytest.raises(ValueError, match=r"image has the navigation shape \(1,\)"):
        atoms.refine(s.inav[0], **QUIET)
    with pytest.raises(ValueError, match="method='gauss'"):
        atoms.refine(s, "gauss", **QUIET)
    with pytest.raises(TypeError, match="complex"):
        atoms.refine(s + 1j, **QUIET)
