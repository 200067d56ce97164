"""Atom columns of an enhanced image, one row each.

Maxima of the enhanced image are fitted with Gaussians, all at once, and kept
if they stand out of what the noise does: in the raw image where it is given.
"""

import numpy as np
from scipy.spatial import cKDTree

from ..noise.parameters import MODES
from .peaks import estimate_width, find_candidates
from .refine import fit_gaussians, render_gaussians
from .significance import confidence_from_significance, measure_significance

COLUMN_NAMES = ("y", "x", "intensity", "sigma", "confidence")

DEFAULT_THRESHOLD = 0.5

# Columns lower than this part of the strong ones are not told from ripple.
_LOWEST = 0.01
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
    fit = _fit_columns(enhanced, filled, width)
    confidence = _own_confidence(enhanced, fit, width)
    if raw is not None:
        confidence = np.minimum(confidence, _raw_confidence(raw, fit, width))
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
    fit = fit_gaussians(enhanced, candidates, width, background=False, rounds=1)
    fit = fit.select(_plausible(fit, enhanced.shape, width))
    significance = measure_significance(_residual(enhanced, fit), fit, width)
    fit = fit.select(significance > 3)
    positions = np.stack([fit.y, fit.x], axis=1)
    fit = fit_gaussians(enhanced, positions, fit.sigma, background=False)
    return fit.select(_plausible(fit, enhanced.shape, width))


def _plausible(fit, shape, width):
    """Mask of fits that are columns in the image, each of them once."""
    keep = (fit.height > 0) & np.isfinite(fit.residual)
    keep &= (fit.y > -0.5) & (fit.y < shape[0] - 0.5)
    keep &= (fit.x > -0.5) & (fit.x < shape[1] - 0.5)
    keep &= (fit.sigma > 0.45 * width) & (fit.sigma < 2.2 * width)
    if not keep.any():
        return keep
    weight = np.sort(fit.height[keep])
    cumulative = np.cumsum(weight**2)
    strong = weight[np.searchsorted(cumulative, 0.5 * cumulative[-1])]
    keep &= fit.height > _LOWEST * strong
    index = np.flatnonzero(keep)
    positions = np.stack([fit.y[index], fit.x[index]], axis=1)
    pairs = cKDTree(positions).query_pairs(_SAME * width)
    for i, j in pairs:
        i, j = index[i], index[j]
        keep[i if fit.height[i] < fit.height[j] else j] = False
    return keep


def _residual(image, fit):
    return image - render_gaussians(image.shape, fit)


def _own_confidence(enhanced, fit, width):
    significance = measure_significance(_residual(enhanced, fit), fit, width)
    positions = np.stack([fit.y, fit.x], axis=1)
    return confidence_from_significance(significance, positions, width, enhanced.shape)


def _raw_confidence(raw, fit, width):
    significance = measure_significance(_residual(raw, fit), fit, width)
    positions = np.stack([fit.y, fit.x], axis=1)
    return confidence_from_significance(significance, positions, width, raw.shape)
