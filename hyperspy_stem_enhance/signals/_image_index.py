"""Name the images of a signal, in tables and in warnings."""

import sys

import numpy as np


def image_index(axes_manager):
    """Index of a table with one row per image.

    Parameters
    ----------
    axes_manager : hyperspy.axes.AxesManager

    Returns
    -------
    pandas.Index or None
        The calibrated navigation coordinates, one level per navigation
        axis in array order, named after the axis and its units. None for
        a single image.
    """
    import pandas as pd

    axes = sorted(axes_manager.navigation_axes, key=lambda axis: axis.index_in_array)
    names = [_axis_label(axis, number) for number, axis in enumerate(axes)]
    if not axes:
        return None
    if len(axes) == 1:
        return pd.Index(axes[0].axis, name=names[0])
    return pd.MultiIndex.from_product([axis.axis for axis in axes], names=names)


def image_names(shape):
    """Names of the images as a user of HyperSpy finds them.

    Parameters
    ----------
    shape : tuple of int
        Navigation shape in array order.

    Returns
    -------
    list of str
        In array order, fastest axis first as for ``inav``; empty for a
        single image.

    Examples
    --------
    >>> image_names((2, 2))
    ['inav[0, 0]', 'inav[1, 0]', 'inav[0, 1]', 'inav[1, 1]']
    """
    if not shape:
        return []
    return [
        f"inav[{', '.join(map(str, reversed(index)))}]" for index in np.ndindex(shape)
    ]


def outside_level():
    """Level of the stack, for a warning, at which the user's own code is."""
    level, frame = 1, sys._getframe(1)
    inside = ("hyperspy.", "hyperspy_stem_enhance.")
    while frame and f"{frame.f_globals.get('__name__', '')}.".startswith(inside):
        level, frame = level + 1, frame.f_back
    return level


def _axis_label(axis, number):
    name = axis.name if isinstance(axis.name, str) and axis.name else f"axis {number}"
    units = axis.units if isinstance(axis.units, str) and axis.units else ""
    return f"{name} ({units})" if units else name
