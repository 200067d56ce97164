"""Fit how the SD of a noise term depends on intensity or gradient.

The SD is a line, ``slope * x + intercept``; what can be measured without
bias is its square, or the covariance of neighbours, in sums over pixels.
Both laws are fitted to such sums, kept for strips of the image so that
the scatter between strips gives standard errors.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import correlate1d

LAGS = (1, 2, 3, 4, 5, 6, 8, 10)  # pixels along the row, for scan noise
# what a parabola in the squares of the first five lags is at lag zero
_AT_ZERO = np.linalg.pinv(np.vander(np.square(LAGS[:5], dtype=float), 3))[-1]
_STRIP = 16  # rows, at least
_MAX_STRIPS = 16
_BINS = 128  # of intensity in a strip
_WIDE = 384  # pixels along the row, from which on every second tells enough
_STRIP_PIXELS = 1 << 17  # of huge images, a part of each strip is enough


@dataclass(frozen=True)
class NoiseLaw:
    """SD of a noise term as a line, with standard errors.

    Attributes
    ----------
    slope, intercept : float
    slope_error, intercept_error : float
        Standard errors; NaN from fewer than three strips.
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float


def fit_pointwise_law(structure, band, usable, zero=0.0):
    """Fit the SD of the pointwise noise against intensity.

    Parameters
    ----------
    structure : numpy.ndarray, shape (h, w)
        Image without noise.
    band : numpy.ndarray, shape (h, w)
        Pointwise noise alone, with the SD of the noise.
    usable : numpy.ndarray of bool, shape (h, w)
    zero : float, default 0
        Value of `structure` for which the standard error of the intercept
        is given.

    Returns
    -------
    NoiseLaw
    """
    strips = _strips(usable)
    level = np.sqrt(np.mean(band[usable] ** 2, dtype=float))
    binned = [_binned_squares(structure, band, usable, rows) for rows in strips]
    slope, intercept = 0.0, level
    for _ in range(3):
        sums = []
        for counts, x, square in binned:
            sd = np.maximum(slope * x + intercept, 0.2 * level)
            terms = np.stack([x * x, x, np.ones_like(x)])
            sums.append(_normal_equations(terms, square, counts * sd**-4))
        matrices, vectors = map(np.array, zip(*sums, strict=True))
        slope, intercept = _solve(matrices.sum(0), vectors.sum(0), slope, intercept)
    without = np.array(
        [
            _solve(matrices.sum(0) - m, vectors.sum(0) - v, slope, intercept)
            for m, v in zip(matrices, vectors, strict=True)
        ]
    )
    without[:, 1] += zero * without[:, 0]
    return NoiseLaw(slope, intercept, *_jackknife(without))


def fit_scan_law(gradient, band, row_weights, total_sd, usable):
    """Fit the SD of the scan noise against the gradient magnitude.

    Pointwise noise does not correlate neighbours, so that the covariance
    of pixels `LAGS` apart along the row is that of the scan noise; carried
    on to lag zero, it is its variance.

    Parameters
    ----------
    gradient : numpy.ndarray, shape (h, w)
        Gradient magnitude of the image without noise.
    band : numpy.ndarray, shape (h, w)
        Scan and pointwise noise, with their SDs.
    row_weights : numpy.ndarray, shape (2 m + 1,)
        How the variances of neighbouring rows enter that of `band`.
    total_sd : numpy.ndarray, shape (h, w)
        Rough SD of `band`, for weights.
    usable : numpy.ndarray of bool, shape (h, w)

    Returns
    -------
    NoiseLaw
    correlation : numpy.ndarray, shape (len(LAGS),)
        Correlation of the scan noise along the row.
    """
    sums = [
        _scan_sums(gradient, band, row_weights, total_sd, usable, rows)
        for rows in _strips(usable)
    ]
    matrices, vectors = map(np.array, zip(*sums, strict=True))
    slope, intercept, correlation = _solve_scan(matrices.sum(0), vectors.sum(0))
    without = [
        _solve_scan(matrices.sum(0) - m, vectors.sum(0) - v, (slope, intercept))[:2]
        for m, v in zip(matrices, vectors, strict=True)
    ]
    return NoiseLaw(slope, intercept, *_jackknife(without)), correlation


def _binned_squares(structure, band, usable, rows):
    """Pixels, mean intensity and mean square of the noise in bins of a strip."""
    x = structure[rows][usable[rows]]
    square = np.square(band[rows][usable[rows]])
    low, high = x.min(), x.max()
    index = ((x - low) * (_BINS / max(high - low, 1e-30))).astype(np.intp)
    np.minimum(index, _BINS - 1, out=index)
    counts = np.bincount(index, minlength=_BINS)
    kept = counts > 0
    means = (np.bincount(index, v, _BINS)[kept] / counts[kept] for v in (x, square))
    return counts[kept].astype(float), *means


