"""Columns shown by filters alone, where no network is wanted or installed.

The width of the columns is that at which a matched filter finds most above
the noise; the image is blurred by a part of it, and what is slow beside the
columns is subtracted.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, minimum_filter

from .peaks import local_maxima
from .significance import fill_missing, filter_heights, row_differences
from .sparse import as_gaussian, measure_skewness

WIDTHS = 1.2 * 1.25 ** np.arange(12)
"""Widths (sigma in pixels) of the filters that are tried."""

# Maxima are counted from this many SD of the noise on.
_SEEN = 3.5
# The filter for heights answers most to columns of this part of its width.
_OPTIMUM = 1.3
# Blur in parts of the width: of columns far above the noise, and of others.
_LITTLE, _MUCH = 0.5, 1.0
_CLEAR = 15.0
# The background is lower than all within this many widths.
_REACH = 3.0


def show_columns(raw):
    """Filter an image so that its columns stand on a background of about zero.

    Parameters
    ----------
    raw : numpy.ndarray, shape (h, w)
        Bright columns; NaN pixels are filled with what is around them.

    Returns
    -------
    image : numpy.ndarray of float64, shape (h, w)
        Columns are wider, and lower, by the blur.
    width : float
        Sigma of the columns of ``raw`` in pixels; NaN where nothing stands
        out of the noise.
    blur : float
        Sigma of the blur in pixels.
    noise : float
        SD that noise gives to the height of a column in ``raw``.

    Notes
    -----
    A matched filter of the width of a column has the highest ratio of
    signal to noise (North, Proc. IEEE 51, 1963, 1016). The noise that it
    is compared with is that of the differences between neighbouring rows,
    which columns hardly enter; few counts are taken for the skewed noise
    that they are.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :64]
    >>> raw = 5 * np.exp(-((y - 30) ** 2 + (x - 32) ** 2) / (2 * 3.0**2))
    >>> raw += np.random.default_rng(0).normal(0, 1, raw.shape)
    >>> image, width, blur, noise = show_columns(raw)
    >>> np.unravel_index(image.argmax(), image.shape), round(width)
    ((np.int64(30), np.int64(32)), 3)
    """
    filled = fill_missing(np.asarray(raw, dtype=np.float64), 4.0)
    width, clearness, noise = _measure_width(filled)
    if not np.isfinite(width):
        return filled, width, np.nan, np.nan
    blur = width * (_LITTLE if clearness > _CLEAR else _MUCH)
    smooth = gaussian_filter(filled, blur, mode="nearest")
    return smooth - _background(smooth, width), width, blur, noise * _OPTIMUM


def _measure_width(image):
    """Width of the columns, their significance, and the SD of their heights."""
    answers, tops, sds = [], [], []
    tiny = 1e-9 * np.ptp(image)
    skewness = measure_skewness(image)
    for width in WIDTHS:
        heights = filter_heights(image, width)
        differences = row_differences(image, width)
        # Not the median: where few counts fall, most differences are zero
        limit = np.quantile(np.abs(differences), 0.999)
        sd = np.sqrt(np.mean(np.clip(differences, -limit, limit) ** 2))
        z = as_gaussian(heights / max(sd, tiny), skewness, width)
        z = z[local_maxima(z)]
        z = z[z > _SEEN]
        answers.append(np.sum((z - _SEEN) ** 2))
        tops.append(np.quantile(z, 0.75) if z.size else 0.0)
        sds.append(sd)
    best = int(np.argmax(answers))
    if not answers[best] > 0:
        return np.nan, 0.0, np.nan
    return float(WIDTHS[best] / _OPTIMUM), tops[best], sds[best]


def _background(smooth, width):
    size = 2 * int(np.ceil(_REACH * width)) + 1
    low = minimum_filter(smooth, size, mode="nearest")
    return gaussian_filter(low, _REACH * width, mode="nearest")
