"""Areas of images, as numbers in an array."""

import numpy as np

from hyperspy_stem_enhance.noise.areas import check_areas


def area_labels(areas, signal):
    """Number of the area that each pixel is in.

    Parameters
    ----------
    areas : hyperspy ROI, sequence of them, signal or array-like, or None
        Rectangles, circles or polygons in calibrated coordinates, or one
        value for each pixel of the images: True, or the number of an area.
    signal : hyperspy.api.signals.Signal2D

    Returns
    -------
    numpy.ndarray of int32, shape (h, w), or None
        0 outside of all areas; None where there are none.

    Raises
    ------
    TypeError, ValueError
        If they are not understood, of another shape, or hold no pixel.
    """
    from hyperspy.roi import BaseROI

    if areas is None:
        return None
    shape = signal.data.shape[-2:]
    rois = [areas] if isinstance(areas, BaseROI) else areas
    if not isinstance(rois, list | tuple) or not isinstance(rois[0], BaseROI):
        return check_areas(getattr(areas, "data", areas), shape)
    from hyperspy_stem_enhance.signals._regions import region_mask

    labels = np.zeros(shape, np.int32)
    for number, roi in enumerate(rois, 1):
        labels[region_mask(roi, signal)] = number
    return labels
