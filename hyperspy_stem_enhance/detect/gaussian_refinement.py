"""The stages of a fit of Gaussians: widths, noise, weights, errors.

Weights, couplings and errors cost three to ten times as much per column as the
plain rounds of `refine`, and make positions a quarter to a half more exact: those sort
candidates, which are many, and this places the columns that are left.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .gaussians import Gaussians
from .joint_fit import JointFit
from .joint_gaussians import JointModel
from .rough_fit import all_free, fit_roughly, move_levels
from .unseen import find_unseen

# Pixels count up to this many sigmas from a column: they hold 94 % of what Poisson
# noise lets one know of a position. Gaussians end a little farther out.
_REACH_SIGMAS, _MIN_REACH = 3.0, 2.5
_TAIL = 3.25
# Columns do not move farther than this many sigmas, or this part of the way to the
# nearest other one; by so many pixels they always may.
_LARGEST_SHIFT, _SHIFT_TO_NEAREST, _ALWAYS = 1.0, 0.4, 1.0
# Columns lower than this many standard errors of their height are not there.
_LOWEST_SIGNIFICANCE = 1.0
# Squared residuals around one column are more than those of all, from so many of
# their standard deviations on.
_UNUSUAL = 3.0
# Pixels that are enough for the mean of these.
_SAMPLE = 20_000
# Windows are made for widths of up to this factor times the typical one.
_WIDE = 1.8
# Steps of the fit, and of that without what failed.
_STEPS, _LAST_STEPS = 30, 15
_TOLERANCE = 1e-3


@dataclass
class RefinedGaussians:
    """Result of `refine_gaussians`, for n columns.

    Attributes
    ----------
    gaussians : Gaussians
    level : numpy.ndarray, shape (n,)
        Background at the centre of each column.
    errors : numpy.ndarray, shape (n, 2)
        Standard errors of y and x in pixels, NaN where the fit failed.
    refined : numpy.ndarray of bool, shape (n,)
    """

    gaussians: Gaussians
    level: np.ndarray
    errors: np.ndarray
    refined: np.ndarray


def refine_gaussians(data, start, sigma, mask_radius, law, background, elliptical):
    """Fit Gaussians to all columns of an image.

    Parameters
    ----------
    data : numpy.ndarray of float32, shape (h, w)
        Bright columns, of order one; NaN pixels are left out.
    start : numpy.ndarray of float64, shape (n, 2)
        Positions y, x in the image, in pixels, n > 0.
    sigma : float
        Typical width in pixels.
    mask_radius : float or None
        Reach of each column in pixels.
    law : tuple of float, or None
        Gain and offset of the variance of the pixels, measured if None.
    background : {"none", "constant", "plane"}
    elliptical : bool

    Returns
    -------
    RefinedGaussians
    """
    given = len(start)
    start = np.concatenate([start, find_unseen(data, start, sigma, background)])
    g, noise = fit_roughly(data, start, sigma, mask_radius, law, background, elliptical)
    width = np.full(len(start), np.median(g.sigma()[:given]))
    g = _return_to_start(g, _is_stray(g, start, sigma), start, width)
    window = np.minimum(g.sigma(), _WIDE * width)
    reach = np.maximum(_REACH_SIGMAS * window, _MIN_REACH)
    if mask_radius is not None:
        reach[:] = mask_radius
    model = JointModel(data, g.y, g.x, window, reach, _TAIL, background, elliptical)
    g.background = move_levels(g, g.y, g.x, model.row, model.column)
    fit = JointFit(model, g, width, all_free(model))
    noise.weigh(model, fit.residual)
    fit.run(_TOLERANCE, _STEPS)
    return _judge(fit, start, sigma, given, known_noise=law is not None)


def _is_stray(g, start, sigma):
    """Mask of columns that moved farther than a refinement may."""
    limit = np.full(len(start), _LARGEST_SHIFT * sigma)
    if len(start) > 1:
        distance, _ = cKDTree(start).query(start, k=2)
        limit = np.minimum(limit, _SHIFT_TO_NEAREST * distance[:, 1])
    shift = np.hypot(g.y - start[:, 0], g.x - start[:, 1])
    return ~(shift <= np.maximum(limit, _ALWAYS))


def _return_to_start(g, chosen, start, width):
    y, x = np.where(chosen[:, None], start, np.stack([g.y, g.x], axis=1)).T
    straight = np.outer(width**-2, [1.0, 0.0, 1.0])
    precision = np.where(chosen[:, None], straight, g.precision)
    return Gaussians(y, x, g.height, precision, g.background)


def _judge(fit, start, sigma, given, known_noise):
    """Standard errors, and which fits failed; these go back to their start."""
    model = fit.model
    errors, ok = _errors(fit, start, sigma, given)
    if not ok.all():
        free = all_free(model)
        free[~ok, :2] = free[~ok, 3 : 3 + model.n_shape] = False
        g = _return_to_start(fit.g, ~ok, start, fit.width)
        fit = JointFit(model, g, fit.width, free)
        fit.run(_TOLERANCE, _LAST_STEPS)
        errors, still = _errors(fit, start, sigma, given)
        ok &= still
    errors = errors * np.sqrt(_excess(fit, known_noise))[:, None]
    g = _return_to_start(fit.g, ~ok, start, fit.width)
    level = np.zeros(len(start))
    if model.terms:
        level = move_levels(g, model.row, model.column, g.y, g.x)[:, 0]
    for values in (errors, level, g.height, g.precision):
        values[~ok] = np.nan
    g = g.select(slice(given))
    return RefinedGaussians(g, level[:given], errors[:given], ok[:given])


def _errors(fit, start, sigma, given):
    """Standard errors of y and x, and where a column is there."""
    covariance = fit.matrix().inverse_diagonal()
    variances = np.einsum("npp->np", covariance)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(variances[:, :3])
        g = fit.g
        ok = np.isfinite(errors).all(axis=1) & ~_is_stray(g, start, sigma)
        ok &= errors[:, :2].max(axis=1) < g.sigma()
        ok &= g.height > _LOWEST_SIGNIFICANCE * errors[:, 2]
    ok &= fit.at_rest & (fit.model.n_pixels > fit.model.n_parameters)
    # Half of a column at an edge may fit best with its centre outside
    height, width = np.array(fit.model.data.shape) - 2 * fit.model.margin
    ok &= (g.y >= -0.5) & (g.y <= height - 0.5) & (g.x >= -0.5) & (g.x <= width - 0.5)
    ok[given:] = True  # nobody asked for these, they may be anywhere
    return errors[:, :2], ok


def _excess(fit, known_noise):
    """Squared residuals around each column against the noise."""
    model = fit.model
    square = model.weight * fit.residual**2
    pixels = np.maximum(model.n_pixels, 1)
    kept = max(1 - len(pixels) * model.n_parameters / pixels.sum(), 0.5)
    sample = np.flatnonzero(model.used)
    sample = square.ravel()[sample[:: max(1, len(sample) // _SAMPLE)]]
    mean, spread = sample.mean(), sample.std()
    around = model.sum_cells(square) / pixels
    unusual = around > mean + _UNUSUAL * spread / np.sqrt(pixels)
    excess = np.where(unusual, around, mean) / kept
    return np.maximum(excess, 1.0) if known_noise else excess
