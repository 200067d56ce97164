"""Gaussians on everything in an image that may be a column.

Maxima of an image, and dots that a network drew, are fitted all at once; what
turns out to be none, or one that is there twice, is taken out again.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from .crowds import fit_together, is_crowded, merging_width
from .peaks import find_candidates, local_maxima
from .refine import fit_gaussians, render_gaussians
from .significance import filter_heights, measure_significance

# Enhanced columns are Gaussians up to this part of the strong ones.
MODEL_ERROR = 0.02
# Columns lower than this part of the strong ones are not told from ripple.
_LOWEST = 0.01
# A column in the flank of others has to have this part of their height.
_HIDDEN = 0.25
# Where the image is below this part of what is asked for, no fit reaches it.
_HOPELESS = 0.1
# Candidates below this significance are dropped before the joint fit.
_SEEN = 3.0
# Fits closer than this part of the width are the same column.
_SAME = 1.0
# Dots are blurred by this part of the width, and more likely than this; they are
# new where the image has no maximum within this many widths.
_DOT, _LIKELY, _NEW = 0.3, 0.3, 1.3
# Centres this far outside of the image are still columns at its edge.
_BEYOND = 1.0


def fit_columns(image, width, error=MODEL_ERROR, least=0.0, dots=None, crowds=True):
    """Fit Gaussians to all candidates of an image.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns on a background of about zero; NaN pixels are left
        out.
    width : float
        Typical sigma of the columns in pixels.
    error : float
        What in the image are not Gaussians, in parts of the strong columns:
        ripple of a network, noise of a filtered image.
    least : float
        Height above its surroundings that a candidate has at the least.
    dots : numpy.ndarray, shape (h, w), optional
        Probability of a column at each pixel: its maxima are candidates
        too.
    crowds : bool, default True
        Fit columns that merge in one system. Not for images with noise left,
        whose maxima merge as well.

    Returns
    -------
    fit : GaussianFit
    width : float
        Typical sigma of these columns.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :40]
    >>> image = np.exp(-((y - 20) ** 2 + (x - 14) ** 2) / (2 * 1.6**2))
    >>> fit, width = fit_columns(image, 1.4)
    >>> fit.y.round(2), fit.x.round(2), round(float(width), 2)
    (array([20.]), array([14.]), 1.6)
    """
    filled = np.where(np.isfinite(image), image, 0.0)
    candidates = find_candidates(filled, width)
    if least > 0:
        rows, columns = candidates.astype(int).T
        candidates = candidates[filter_heights(filled, width)[rows, columns] > least]
    noise = error * strong_height(filled[tuple(candidates.astype(int).T)])
    if crowds:
        width = merging_width(filled, candidates, width)
    if dots is not None:
        candidates = _join(candidates, _find_dots(dots, width), width)
    fit = _fit_plausible(image, candidates, width, noise, crowds, rounds=1)
    significance = measure_significance(residual(image, fit), fit, width)
    fit = fit.select(significance > _SEEN)
    width = _typical_width(fit, width)
    fit = _fit_plausible(image, positions(fit), width, noise, crowds, rounds=4)
    return _add_hidden(image, fit, width, noise, crowds), width


def _find_dots(dots, width):
    """Maxima of a probability, surest first."""
    dots = np.where(np.isfinite(dots), dots, 0.0)
    peaks = np.stack(local_maxima(gaussian_filter(dots, _DOT * width)), axis=1)
    probability = dots[tuple(peaks.T)]
    likely = probability > _LIKELY
    return peaks[likely][np.argsort(-probability[likely])].astype(float)


def _join(maxima, dots, width):
    """Maxima and dots, each column once.

    Where several dots share a maximum they take its place; a dot alone
    beside one adds nothing to it.
    """
    if len(maxima) == 0 or len(dots) == 0:
        return np.concatenate([maxima, dots])
    distance, nearest = cKDTree(maxima).query(dots)
    new = distance > _NEW * width
    shared = np.bincount(nearest[~new], minlength=len(maxima)) > 1
    return np.concatenate([maxima[~shared], dots[new | shared[nearest]]])


def positions(fit):
    """Centres of fitted columns, shape (n, 2)."""
    return np.stack([fit.y, fit.x], axis=1)


def residual(image, fit):
    """What fitted columns leave of an image."""
    return image - render_gaussians(image.shape, fit)


def strong_height(heights):
    """Height of those columns that hold half of the squared heights."""
    heights = np.sort(heights)
    if heights.size == 0:
        return 0.0
    cumulative = np.cumsum(heights**2)
    return heights[np.searchsorted(cumulative, 0.5 * cumulative[-1])]


def _add_hidden(image, fit, width, noise, crowds):
    """Add columns that only show once their strong neighbours are subtracted."""
    left = residual(image, fit)
    left = np.where(np.isfinite(left), left, 0.0)
    hidden = find_candidates(left, width)
    if len(fit) == 0 or len(hidden) == 0:
        return fit
    # What is left of a strong column that is no Gaussian is no column.
    limit = np.full(len(hidden), _SEEN * noise / 3)
    near = cKDTree(positions(fit)).sparse_distance_matrix(
        cKDTree(hidden), 4 * width, output_type="ndarray"
    )
    np.maximum.at(limit, near["j"], _HIDDEN * fit.height[near["i"]])
    high = left[tuple(hidden.astype(int).T)] > _HOPELESS * limit
    stride = _stride(width)
    added = fit_gaussians(left, hidden, width, False, 1, noise, stride, high)
    hidden, limit = hidden[high], limit[high]
    keep = added.height > limit
    if keep.any():
        keep &= measure_significance(left, added, width) > _SEEN
    if not keep.any():
        return fit
    joined = np.concatenate([positions(fit), hidden[keep]])
    return _fit_plausible(image, joined, width, noise, crowds, rounds=4)


def _fit_plausible(image, starts, width, noise, crowds, rounds):
    if crowds and noise > 0 and is_crowded(starts, width):
        fit = fit_together(image, starts, width, noise)
    else:
        fit = fit_gaussians(image, starts, width, False, rounds, noise, _stride(width))
    return fit.select(_plausible(fit, image.shape, width))


def _stride(width):
    return max(1, int(width / 2))


def _typical_width(fit, width):
    if len(fit) == 0:
        return width
    order = np.argsort(fit.sigma)
    cumulative = np.cumsum(fit.height[order] ** 2)
    return fit.sigma[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])]


def _plausible(fit, shape, width):
    """Mask of fits that are columns in the image, each of them once."""
    keep = (fit.height > 0) & np.isfinite(fit.residual)
    keep &= (fit.y > -_BEYOND) & (fit.y < shape[0] - 1 + _BEYOND)
    keep &= (fit.x > -_BEYOND) & (fit.x < shape[1] - 1 + _BEYOND)
    keep &= (fit.sigma > 0.45 * width) & (fit.sigma < 2.2 * width)
    if not keep.any():
        return keep
    keep &= fit.height > _LOWEST * strong_height(fit.height[keep])
    index = np.flatnonzero(keep)
    pairs = cKDTree(positions(fit)[index]).query_pairs(
        _SAME * width, output_type="ndarray"
    )
    first, second = index[pairs].T
    keep[np.where(fit.height[first] < fit.height[second], first, second)] = False
    return keep
