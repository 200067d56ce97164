"""The stages of a fit of Gaussians: widths, noise, weights, errors."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .joint_fit import JointFit
from .joint_gaussians import BACKGROUND_TERMS, Gaussians, JointModel
from .residual_noise import measure_variance

# Pixels count up to this many sigmas from a column: they hold 94 % of what Poisson
# noise lets one know of a position.
_REACH_SIGMAS, _MIN_REACH = 3.0, 2.5
# Fewer are enough to begin with.
_FIRST_REACH_SIGMAS = 2.25
# Gaussians end at so many sigmas, in the first fit and in the last.
_FIRST_TAIL, _TAIL = 2.5, 3.25
# Columns do not move farther than this many sigmas, or part of the way to the
# nearest other one.
_LARGEST_SHIFT, _SHIFT_TO_NEAREST = 2.0, 0.6
# Columns lower than this many standard errors of their height are not there.
_LOWEST_SIGNIFICANCE = 1.0
# Squared residuals around one column are more than those of all, from so many of
# their standard deviations on.
_UNUSUAL = 3.0
# Windows are made for widths of up to this factor times the typical one.
_WIDE = 1.8
# Steps of the unweighted fit, with weights from it, and without what failed.
_FIRST_STEPS, _STEPS, _LAST_STEPS = 4, 15, 6
_ROUGH, _FINE = 0.1, 1e-3
# Pixels that are enough to measure the noise on.
_NOISE_SAMPLE = 20_000
# Of data of order one
_TINY = 1e-10


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
    model, g, width = start_gaussians(data, start, sigma, mask_radius, background)
    fit = fit_heights(model, g, width, coupled=False)
    noise = Noise(law)
    noise.measure(model, fit.residual)
    if law is None:
        # Of a bad model, the mean is all one knows of the noise.
        mean = np.vdot(fit.residual, fit.residual * model.used) / model.used.sum()
        model.weight = model.used.astype(np.float32) / float(max(mean, _TINY))
    else:
        noise.weigh(model, fit.residual)
    fit = JointFit(model, fit.g, width, _all_free(model), fit.residual)
    fit.run(_ROUGH, _FIRST_STEPS)
    noise.measure(model, fit.residual)

    g = _return_to_start(fit.g, _is_stray(fit.g, start, sigma), start, width)
    width = np.full(len(start), np.median(g.sigma()))
    window = np.minimum(g.sigma(), _WIDE * width)
    reach = _reach(window, mask_radius)
    old = model
    model = JointModel(data, g.y, g.x, window, reach, _TAIL, background, elliptical)
    g = _move_backgrounds(g, old, model)
    fit = JointFit(model, g, width, _all_free(model))
    noise.weigh(model, fit.residual)
    fit.run(_FINE, _STEPS)
    return _judge(fit, start, sigma, known_noise=law is not None)


def start_gaussians(data, start, sigma, mask_radius, background):
    """Circular Gaussians of height zero to start from.

    Returns
    -------
    model : JointModel
    g : Gaussians
    width : numpy.ndarray, shape (n,)
    """
    n = len(start)
    width = np.full(n, float(sigma))
    reach = _reach(width, mask_radius, _FIRST_REACH_SIGMAS)
    model = JointModel(data, *start.T, width, reach, _FIRST_TAIL, background, False)
    g = Gaussians(
        *start.T.copy(),
        height=np.zeros(n),
        precision=np.outer(width**-2, [1.0, 0.0, 1.0]),
        background=np.zeros((n, BACKGROUND_TERMS[background])),
    )
    return model, g, width


def fit_heights(model, start, width, coupled=True):
    """Fit Gaussians of fixed positions and widths, and backgrounds.

    Parameters
    ----------
    model : JointModel
    start : Gaussians
    width : numpy.ndarray, shape (n,)
    coupled : bool
        Whether together, or each by itself: a rough start.

    Returns
    -------
    JointFit
    """
    free = _all_free(model)
    free[:, :2] = free[:, 3 : 3 + model.n_shape] = False
    fit = JointFit(model, start, width, free)
    fit.run(_FINE, 1, coupled)
    return fit


class Noise:
    """Variance of the pixels, and from it the weights of a model.

    Parameters
    ----------
    law : tuple of float, or None
        Gain and offset of the variance against intensity; measured on what
        a fit leaves over if None.
    """

    def __init__(self, law):
        self.law, self._given, self._floor = law, law is not None, None

    def measure(self, model, residual):
        """Measure what is not given on the residual of a fit."""
        pixels = np.flatnonzero(model.used)
        lost = min(len(model.row) * model.n_parameters / max(len(pixels), 1), 0.5)
        pixels = pixels[:: max(1, len(pixels) // _NOISE_SAMPLE)]
        left = residual.ravel()[pixels]
        intensity = model.data.ravel()[pixels] - left
        gain, offset, self._floor = measure_variance(intensity, left, lost)
        if not self._given:
            self.law = gain, offset

    def variance(self, intensity):
        """Variance of pixels of given intensity."""
        return np.maximum(self.law[0] * intensity + self.law[1], self._floor)

    def weigh(self, model, residual):
        """Set the weights of a model to the inverse variance of its pixels."""
        variance = self.variance(model.data - residual)
        model.weight = model.used / variance


def _reach(sigma, mask_radius, sigmas=_REACH_SIGMAS):
    if mask_radius is not None:
        return np.full(len(sigma), float(mask_radius))
    return np.maximum(sigmas * sigma, _MIN_REACH)


def _all_free(model):
    return np.ones((len(model.row), model.n_parameters), dtype=bool)


def _is_stray(g, start, sigma):
    """Mask of columns that moved farther than a refinement may."""
    limit = np.full(len(start), _LARGEST_SHIFT * sigma)
    if len(start) > 1:
        distance, _ = cKDTree(start).query(start, k=2)
        limit = np.minimum(limit, _SHIFT_TO_NEAREST * distance[:, 1])
    shift = np.hypot(g.y - start[:, 0], g.x - start[:, 1])
    return ~(shift <= np.maximum(limit, 0.5))


def _return_to_start(g, chosen, start, width):
    y, x = np.where(chosen[:, None], start, np.stack([g.y, g.x], axis=1)).T
    straight = np.outer(width**-2, [1.0, 0.0, 1.0])
    precision = np.where(chosen[:, None], straight, g.precision)
    return Gaussians(y, x, g.height, precision, g.background)


def _move_backgrounds(g, old, new):
    """Refer planes to the centres of other windows."""
    background = g.background.copy()
    if new.terms == 3:
        background[:, 0] += background[:, 1] * (new.row - old.row)
        background[:, 0] += background[:, 2] * (new.column - old.column)
    return Gaussians(g.y, g.x, g.height, g.precision, background)


def _judge(fit, start, sigma, known_noise):
    """Standard errors, and which fits failed; these go back to their start."""
    model = fit.model
    errors, ok = _errors(fit, start, sigma)
    if not ok.all():
        free = _all_free(model)
        free[~ok, :2] = free[~ok, 3 : 3 + model.n_shape] = False
        g = _return_to_start(fit.g, ~ok, start, fit.width)
        fit = JointFit(model, g, fit.width, free)
        fit.run(_FINE, _LAST_STEPS)
        errors, still = _errors(fit, start, sigma)
        ok &= still
    errors = errors * np.sqrt(_excess(fit, known_noise))[:, None]
    g = _return_to_start(fit.g, ~ok, start, fit.width)
    level = np.zeros(len(start))
    if model.terms:
        level = g.background[:, 0].copy()
    if model.terms == 3:
        level += g.background[:, 1] * (g.y - model.row)
        level += g.background[:, 2] * (g.x - model.column)
    for values in (errors, level, g.height, g.precision):
        values[~ok] = np.nan
    return RefinedGaussians(g, level, errors, ok)


def _errors(fit, start, sigma):
    """Standard errors of y and x, and where a column is there."""
    covariance = fit.matrix().inverse_diagonal()
    variances = np.einsum("npp->np", covariance)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(variances[:, :3])
        g = fit.g
        ok = np.isfinite(errors).all(axis=1) & ~_is_stray(g, start, sigma)
        ok &= errors[:, :2].max(axis=1) < g.sigma()
        ok &= g.height > _LOWEST_SIGNIFICANCE * errors[:, 2]
    ok &= fit.model.n_pixels > fit.model.n_parameters
    # Half of a column at an edge may fit best with its centre outside
    height, width = fit.model.data.shape
    ok &= (g.y >= -0.5) & (g.y <= height - 0.5) & (g.x >= -0.5) & (g.x <= width - 0.5)
    return errors[:, :2], ok


def _excess(fit, known_noise):
    """Squared residuals around each column against the noise."""
    model = fit.model
    square = model.weight * fit.residual**2
    pixels = np.maximum(model.n_pixels, 1)
    kept = max(1 - len(pixels) * model.n_parameters / pixels.sum(), 0.5)
    sample = np.flatnonzero(model.used)
    sample = square.ravel()[sample[:: max(1, len(sample) // _NOISE_SAMPLE)]]
    mean, spread = sample.mean(), sample.std()
    around = model.sum_cells(square) / pixels
    unusual = around > mean + _UNUSUAL * spread / np.sqrt(pixels)
    excess = np.where(unusual, around, mean) / kept
    return np.maximum(excess, 1.0) if known_noise else excess
