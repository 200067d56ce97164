"""Atom columns of an enhanced image, one row each.

Maxima of the enhanced image are fitted with Gaussians, all at once, and kept
if they stand out of what the noise does: in the raw image where it is given.
"""

import numpy as np
from scipy.spatial import cKDTree

from ..noise.parameters import MODES
from .peaks import estimate_width, find_candidates
from .refine import fit_gaussians, render_gaussians
from .significance import (
    confidence_from_significance,
    measure_noise,
    measure_significance,
)

COLUMN_NAMES = ("y", "x", "intensity", "sigma", "confidence")

DEFAULT_THRESHOLD = 0.5

# Columns lower than this part of the strong ones are not told from ripple.
_LOWEST = 0.01
# Enhanced columns are Gaussians up to this part of the strong ones.
_MODEL_ERROR = 0.02
# A column in the flank of others has to have this part of their height.
_HIDDEN = 0.25
# Columns above this part of the strong ones are no ripple.
_STRONG = 0.08
# Candidates below this significance are dropped before the joint fit.
_SEEN = 3.0
# What a Gaussian leaves of a column, in parts of its height; columns of texture
# and noise have more.
_MISFIT = 0.09
# Fits closer than this part of the width are the same column.
_SAME = 1.0


def detect_columns(enhanced, raw=None, mode="HAADF", threshold=None):
    """Find the atom columns of an enhanced image.

    Parameters
    ----------
    enhanced : array-like, shape (h, w)
        Bright columns on a background of about zero, in both modes. NaN
        pixels are taken as background.
    raw : array-like, shape (h, w), optional
        The image as recorded. With it, only columns that stand out of its
        noise are kept; without it, out of the ripple of the enhanced one.
    mode : {"HAADF", "BF"}, default "HAADF"
        Whether the columns of ``raw`` are bright or dark.
    threshold : float, default 0.5
        Lowest confidence of a column that is kept, from 0 to 1.

    Returns
    -------
    numpy.ndarray of float32, shape (n, 5)
        Row and column in pixels, height in the units of ``enhanced``,
        sigma in pixels, confidence from 0 to 1: :data:`COLUMN_NAMES`.
        Sorted by rows; (0, 5) if there is none.

    Raises
    ------
    ValueError
        If an array is not an image, shapes differ, no pixel is finite,
        or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:48, :64]
    >>> image = np.exp(-((y - 20.5) ** 2 + (x - 40) ** 2) / (2 * 3**2))
    >>> detect_columns(image).round(3)
    array([[20.5, 40. ,  1. ,  3. ,  1. ]], dtype=float32)
    """
    enhanced = _check_image(enhanced, "enhanced")
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold} is not a confidence from 0 to 1.")
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} is unknown; use one of {', '.join(MODES)}.")
    if raw is not None:
        raw = _check_image(raw, "raw")
        if raw.shape != enhanced.shape:
            raise ValueError(
                f"raw has the shape {raw.shape}, enhanced {enhanced.shape}. Give the "
                "image that was enhanced."
            )
        raw = -raw if mode == "BF" else raw
    filled = np.where(np.isfinite(enhanced), enhanced, 0.0)
    width = estimate_width(filled)
    if not np.isfinite(width):
        return np.empty((0, len(COLUMN_NAMES)), dtype=np.float32)
    fit, width = _fit_columns(enhanced, filled, width)
    confidence = _own_confidence(enhanced, fit, width)
    if raw is not None:
        confidence = np.minimum(confidence, _raw_confidence(raw, fit, width))
    confidence = _doubt_shape(confidence, fit)
    keep = confidence >= threshold
    fit, confidence = fit.select(keep), confidence[keep]
    table = np.stack([fit.y, fit.x, fit.height, fit.sigma, confidence], axis=1)
    order = np.lexsort((fit.x, fit.y))
    return table[order].astype(np.float32)


def _check_image(image, name):
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype.kind not in "buif":
        raise ValueError(
            f"{name} has the shape {image.shape} and dtype {image.dtype}; a real "
            "image of shape (h, w) is needed."
        )
    image = image.astype(np.float64)
    image[~np.isfinite(image)] = np.nan
    if np.isnan(image).all():
        raise ValueError(f"{name} has no finite pixel.")
    return image


