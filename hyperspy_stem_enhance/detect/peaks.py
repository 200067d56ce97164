"""Candidate columns of an enhanced image: their width and their local maxima.

No separation to tune: the width of the columns is measured, and two maxima
are two columns where the image dips between them.
"""

import numpy as np
from scipy.ndimage import (
    gaussian_filter,
    laplace,
    map_coordinates,
)
from scipy.spatial import cKDTree

from .filters import (
    CosineSpectrum,
    gaussian_kernel,
    gaussian_reach,
    second_derivative_kernel,
)

WIDTH_RANGE = (0.8, 12.0)
"""Widths (sigma in pixels) of columns that can be found."""

# The widths tried, in equal ratios.
_STEP = 1.2
_WIDTHS = WIDTH_RANGE[0] * _STEP ** np.arange(16)
# Pixels per side that are enough to measure the width.
_PART = 512

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
        Sigma in pixels, between :data:`WIDTH_RANGE`; up to a third too
        small where columns are closer than three sigma. NaN for an image
        without maxima.

    Notes
    -----
    The scale-normalised Laplacian of Gaussian answers to a Gaussian most
    at its own width (Lindeberg, Int. J. Comput. Vis. 30, 1998, 79). The
    answers of all maxima are summed at each scale, to the fourth power
    so that ripple, of which there is much, does not outweigh columns. The
    strongest scale inside the range is taken: ripple of single pixels
    grows towards its lower end without a maximum.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :64]
    >>> image = np.exp(-((y - 30) ** 2 + (x - 32) ** 2) / (2 * 3.0**2))
    >>> round(float(estimate_width(image)), 1)
    3.0
    """
    image = _busiest_part(image)
    if not image.any():
        return np.nan
    # float32 is enough, of values whose fourth powers it holds
    image = (image / np.abs(image).max()).astype(np.float32)
    spectrum = CosineSpectrum(image, gaussian_reach(_WIDTHS[-1]))
    answers = np.array([_sum_of_answers(spectrum, width) for width in _WIDTHS])
    if not answers.max() > 0:
        return np.nan
    inner = answers[1:-1]
    maxima = np.flatnonzero((inner >= answers[:-2]) & (inner >= answers[2:])) + 1
    if maxima.size == 0:
        return _WIDTHS[np.argmax(answers)]
    best = maxima[np.argmax(answers[maxima])]
    below, top, above = np.log(np.maximum(answers[best - 1 : best + 2], 1e-300))
    curvature = below - 2 * top + above
    shift = 0.5 * (below - above) / curvature if curvature < 0 else 0.0
    return float(_WIDTHS[best] * _STEP**shift)


def _sum_of_answers(spectrum, width):
    mean, curvature = gaussian_kernel(width), second_derivative_kernel(width)
    curvature *= -(width**2)
    pairs = [(curvature, mean), (mean, curvature)]
    answer = spectrum.filtered(pairs)
    return np.sum(answer[local_maxima(answer)].astype(np.float64) ** 4)


def _busiest_part(image):
    """The square of ``_PART`` pixels with the brightest columns."""
    corners = [
        np.unique(np.linspace(0, max(n - _PART, 0), 1 + 2 * max(n - _PART, 0) // _PART))
        for n in image.shape
    ]
    parts = [
        image[int(row) : int(row) + _PART, int(column) : int(column) + _PART]
        for row in corners[0]
        for column in corners[1]
    ]
    return max(parts, key=lambda part: np.sum(part**2))


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
    rows, columns = local_maxima(sharp)
    height = sharp[rows, columns]
    if height.size == 0:
        return np.empty((0, 2))
    keep = height > _FLOOR * _weighted_median(height, height**2)
    order = np.argsort(-height[keep], kind="stable")
    peaks = np.stack([rows[keep], columns[keep]], axis=1)[order].astype(float)
    return peaks[_separate(sharp, peaks, height[keep][order], 3 * width)]


def local_maxima(image):
    """Pixels not below their eight neighbours and above zero.

    Of a flat top the first pixel in reading order is kept.
    """
    highest = np.pad(image, 1, mode="edge")
    highest = np.maximum(np.maximum(highest[:-2], highest[1:-1]), highest[2:])
    sides = highest[:, :-2], highest[:, 1:-1], highest[:, 2:]
    top = (image == np.maximum(np.maximum(*sides[:2]), sides[2])) & (image > 0)
    rows, columns = np.nonzero(top)
    # A neighbour earlier in reading order that is a maximum too shares the top.
    padded = np.pad(top, 1)
    shared = np.zeros(rows.size, dtype=bool)
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
        shared |= padded[rows + 1 + dy, columns + 1 + dx]
    return rows[~shared], columns[~shared]


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
