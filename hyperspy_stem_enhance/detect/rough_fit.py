"""A first fit of circular Gaussians on a coarse image: start values and noise."""

from dataclasses import dataclass

import numpy as np

from .gaussians import Gaussians
from .joint_fit import JointFit
from .joint_gaussians import BACKGROUND_TERMS, JointModel
from .residual_noise import measure_variance

# Pixels are put together until sigma is about so many of them.
_COARSE_SIGMA = 1.4
# Pixels count up to so many sigmas, or pixels; Gaussians end at so many sigmas.
_REACH_SIGMAS, _MIN_REACH = 2.5, 2.5
_TAIL = 2.75
_STEPS, _TOLERANCE = 8, 0.02
# Pixels that are enough to measure the noise on.
_NOISE_SAMPLE = 20_000
_LEAST_VARIANCE = 0.1
# Variance of data of order one without noise
_TINY = 1e-10


@dataclass
class Noise:
    """Variance of pixels: ``max(gain * intensity + offset, floor)``."""

    gain: float
    offset: float
    floor: float

    def variance(self, intensity):
        """Variance of pixels of given intensity."""
        return np.maximum(self.gain * intensity + self.offset, self.floor)

    def weigh(self, model, residual):
        """Set the weights of a model to the inverse variance of its pixels."""
        model.weight = model.used / self.variance(model.data - residual)

    def of_finer_pixels(self, factor):
        """Noise of the pixels whose means over squares have this one."""
        return Noise(*(factor**2 * value for value in vars(self).values()))


def fit_roughly(data, start, sigma, mask_radius, law, background, elliptical=False):
    """Fit Gaussians to a coarse image.

    Parameters are those of :func:`.gaussian_refinement.refine_gaussians`.

    Returns
    -------
    g : Gaussians
        In pixels of ``data``, levels of the background at the centres of
        the columns.
    noise : Noise
        Of the pixels of ``data``.
    """
    factor = max(1, int(sigma / _COARSE_SIGMA))
    centre = (factor - 1) / 2
    coarse, start = _mean_of_squares(data, factor), (start - centre) / factor
    # A pixel is a mean: columns are wider by its own variance.
    widened = (factor**2 - 1) / 12
    width = np.full(len(start), np.sqrt(sigma**2 + widened) / factor)
    reach = np.maximum(_REACH_SIGMAS * width, _MIN_REACH)
    if mask_radius is not None:
        reach[:] = max(mask_radius / factor, 1.0)
    law = None if law is None else (law[0] / factor**2, law[1] / factor**2)
    fit, noise = _fit(coarse, start, width, reach, law, background, elliptical)
    g = fit.g
    precision = _narrowed(g.precision / factor**2, widened)
    fine = Gaussians(
        y=factor * g.y + centre,
        x=factor * g.x + centre,
        # The same volume
        height=g.height
        * np.sqrt(_determinant(precision) * factor**4)
        / np.sqrt(_determinant(g.precision)),
        precision=precision,
        background=move_levels(g, fit.model.row, fit.model.column, g.y, g.x),
    )
    fine.background[:, 1:] /= factor
    return fine, noise.of_finer_pixels(factor)


def move_levels(g, row, column, new_row, new_column):
    """Backgrounds with their levels at other places, shape (n, terms)."""
    background = g.background.copy()
    if background.shape[1] == 3:
        background[:, 0] += background[:, 1] * (new_row - row)
        background[:, 0] += background[:, 2] * (new_column - column)
    return background


def all_free(model):
    """Mask of parameters to fit, all of them, shape (n, p)."""
    return np.ones((len(model.row), model.n_parameters), dtype=bool)


def measure_noise(model, residual, law=None):
    """Noise on what a fit leaves over; its gain and offset may be given."""
    pixels = np.flatnonzero(model.used)
    lost = min(len(model.row) * model.n_parameters / max(len(pixels), 1), 0.5)
    pixels = pixels[:: max(1, len(pixels) // _NOISE_SAMPLE)]
    left = residual.ravel()[pixels]
    intensity = model.data.ravel()[pixels] - left
    *measured, floor = measure_variance(intensity, left, lost)
    return Noise(*(measured if law is None else law), floor)


def _determinant(precision):
    yy, yx, xx = precision.T
    return yy * xx - yx**2


def _narrowed(precision, variance):
    """Precisions of Gaussians whose variances are smaller by so much."""
    yy, yx, xx = precision.T / _determinant(precision)
    covariance = np.stack([xx, -yx, yy])
    # Not below a third of a pixel
    least = np.maximum(_LEAST_VARIANCE - _smallest(covariance) + variance, 0)
    covariance[[0, 2]] += least - variance
    yy, yx, xx = covariance
    return np.stack([xx, -yx, yy], axis=1) / (yy * xx - yx**2)[:, None]


def _smallest(matrix):
    """Smaller eigenvalue of symmetric matrices (yy, yx, xx)."""
    yy, yx, xx = matrix
    return (yy + xx) / 2 - np.hypot((yy - xx) / 2, yx)


def _fit(data, start, width, reach, law, background, elliptical):
    n = len(start)
    model = JointModel(data, *start.T, width, reach, _TAIL, background, False)
    g = Gaussians(
        *start.T.copy(),
        height=np.zeros(n),
        precision=np.outer(width[0] ** -2 * np.ones(n), [1.0, 0.0, 1.0]),
        background=np.zeros((n, BACKGROUND_TERMS[background])),
    )
    free = all_free(model)
    free[:, :2] = free[:, 3] = False
    fit = JointFit(model, g, width, free)
    # Heights and backgrounds, each column by itself: enough to begin with
    fit.run(_TOLERANCE, 1, coupled=False)
    if law is None:
        # Of a bad model, the mean is all one knows of the noise.
        used = max(np.count_nonzero(model.used), 1)
        mean = np.vdot(fit.residual, fit.residual * model.used) / used
        model.weight = model.used.astype(np.float32) / float(max(mean, _TINY))
    else:
        measure_noise(model, fit.residual, law).weigh(model, fit.residual)
    fit = JointFit(model, fit.g, width, all_free(model), fit.residual)
    fit.run(_TOLERANCE, _STEPS)
    if elliptical:
        measure_noise(model, fit.residual, law).weigh(model, fit.residual)
        model.free_ellipses()
        fit = JointFit(model, fit.g, width, all_free(model), fit.residual)
        fit.run(_TOLERANCE, _STEPS)
    return fit, measure_noise(model, fit.residual, law)


def _mean_of_squares(data, factor):
    """Image of the means of squares of pixels; NaN pixels are left out."""
    if factor == 1:
        return data
    h, w = (-(-size // factor) for size in data.shape)
    missing = [
        (0, factor * n - size) for n, size in zip((h, w), data.shape, strict=True)
    ]
    squares = np.pad(data, missing, constant_values=np.nan)
    squares = squares.reshape(h, factor, w, factor).transpose(0, 2, 1, 3)
    squares = squares.reshape(h, w, factor**2)
    known = np.isfinite(squares)
    if known.all():
        return squares.mean(axis=2, dtype=np.float32)
    count = known.sum(axis=2)
    total = np.where(known, squares, 0).sum(axis=2, dtype=np.float32)
    # A square with few pixels would have other noise than the rest.
    enough = count > factor**2 / 2
    return np.where(enough, total / np.maximum(count, 1), np.nan).astype(np.float32)
