"""Columns of all images as one pandas table."""

import numpy as np


def units_of(axis):
    """Units of an axis, None where they are not defined."""
    return axis.units if isinstance(axis.units, str) and axis.units else None


def make_table(data, column_names, image_axes, navigation_axes=()):
    """Table of all atoms with pixel and calibrated coordinates.

    Parameters
    ----------
    data : numpy.ndarray of object
        One (n_atoms, k) array per image.
    column_names : sequence of str
        Names of the k columns, starting with ``"y", "x"``.
    image_axes : tuple of hyperspy.axes.UniformDataAxis
        Axes (y, x) of the images.
    navigation_axes : sequence of hyperspy.axes.BaseDataAxis, optional
        Axes of ``data``, in the order of ``inav``.

    Returns
    -------
    pandas.DataFrame
        See :meth:`AtomPositions.to_dataframe`.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy.axes import UniformDataAxis
    >>> data = np.empty(1, dtype=object)
    >>> data[0] = np.array([[2.0, 5.0]])
    >>> axes = [UniformDataAxis(size=9, scale=0.1, units="nm")] * 2
    >>> make_table(data, ["y", "x"], axes)
       frame    y    x  y_calibrated  x_calibrated units
    0      0  2.0  5.0           0.2           0.5    nm
    """
    import pandas as pd

    counts = [len(columns) for columns in data.ravel()]
    frame = np.repeat(np.arange(data.size), counts)
    table = {"frame": frame}
    if data.ndim > 1:
        indices = np.unravel_index(frame, data.shape)
        for number, axis in enumerate(navigation_axes):
            name = axis.name if isinstance(axis.name, str) else number
            table[f"frame_{name}"] = indices[axis.index_in_array]
    columns = np.concatenate([np.asarray(c) for c in data.ravel()])
    table |= dict(zip(column_names, columns.T, strict=True))
    y_axis, x_axis = image_axes
    table["y_calibrated"] = y_axis.offset + y_axis.scale * columns[:, 0]
    table["x_calibrated"] = x_axis.offset + x_axis.scale * columns[:, 1]
    units = [units_of(axis) or "px" for axis in (y_axis, x_axis)]
    label = units[0] if units[0] == units[1] else "y {}, x {}".format(*units)
    table["units"] = np.full(frame.size, label, dtype=object)
    return pd.DataFrame(table)
