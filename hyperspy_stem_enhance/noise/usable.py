"""Tell which pixels of an image can be trusted for statistics.

Real frames carry pixels that say nothing about the noise: not finite, hot
or dead, clipped at the ends of the detector's range.  They are found here
once, filled in for the filters, and left out of the statistics.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

MIN_SIDE = 16  # pixels; smaller images leave no statistics
_FILL_SIGMA = 3.0  # pixels, reach of the mean that fills gaps
_LEAST_WEIGHT = 1e-4  # of the mean around a pixel; below, it is too far from all
_ENOUGH_WEIGHT = 0.02  # of a narrow Gaussian; below, a wider one is taken
_FEW = 300  # gaps that are filled one by one
_HOT_SDS = 8.0  # noise SDs above the surroundings
_HOT_STEP = 7.0  # and above the third highest neighbour
_HOT_NEIGHBOUR = 0.3  # elevation of the third neighbour, relative to the pixel
_HIGHEST = 0.02  # share of the pixels that are looked at, the highest
_HOT_FRACTION = 5e-4  # more than this is a heavy tail, not hot pixels
_CLIP_PIXELS = 20  # fewest pixels at a limit that count as clipped
_CLIP_RATIO = 2.0  # pixels at a limit against those expected without clipping
_CLIP_NEARBY = 0.02  # share of clipped pixels around a pixel that spoils it
_ROWS = 64  # handled at once in double precision
_SAMPLE = 1 << 16  # pixels that quantiles are taken from


@dataclass(frozen=True)
class UsablePixels:
    """An image made safe for filtering and statistics.

    Attributes
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        ``(image - offset) / scale`` with gaps filled by the mean around.
    finite : numpy.ndarray of bool, shape (h, w)
        False where `values` is filled in.
    usable : numpy.ndarray of bool, shape (h, w)
        `finite`, and not where the detector clips.
    offset, scale : float
        What takes `values` back to the image's units; `scale` is 0 for a
        constant image.
    noise_sd : float
        Rough SD of the noise from pixel to pixel, in units of `values`.
    """

    values: np.ndarray
    finite: np.ndarray
    usable: np.ndarray
    offset: float
    scale: float
    noise_sd: float


def check_image(image, name="image"):
    """Raise unless an array is one real image that can be calibrated.

    Parameters
    ----------
    image : array-like
        What to check.
    name : str, default "image"
        The argument's name in messages.

    Returns
    -------
    numpy.ndarray, shape (h, w)

    Raises
    ------
    TypeError
        If the dtype is not integer or floating.
    ValueError
        If it is not two-dimensional, smaller than 16 pixels along a side,
        or without any finite pixel.
    """
    image = np.asarray(image)
    if image.dtype.kind not in "iuf":
        raise TypeError(
            f"{name} has the dtype {image.dtype}; convert it to real numbers first, "
            "for instance with .astype('float32')."
        )
    if image.ndim != 2:
        raise ValueError(f"{name} has the shape {image.shape}; give one (h, w) image.")
    if min(image.shape) < MIN_SIDE:
        raise ValueError(
            f"{name} has the shape {image.shape}; noise cannot be measured on less "
            f"than {MIN_SIDE} x {MIN_SIDE} pixels."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).any():
        raise ValueError(f"{name} has no finite pixel; leave this frame out.")
    return image


def usable_pixels(image):
    """Scale an image, fill its gaps and mark what statistics may use.

    Parameters
    ----------
    image : array-like, shape (h, w)
        Integer or floating. NaN and infinite pixels are gaps.

    Returns
    -------
    UsablePixels

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> image[10, 20], image[30, 30] = np.nan, 1e4
    >>> found = usable_pixels(image)
    >>> np.argwhere(~found.usable).tolist()
    [[10, 20], [30, 30]]
    """
    image = check_image(image)
    finite = np.isfinite(image)
    sample = _sample(image[finite])
    offset = float(np.median(sample))
    # quantiles, so that a few hot pixels do not set the scale
    low, high = np.quantile(sample, [0.005, 0.995])
    scale = float(high - low) or float(image[finite].max() - image[finite].min())
    if scale == 0 or not np.isfinite(scale):
        return UsablePixels(
            np.zeros(image.shape, np.float32), finite, finite, offset, 0.0, 0.0
        )
    values = np.empty(image.shape, np.float32)
    for start in range(0, len(image), _ROWS):
        rows = slice(start, start + _ROWS)
        # in double precision: single counts on large ones, and float16, keep theirs
        part = (image[rows].astype(np.float64) - offset) / scale
        values[rows] = np.where(finite[rows], part, 0)
    values = fill_gaps(values, finite)
    noise_sd = _pixel_noise_sd(values)
    # before clipping: hot pixels often are all at the limit of the detector
    hot = _hot_pixels(values, finite, noise_sd)
    if hot.any():
        finite = finite & ~hot
        values = fill_gaps(values, finite)
    clipped = _clipped(values, finite, noise_sd)
    usable = finite
    if clipped.any():
        nearby = gaussian_filter(clipped.astype(np.float32), _FILL_SIGMA)
        usable = finite & (nearby < _CLIP_NEARBY)
    return UsablePixels(values, finite, usable, offset, scale, noise_sd)


def fill_gaps(values, valid, sigmas=(_FILL_SIGMA,)):
    """Fill pixels that are not valid with the Gaussian mean around them.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        Finite everywhere.
    valid : numpy.ndarray of bool, shape (h, w)
    sigmas : sequence of float, default (3,)
        SDs of the Gaussian in pixels, rising: each pixel is filled by the first
        that reaches enough valid ones, what none reaches by their median.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        `values` itself where nothing has to be filled.
    """
    if valid.all():
        return values
    rows, columns = np.nonzero(~valid)
    if len(rows) <= _FEW and len(sigmas) == 1:
        means, weights = _means_around(values, valid, rows, columns, sigmas[0])
        if weights.min() > _LEAST_WEIGHT:
            values = values.copy()
            values[rows, columns] = means
            return values
    known, weights = np.where(valid, values, 0), valid.astype(np.float32)
    filled, open_ = known.copy(), ~valid
    for sigma in sigmas:
        weight = gaussian_filter(weights, sigma)
        # the last takes what little there is
        least = _LEAST_WEIGHT if sigma == sigmas[-1] else _ENOUGH_WEIGHT
        reached = open_ & (weight > least)
        filled[reached] = (gaussian_filter(known, sigma)[reached]) / weight[reached]
        open_ &= ~reached
        if not open_.any():
            return filled
    filled[open_] = np.median(values[valid])
    return filled


def _means_around(values, valid, rows, columns, sigma):
    """Gaussian means around a few pixels, and the weight they rest on."""
    reach = np.arange(-round(4 * sigma), round(4 * sigma) + 1)
    kernel = np.exp(-0.5 * (reach / sigma) ** 2)
    weights = np.outer(kernel, kernel).astype(np.float32) / kernel.sum() ** 2
    near_rows = _mirrored(rows[:, None] + reach, values.shape[0])
    near_columns = _mirrored(columns[:, None] + reach, values.shape[1])
    at = near_rows[:, :, None], near_columns[:, None, :]
    weights = weights * valid[at]
    total = weights.sum((1, 2))
    means = (weights * values[at]).sum((1, 2))
    return means / np.maximum(total, _LEAST_WEIGHT), total


def _sample(values):
    """Evenly spaced values, enough for quantiles."""
    # an odd step: an even one may keep to the same columns of a lattice
    step = values.size // _SAMPLE | 1
    return values[::step].astype(np.float64)


def _pixel_noise_sd(values):
    """Rough SD of the noise, from second differences both ways."""
    step = 1 + values.size // (4 * _SAMPLE)
    if step > 1:  # some rows of huge images are enough
        starts = range(0, len(values) - _ROWS + 1, step * _ROWS)
        values = np.concatenate([values[start : start + _ROWS] for start in starts])
    rows = values[:-2] - 2 * values[1:-1] + values[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    square = _sample(both.ravel() ** 2)
    # nine pixels see each hot one: leave out the largest per cent
    kept = square[square <= np.quantile(square, 0.99)]
    return float(np.sqrt(kept.mean() / 36))


def _hot_pixels(values, valid, noise_sd):
    """Single pixels far above or below all that is around them."""
    if noise_sd == 0:
        return np.zeros(values.shape, bool)
    away = values - gaussian_filter(values, _FILL_SIGMA)
    hot = np.zeros(values.shape, bool)
    for sign in (1, -1):
        height = sign * away
        least = _HOT_SDS * noise_sd
        if np.count_nonzero(height > least) > _HIGHEST * values.size:
            # columns far above the noise: hot pixels are higher than most of them
            least = np.quantile(_sample(height.ravel()), 1 - _HIGHEST)
        rows, columns = np.nonzero((height > least) & valid)
        if len(rows) == 0:
            continue
        neighbours = sign * neighbours_of(away, rows, columns)
        here = sign * away[rows, columns]
        # the third, so that two hot pixels side by side are found
        neighbours = np.sort(neighbours, axis=0)[:-2]
        step = here - neighbours[-1]
        # a column raises its neighbours as well, and noise is strong on it
        alone = neighbours[-1] < _HOT_NEIGHBOUR * here
        alone &= step > _HOT_STEP * np.maximum(noise_sd, 1.5 * neighbours.std(axis=0))
        hot[rows[alone], columns[alone]] = True
    if hot.sum() > max(3, _HOT_FRACTION * values.size):
        return np.zeros(values.shape, bool)
    return hot


def neighbours_of(values, rows, columns):
    """The eight neighbours of each of some pixels, mirrored at the edges.

    Parameters
    ----------
    values : numpy.ndarray, shape (h, w)
    rows, columns : numpy.ndarray of int, shape (n,)

    Returns
    -------
    numpy.ndarray, shape (8, n)
    """
    height, width = values.shape
    offsets = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
    return np.stack(
        [
            values[_mirrored(rows + i, height), _mirrored(columns + j, width)]
            for i, j in offsets
        ]
    )


def fill_from_nearest(values, gaps):
    """Fill pixels with the nearest ones that are none of them.

    Parameters
    ----------
    values : numpy.ndarray, shape (h, w)
    gaps : numpy.ndarray of bool, shape (h, w)
        Not all of them.

    Returns
    -------
    numpy.ndarray, shape (h, w)
        `values` itself where nothing has to be filled.
    """
    if not gaps.any():
        return values
    nearest = distance_transform_edt(gaps, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _mirrored(index, size):
    """Index mirrored at the first and the last pixel."""
    return size - 1 - np.abs(size - 1 - np.abs(index))


def _clipped(values, finite, noise_sd):
    """Pixels at the lowest or highest value, if too many are there."""
    clipped = np.zeros(values.shape, bool)
    known = values[finite]
    levels = np.unique(known[:: max(1, known.size // 4096)])
    step = np.median(np.diff(levels)) if levels.size > 1 else 0.0
    if step > 0.5 * noise_sd > 0:
        return clipped  # counted electrons: many pixels at zero are none clipped
    for sign in (1, -1):
        below = (sign * known).max() - sign * known
        n_limit = np.count_nonzero(below == 0)
        window = max(0.5 * noise_sd, 1e-6)
        near = below[(below > 0) & (below <= window)]
        expected = near.size * near.min() / window if near.size else 0
        if n_limit >= max(_CLIP_PIXELS, _CLIP_RATIO * expected):
            clipped |= finite & (sign * values >= (sign * known).max())
    return clipped
