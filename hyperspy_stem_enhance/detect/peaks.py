"""Candidate columns of an enhanced image: their width and their local maxima.

No separation to tune: the width of the columns is measured from the curvature
of the maxima, and two maxima are two columns where the image dips between
them.
"""

import numpy as np
from scipy.ndimage import (
    gaussian_filter,
    laplace,
    map_coordinates,
    maximum_filter,
    minimum_filter,
)
from scipy.spatial import cKDTree

WIDTH_RANGE = (0.8, 12.0)
"""Widths (sigma in pixels) of columns that can be found."""

# Maxima are searched on the image blurred by this part of the column width,
# which calms a noisy top, ...
_BLUR = 0.5
# ... and sharpened by this many times its Laplacian in units of the width,
# which parts columns that touch and lifts a weak one out of a strong tail.
_SHARPEN = 0.5
# A dip of this part of the lower of two maxima separates two columns.
_DIP = 0.04
# Maxima lower than this part of the strong ones are ripple, not columns.
_FLOOR = 0.01


def estimate_width(image):
    """Typical width of the columns of an enhanced image.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns on a background of about zero, no NaN.

    Returns
    -------
    float
        Sigma in pixels; NaN for an image without maxima.

    Notes
    -----
    From the curvature at the maxima, on the image blurred by a part of
    the width found, iterated from fine to coarse until it stays. The
    median is weighted by the squared height: the ripple of an image of
    few columns has many maxima, and the columns have the strong ones.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :64]
    >>> image = np.exp(-((y - 30) ** 2 + (x - 32) ** 2) / (2 * 3.0**2))
    >>> round(estimate_width(image), 1)
    3.0
    """
    blur, width = 0.6, WIDTH_RANGE[0]
    for _ in range(12):
        smooth = gaussian_filter(image, blur, mode="nearest")
        rows, columns = _local_maxima(smooth)
        inner = (rows > 0) & (rows < image.shape[0] - 1)
        inner &= (columns > 0) & (columns < image.shape[1] - 1)
        rows, columns = rows[inner], columns[inner]
        height = smooth[rows, columns]
        if height.size == 0:
            return np.nan
        # At the top of a Gaussian the curvature is -height / sigma^2. Height
        # above the lowest pixel around, because in a dense lattice the tails
        # of the neighbours lift all; the steepest direction, because a close
        # neighbour flattens the other.
        side = 2 * int(np.ceil(3 * max(width, 1.0))) + 1
        lowest = minimum_filter(smooth, side, mode="nearest")
        squared = (height - lowest[rows, columns]) / _steepest_curvature(
            smooth, rows, columns
        ) - blur**2
        found = np.sqrt(_weighted_median(np.maximum(squared, 0), height**2))
        found = float(np.clip(found, *WIDTH_RANGE))
        if abs(found - width) < 0.02 * found:
            break
        width = found
        blur = max(0.6, 0.5 * width)
    return width


def find_candidates(image, width):
    """Local maxima of an enhanced image that may be columns.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns on a background of about zero, no NaN.
    width : float
        Typical sigma of the columns in pixels.

    Returns
    -------
    numpy.ndarray of float64, shape (n, 2)
        Rows and columns of the maxima, brightest first.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :40]
    >>> image = np.exp(-((y - 20) ** 2 + (x - 14) ** 2) / (2 * 1.6**2))
    >>> image += np.exp(-((y - 20) ** 2 + (x - 19) ** 2) / (2 * 1.6**2))
    >>> find_candidates(image, 1.6)
    array([[20., 14.],
           [20., 19.]])
    """
    smooth = gaussian_filter(image, _BLUR * width, mode="nearest")
    sharp = smooth - _SHARPEN * width**2 * laplace(smooth, mode="nearest")
    rows, columns = _local_maxima(sharp)
    height = sharp[rows, columns]
    if height.size == 0:
        return np.empty((0, 2))
    keep = height > _FLOOR * _weighted_median(height, height**2)
    order = np.argsort(-height[keep], kind="stable")
    peaks = np.stack([rows[keep], columns[keep]], axis=1)[order].astype(float)
    return peaks[_separate(sharp, peaks, height[keep][order], 3 * width)]


def _local_maxima(image):
    """Pixels not below their eight neighbours and above zero.

    Of a flat top the first pixel in reading order is kept.
    """
    top = (image == maximum_filter(image, size=3, mode="nearest")) & (image > 0)
    rows, columns = np.nonzero(top)
    # A neighbour earlier in reading order that is a maximum too shares the top.
    padded = np.pad(top, 1)
    shared = np.zeros(rows.size, dtype=bool)
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
        shared |= padded[rows + 1 + dy, columns + 1 + dx]
    return rows[~shared], columns[~shared]


def _steepest_curvature(image, rows, columns):
    """Largest of the two principal curvatures, downwards, of inner pixels."""
    top = image[rows, columns]
    yy = image[rows - 1, columns] + image[rows + 1, columns] - 2 * top
    xx = image[rows, columns - 1] + image[rows, columns + 1] - 2 * top
    xy = image[rows + 1, columns + 1] + image[rows - 1, columns - 1]
    xy = (xy - image[rows + 1, columns - 1] - image[rows - 1, columns + 1]) / 4
    steepest = 0.5 * (-yy - xx + np.hypot(yy - xx, 2 * xy))
    return np.maximum(steepest, 1e-6 * top)


def _separate(image, peaks, height, reach):
    """Mask of the peaks that a dip separates from every higher one.

    ``peaks`` are sorted by height, the highest first.
    """
    keep = np.ones(len(peaks), dtype=bool)
    pairs = cKDTree(peaks).query_pairs(reach, output_type="ndarray")
    if len(pairs) == 0:
        return keep
    steps = np.linspace(0, 1, 11)[1:-1, None, None]
    line = peaks[pairs[:, 0]] + steps * (peaks[pairs[:, 1]] - peaks[pairs[:, 0]])
    between = map_coordinates(image, np.moveaxis(line, -1, 0), order=1, mode="nearest")
    lower = height[pairs[:, 1]]
    joined = between.min(axis=0) > (1 - _DIP) * lower
    pairs = pairs[joined]
    # From the highest down: only a peak that is kept can absorb another one.
    for i, j in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if keep[i]:
            keep[j] = False
    return keep


def _weighted_median(values, weights):
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])]
