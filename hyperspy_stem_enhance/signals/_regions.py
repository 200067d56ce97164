"""Regions of interest of images, as masks of pixels."""

import numpy as np


def region_mask(roi, signal):
    """Mask of the pixels inside a region of interest.

    Parameters
    ----------
    roi : hyperspy ROI, array-like of bool, or None
        A rectangle, circle (or ring) or polygon in calibrated coordinates,
        or an array of the shape of the images, True where columns are
        wanted.
    signal : hyperspy.api.signals.Signal2D

    Returns
    -------
    numpy.ndarray of bool, shape (h, w), or None
        Pixels whose centres are inside; None where there is no region.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If an array has another shape, or the region holds no pixel.
    """
    if roi is None:
        return None
    shape = signal.data.shape[-2:]
    inside = _of_roi(roi, signal) if _is_roi(roi) else np.asarray(roi)
    if inside.dtype != bool:
        raise TypeError(
            f"roi={roi!r} is not understood; give a rectangle, circle or polygon of "
            "hyperspy.api.roi, or an array of bool, True where columns are wanted."
        )
    if inside.shape != shape:
        raise ValueError(
            f"roi has the shape {inside.shape}, the images have {shape}; give one "
            "value for each pixel."
        )
    if not inside.any():
        raise ValueError(
            f"roi={roi!r} holds no pixel of the images; its coordinates are those of "
            "the axes, in their units."
        )
    return inside


def _is_roi(roi):
    from hyperspy.roi import BaseROI

    return isinstance(roi, BaseROI)


def _of_roi(roi, signal):
    from hyperspy.roi import CircleROI, PolygonROI, RectangularROI

    x_axis, y_axis = signal.axes_manager.signal_axes
    y, x = y_axis.axis[:, np.newaxis], x_axis.axis
    if isinstance(roi, RectangularROI):
        left, right, top, bottom = roi
        return (y >= top) & (y < bottom) & (x >= left) & (x < right)
    if isinstance(roi, CircleROI):
        r2 = (y - roi.cy) ** 2 + (x - roi.cx) ** 2
        inner = roi.r_inner if roi.r_inner else 0.0
        return (r2 <= roi.r**2) & (r2 >= inner**2)
    if isinstance(roi, PolygonROI):
        return _of_polygon(roi.vertices, y, x)
    raise TypeError(
        f"roi={roi!r} is no area; use a rectangle, circle or polygon of "
        "hyperspy.api.roi, or an array of bool."
    )


def _of_polygon(vertices, y, x):
    from matplotlib.path import Path

    grid = np.stack(np.broadcast_arrays(x, y), axis=-1)
    return Path(vertices).contains_points(grid.reshape(-1, 2)).reshape(grid.shape[:2])
