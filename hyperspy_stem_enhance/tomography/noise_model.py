"""Variance of the noise in each pixel of views, measured in the views themselves.

Counting makes it grow with the intensity, read-out adds a constant: variance = a +
b · intensity. The noise is what the mask of Immerkær, Comput. Vis. Image Underst. 64
(1996) 300, leaves, to which planes and smooth edges are nothing.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import nnls

_LEVELS = 24  # groups of pixels of like intensity
_SMOOTH = 1.5  # pixels
# Counts that even an empty pixel might have had: without them a pixel that happens to
# be zero would outweigh all others
_UNSEEN_COUNTS = 3.0


def noise_residuals(views):
    """Residuals of the mask, whose squares have the variance as their mean."""
    second = views[:, :, 2:] - 2 * views[:, :, 1:-1] + views[:, :, :-2]
    return (second[:, 2:] - 2 * second[:, 1:-1] + second[:, :-2]) / 6


def pixel_variance(views):
    """Variance of each pixel.

    Parameters
    ----------
    views : numpy.ndarray of float, shape (n, u, x)

    Returns
    -------
    numpy.ndarray of float32, shape (n, u, x)
        Positive everywhere.
    """
    views = np.asarray(views, np.float32)
    smooth = gaussian_filter(views, (0, _SMOOTH, _SMOOTH))
    squares = noise_residuals(views).ravel() ** 2
    level = smooth[:, 1:-1, 1:-1].ravel()
    groups = np.array_split(np.argsort(level, kind="stable"), _LEVELS)
    means = np.array([[level[g].mean(), squares[g].mean()] for g in groups])
    means[:, 0] = np.maximum(means[:, 0], 0)
    # By the relative error of each group, but for faint ones: there pixels are in the
    # group whose noise made them so
    scale = 1 / (means[:, 1] + squares.mean() + 1e-30)
    design = np.column_stack([np.ones(len(groups)), means[:, 0]]) * scale[:, None]
    (constant, per_unit), _ = nnls(design, means[:, 1] * scale)
    floor = 1e-9 * float(np.mean(smooth**2)) + 1e-30
    variance = constant + per_unit * np.maximum(smooth, 0)
    variance += _UNSEEN_COUNTS * per_unit**2 + floor
    return variance.astype(np.float32)
