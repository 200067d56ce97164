"""Width of the columns of an image, from the mean of all of them."""

import numpy as np
from scipy.spatial import cKDTree

from .peaks import WIDTH_RANGE

# Pixels farther than this part of the way to the next column are not looked at.
_TO_NEAREST = 0.6
_LARGEST_RADIUS = 40
# Columns that are enough for the mean.
_SAMPLE = 100
_WIDTHS = np.geomspace(*WIDTH_RANGE, 40)


def measure_mean_width(data, positions):
    """Typical sigma of columns on a noisy image.

    Parameters
    ----------
    data : numpy.ndarray, shape (h, w)
        Bright columns; NaN pixels are left out.
    positions : numpy.ndarray of float64, shape (n, 2)
        Centres y, x in pixels, in the image, n > 0.

    Returns
    -------
    float
        Sigma in pixels, within ``peaks.WIDTH_RANGE``, of the Gaussian that
        fits best to the mean intensity against the distance from the
        centre. The errors of the positions add to it.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :40]
    >>> image = np.exp(-((y - 20) ** 2 + (x - 17) ** 2) / (2 * 3.0**2))
    >>> round(measure_mean_width(image, np.array([[20.0, 17.0]])), 1)
    3.0
    """
    radius = _radius(positions, data.shape)
    sample = positions[:: max(1, len(positions) // _SAMPLE)]
    reach = int(np.ceil(radius))
    steps = np.arange(-reach, reach + 1)
    rows = np.rint(sample[:, :1]).astype(int) + steps
    columns = np.rint(sample[:, 1:]).astype(int) + steps
    distance = np.hypot(
        (rows - sample[:, :1])[:, :, None], (columns - sample[:, 1:])[:, None, :]
    )
    h, w = data.shape
    used = ((rows >= 0) & (rows < h))[:, :, None] & ((columns >= 0) & (columns < w))[
        :, None, :
    ]
    values = data[
        np.clip(rows, 0, h - 1)[:, :, None], np.clip(columns, 0, w - 1)[:, None, :]
    ]
    used &= np.isfinite(values) & (distance <= radius)
    # Rings of half a pixel
    ring = np.rint(2 * distance[used]).astype(int)
    count = np.bincount(ring)
    known = count > 0
    mean = np.bincount(ring, weights=values[used])[known] / count[known]
    mean_distance = np.bincount(ring, weights=distance[used])[known] / count[known]
    return _fit_profile(mean_distance, mean, count[known])


def _radius(positions, shape):
    """Distance up to which the mean column is looked at."""
    radius = min(_LARGEST_RADIUS, max(shape) / 2)
    if len(positions) > 1:
        distance, _ = cKDTree(positions).query(positions, k=2)
        radius = min(radius, _TO_NEAREST * np.median(distance[:, 1]))
    return max(radius, 2.5)


def _fit_profile(distance, mean, count):
    """Sigma of the best Gaussian on a constant, of positive height."""
    weight = count / count.sum()
    shapes = np.exp(-(distance**2) / (2 * _WIDTHS[:, None] ** 2))
    shapes -= (shapes @ weight)[:, None]
    centred = mean - mean @ weight
    square = shapes**2 @ weight
    product = shapes @ (weight * centred)
    # What a Gaussian of the best height takes off the squared deviation
    gain = np.where(product > 0, product**2 / np.maximum(square, 1e-300), 0.0)
    return float(_WIDTHS[np.argmax(gain)])
