"""Checks and maps of object arrays that hold one table of columns per image."""

import numpy as np

from hyperspy_stem_enhance.detect.columns import COLUMN_NAMES
from hyperspy_stem_enhance.interop.table import units_of


def map_ragged(data, function, *args):
    """Apply a function to each array of columns.

    Parameters
    ----------
    data : numpy.ndarray or dask.array.Array of object
    function : callable
        Called with one array and ``args``; defined in a module, so that
        it can be sent to workers.
    *args
        Further arguments of the function.

    Returns
    -------
    numpy.ndarray or dask.array.Array of object
        Of the shape of ``data``.
    """
    if isinstance(data, np.ndarray):
        return _map_block(data, function, args)
    meta = np.empty((0,) * data.ndim, dtype=object)
    return data.map_blocks(_map_block, function, args, dtype=object, meta=meta)


def _map_block(block, function, args):
    out = np.empty(block.shape, dtype=object)
    for index in np.ndindex(block.shape):
        out[index] = function(block[index], *args)
    return out


def image_axes_dictionary(signal_axes):
    """Calibration of the image axes as plain values that can be saved.

    Parameters
    ----------
    signal_axes : sequence of hyperspy.axes.BaseDataAxis
        Axes (x, y), in the order of ``image.axes_manager.signal_axes``.

    Returns
    -------
    dict
        By key ``"y"`` and ``"x"``: scale, offset, size, and name and units
        where they are defined.

    Raises
    ------
    ValueError
        If an axis is not uniform, or its calibration is not finite or zero.
    """
    axes = {}
    for key, axis in zip("yx", signal_axes[::-1], strict=True):
        if not axis.is_uniform:
            raise ValueError(
                f"The {key} axis of image ({axis.name}) is not uniform. Convert it "
                "with axis.convert_to_uniform_axis() first."
            )
        if not np.isfinite([axis.scale, axis.offset]).all() or axis.scale == 0:
            raise ValueError(
                f"The {key} axis of image has scale={axis.scale} and "
                f"offset={axis.offset}, of which no positions can be calculated. "
                "Correct them; where the pixel size is unknown, "
                "set axis.scale = 1, axis.offset = 0 and axis.units = ''."
            )
        node = {"scale": axis.scale, "offset": axis.offset, "size": axis.size}
        if isinstance(axis.name, str):
            node["name"] = axis.name
        if isinstance(axis.units, str) and axis.units:
            node["units"] = axis.units
        axes[key] = node
    return axes


def common_scale(image_axes, caller):
    """Scale, offset and units for lengths across both image axes.

    Parameters
    ----------
    image_axes : tuple of hyperspy.axes.UniformDataAxis
        Axes (y, x).
    caller : str
        What needs them, for the error message.

    Returns
    -------
    scale, offset : numpy.ndarray of float64, shape (2,)
        Along y and x, in ``units``.
    units : str
        Those of the x axis; "px" where the axes have none.

    Raises
    ------
    ValueError
        If one axis has units that do not go into those of the other.
    """
    y, x = image_axes
    along = [(axis.scale, axis.offset) for axis in (y, x)]
    units = units_of(x)
    if units_of(y) != units:
        try:
            # Without units, it would choose some
            scale, offset, _ = y.convert_to_units(units or "px", inplace=False)
            along[0] = scale, offset
        except Exception as error:  # pint has many ways to refuse a unit
            raise ValueError(
                f"{caller} measures lengths, and the image axes have the units "
                f"{units_of(y)} along y and {units} along x. Give both the same, "
                "for example by `axis.units = 'nm'`, before detecting."
            ) from error
    scale, offset = np.array(along, dtype=np.float64).T
    return scale, offset, units or "px"


def ragged_data(arrays, column_names):
    """Object array of float32 arrays of columns, and the names of these.

    Parameters
    ----------
    arrays : array-like or dask.array.Array
        As for :meth:`AtomPositions.from_arrays`.
    column_names : sequence of str or None

    Returns
    -------
    data : numpy.ndarray or dask.array.Array of object
        At least one-dimensional.
    names : tuple of str

    Raises
    ------
    ValueError
        If an array is not of shape (n, k), k differs between arrays or
        from the number of names.
    """
    if hasattr(arrays, "dask"):
        data = arrays.reshape((1,)) if arrays.ndim == 0 else arrays
        return data, _check_names(column_names or COLUMN_NAMES)
    if not (isinstance(arrays, np.ndarray) and arrays.dtype == object):
        if isinstance(arrays, np.ndarray) and arrays.ndim == 2:
            arrays = [arrays]
        listed, arrays = arrays, np.empty(len(arrays), dtype=object)
        for index, columns in enumerate(listed):
            arrays[index] = np.asarray(columns, dtype=np.float32)
    data = np.empty(arrays.shape or (1,), dtype=object)
    shapes = {np.shape(columns) for columns in arrays.ravel()}
    widths = {shape[1] for shape in shapes if len(shape) == 2}
    if any(len(shape) != 2 for shape in shapes) or len(widths) > 1:
        raise ValueError(
            f"arrays has elements of the shapes {sorted(shapes)}, expected "
            "(n_atoms, k) with the same k for every image."
        )
    k = widths.pop() if widths else len(COLUMN_NAMES)
    if column_names is None and k > len(COLUMN_NAMES):
        raise ValueError(
            f"column_names is missing for arrays with {k} columns. Name them, "
            "starting with 'y', 'x'."
        )
    names = _check_names(COLUMN_NAMES[:k] if column_names is None else column_names)
    if len(names) != k:
        raise ValueError(
            f"column_names={names} names {len(names)} columns, the arrays have {k}."
        )
    for index, columns in zip(np.ndindex(data.shape), arrays.ravel(), strict=True):
        data[index] = np.ascontiguousarray(columns, dtype=np.float32)
    return data, names


def _check_names(names):
    names = tuple(names)
    if names[:2] != ("y", "x"):
        raise ValueError(f"column_names={names} must start with 'y', 'x'.")
    return names