def _scan_sums(gradient, band, row_weights, total_sd, usable, rows):
    """Normal equations of the covariances at all lags, for one strip."""
    reach = len(row_weights) // 2
    start = max(rows.start - reach, 0)
    wide = gradient[start : rows.stop + reach]
    inner = slice(rows.start - start, rows.stop - start)
    band = band[rows]
    weight = usable[rows] * total_sd[rows] ** np.float32(-2)
    # scan noise is alike in neighbours, and smooth gradients are
    step = 2 if band.shape[1] >= _WIDE else 1
    smooth = correlate1d(wide, row_weights, axis=0)[inner]
    matrices, vectors = [], []
    for lag in LAGS:
        left, right = np.s_[:, :-lag:step], np.s_[:, lag::step]
        product = correlate1d(wide[left] * wide[right], row_weights, axis=0)[inner]
        mean = (smooth[left] + smooth[right]) / 2
        matrix, vector = _normal_equations(
            np.stack([product.ravel(), mean.ravel(), np.ones(product.size, "f4")]),
            (band[left] * band[right]).ravel(),
            (weight[left] * weight[right]).ravel(),
        )
        matrices.append(matrix.astype(float))
        vectors.append(vector.astype(float))
    return matrices, vectors


def _strips(usable):
    """Bands of rows with usable pixels, spread over the image."""
    height, width = usable.shape
    n = int(np.clip(height // _STRIP, 4, _MAX_STRIPS))
    bounds = np.linspace(0, height, n + 1).astype(int)
    strips = [
        slice(start, min(stop, start + max(1, _STRIP_PIXELS // width)))
        for start, stop in pairwise(bounds.tolist())
    ]
    return [rows for rows in strips if usable[rows].any()]


def _normal_equations(terms, values, weights):
    """Sums of weighted least squares of `values` on the rows of `terms`."""
    weighted = terms * weights
    return weighted @ terms.T, weighted @ values


def _solve(matrix, vector, slope, intercept):
    """Slope and intercept whose square fits best, by Gauss-Newton steps."""
    for _ in range(40):
        square = np.array([slope**2, 2 * slope * intercept, intercept**2])
        jacobian = np.array(
            [[2 * slope, 0], [2 * intercept, 2 * slope], [0, 2 * intercept]]
        )
        (a, b), (_, d) = jacobian.T @ matrix @ jacobian
        u, v = jacobian.T @ (vector - matrix @ square)
        determinant = a * d - b * b
        if determinant > 1e-12 * a * d:
            step = np.array([d * u - b * v, a * v - b * u]) / determinant
        else:  # x does not vary: the shortest step
            step = np.linalg.pinv([[a, b], [b, d]], rcond=1e-6) @ (u, v)
        slope, intercept = slope + step[0], intercept + step[1]
        if np.abs(step).max() < 1e-7:
            break
    return float(slope), float(intercept)


def _solve_scan(matrices, vectors, start=None):
    """Law and correlation of the scan noise in turn."""
    covariance = vectors[:, 2] / matrices[:, 2, 2]
    slope, intercept = start or (0.02, np.sqrt(max(covariance[0], 1e-12)))
    for _ in range(6 if start is None else 2):
        square = np.array([slope**2, 2 * slope * intercept, intercept**2])
        observed = vectors[:, 2] / np.maximum(matrices[:, 2] @ square, 1e-30)
        at_zero = max(_extrapolate(observed), 0.05)
        correlation = np.clip(observed / at_zero, 0, 1)
        matrix = np.einsum("j,jkl->kl", correlation**2, matrices)
        vector = correlation @ vectors
        slope, intercept = _solve(
            matrix, vector, max(slope, 1e-3), max(intercept, 1e-6)
        )
        if slope < 0:  # neither can be: what is nearest without it
            slope, intercept = 0.0, np.sqrt(max(vector[2] / matrix[2, 2], 0))
        elif intercept < 0:
            slope, intercept = np.sqrt(max(vector[0] / matrix[0, 0], 0)), 0.0
    return float(slope), float(intercept), correlation


def _extrapolate(covariance):
    """Covariance at lag zero: an even function, hence a parabola in lag²."""
    if covariance[3] > 0.5 * covariance[0]:
        return _AT_ZERO @ covariance[:5]
    # short correlation: through the first three lags exactly
    return 1.5 * covariance[0] - 0.6 * covariance[1] + 0.1 * covariance[2]


def _jackknife(without):
    """Standard errors from estimates that leave out one strip each."""
    without = np.array(without)
    n = len(without)
    if n < 3:
        return np.nan, np.nan
    return tuple(np.sqrt((n - 1) * without.var(0)).tolist())