def _fit_columns(enhanced, filled, width):
    """Gaussians on all candidates, without those that turn out to be none."""
    candidates = find_candidates(filled, width)
    noise = _MODEL_ERROR * _strong_height(filled[tuple(candidates.astype(int).T)])
    fit = _fit_plausible(enhanced, candidates, width, width, noise, rounds=1)
    significance = measure_significance(_residual(enhanced, fit), fit, width)
    fit = fit.select(significance > _SEEN)
    width = _typical_width(fit, width)
    fit = _fit_plausible(enhanced, _positions(fit), width, width, noise, rounds=4)
    fit = _add_hidden(enhanced, fit, width, noise)
    return fit, width


def _add_hidden(enhanced, fit, width, noise):
    """Add columns that only show once their strong neighbours are subtracted."""
    residual = _residual(enhanced, fit)
    residual = np.where(np.isfinite(residual), residual, 0.0)
    hidden = find_candidates(residual, width)
    added = fit_gaussians(residual, hidden, width, False, 1, noise, _stride(width))
    tree = cKDTree(_positions(fit)) if len(fit) else None
    if tree is None or len(hidden) == 0:
        return fit
    # What is left of a strong column that is no Gaussian is no column.
    limit = np.full(len(hidden), _SEEN * noise / 3)
    for k, near in enumerate(tree.query_ball_point(hidden, 4 * width)):
        if near:
            limit[k] = max(limit[k], _HIDDEN * fit.height[near].max())
    significance = measure_significance(residual, added, width)
    keep = (added.height > limit) & (significance > _SEEN)
    if not keep.any():
        return fit
    joined = np.concatenate([_positions(fit), hidden[keep]])
    return _fit_plausible(enhanced, joined, width, width, noise, rounds=4)


def _fit_plausible(enhanced, positions, sigma, width, noise, rounds):
    fit = fit_gaussians(
        enhanced, positions, sigma, False, rounds, noise, _stride(width)
    )
    return fit.select(_plausible(fit, enhanced.shape, width))


def _stride(width):
    return max(1, int(width / 2))


def _typical_width(fit, width):
    if len(fit) == 0:
        return width
    order = np.argsort(fit.sigma)
    cumulative = np.cumsum(fit.height[order] ** 2)
    return fit.sigma[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])]


def _strong_height(heights):
    heights = np.sort(heights)
    if heights.size == 0:
        return 0.0
    cumulative = np.cumsum(heights**2)
    return heights[np.searchsorted(cumulative, 0.5 * cumulative[-1])]


def _positions(fit):
    return np.stack([fit.y, fit.x], axis=1)


def _plausible(fit, shape, width):
    """Mask of fits that are columns in the image, each of them once."""
    keep = (fit.height > 0) & np.isfinite(fit.residual)
    keep &= (fit.y > -0.5) & (fit.y < shape[0] - 0.5)
    keep &= (fit.x > -0.5) & (fit.x < shape[1] - 0.5)
    keep &= (fit.sigma > 0.45 * width) & (fit.sigma < 2.2 * width)
    if not keep.any():
        return keep
    keep &= fit.height > _LOWEST * _strong_height(fit.height[keep])
    index = np.flatnonzero(keep)
    positions = _positions(fit)[index]
    pairs = cKDTree(positions).query_pairs(_SAME * width)
    for i, j in pairs:
        i, j = index[i], index[j]
        keep[i if fit.height[i] < fit.height[j] else j] = False
    return keep


def _residual(image, fit):
    return image - render_gaussians(image.shape, fit)


def _own_confidence(enhanced, fit, width):
    """Confidence from the enhanced image alone.

    Its ripple has the size of columns, and is measured with only the
    strong ones subtracted: the fits of the others hold all of it.
    """
    strong = fit.select(fit.height > _STRONG * _strong_height(fit.height))
    noise = measure_noise(_residual(enhanced, strong), width)
    significance = measure_significance(
        _residual(enhanced, fit), fit, width, noise=noise
    )
    return confidence_from_significance(
        significance, _positions(fit), width, enhanced.shape
    )


def _raw_confidence(raw, fit, width):
    error = _MODEL_ERROR * _strong_height(fit.height)
    significance = measure_significance(_residual(raw, fit), fit, width, error)
    return confidence_from_significance(significance, _positions(fit), width, raw.shape)


def _doubt_shape(confidence, fit):
    """Lower the confidence in columns that a Gaussian describes badly."""
    misfit = fit.residual / np.maximum(_MISFIT * fit.height, 1e-300)
    return np.maximum(1 - (1 - confidence) * np.maximum(misfit, 1) ** 2, 0)
