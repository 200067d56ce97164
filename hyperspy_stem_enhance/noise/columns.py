"""Columns of an image as Gaussians of one width, for their heights.

Heights are read by a difference of Gaussians, which a constant background
does not reach, and solved for jointly, because the columns overlap.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

LARGEST_SIGMA = 12.0  # pixels; what is wider is background
_SMALLEST_SIGMA = 0.8
_TALL = 256  # rows, from which on every second tells the width
# blurs whose differences read heights and width, in rough widths of a column
_BLURS = (0.5, 1.0, 2.0)
_WIDTHS = np.geomspace(0.65, 1.55, 5)  # times the rough one that are tried
_TELLING = 0.05  # change of the misfit over them that tells the width
_REACH = 3.3  # of a column in the wide blur, in SDs
_ITERATIONS = 20
_NOISE_GAIN = 1.1  # of the variance of heights, from solving for them jointly
_ALIKE = 0.6  # of the brightest: bright columns, whose scatter noise explains
_SPREAD = 2.5  # SDs of a column within which it hides the background
_THRESHOLD = 5.0  # SDs of the noise that a maximum is above the background
_FAINT = 0.15  # columns below this share of the bright ones are left out
_BRIGHTEST = 0.98  # quantile of the column heights that tells the brightness
_CONFIRMED = 1.25  # a brightest column higher than the second by more is a pair


@dataclass
class GaussianColumns:
    """Columns found in an image.

    Attributes
    ----------
    at : tuple of numpy.ndarray of int, shape (n,)
        Rows and columns of the maxima.
    shift : numpy.ndarray, shape (2, n)
        From there to the centres.
    sigma : float
        Common width, in pixels.
    heights : numpy.ndarray, shape (n,)
    inside : numpy.ndarray of bool, shape (n,)
        False for maxima on the border, of columns that may lie outside.
    blurs : tuple of float
        Blurs by whose difference the heights were read, in pixels.
    """

    at: tuple
    shift: np.ndarray
    sigma: float
    heights: np.ndarray
    inside: np.ndarray
    blurs: tuple

    def render(self, shape):
        """Draw the columns inside the frame.

        Parameters
        ----------
        shape : tuple of int

        Returns
        -------
        numpy.ndarray of float32, shape `shape`
        """
        position = (np.stack(self.at) + self.shift)[:, self.inside]
        heights = self.heights[self.inside]
        corner = np.floor(position).astype(int)
        part = position - corner
        flat = np.zeros(shape[0] * shape[1])
        for down in (0, 1):
            for across in (0, 1):
                share = np.abs(1 - down - part[0]) * np.abs(1 - across - part[1])
                rows = np.clip(corner[0] + down, 0, shape[0] - 1)
                columns = np.clip(corner[1] + across, 0, shape[1] - 1)
                index = rows * shape[1] + columns
                flat += np.bincount(index, share * heights, flat.size)
        deltas = flat.reshape(shape).astype(np.float32)
        # spreading over four pixels has widened them by up to half a pixel
        sigma = np.sqrt(max(self.sigma**2 - 1 / 6, 0.3))
        drawn = gaussian_filter(deltas, sigma, mode="constant", truncate=3.5)
        return drawn * np.float32(2 * np.pi * self.sigma**2)

    def beside_border(self, shape):
        """Where there is light of columns that may lie outside the frame.

        Parameters
        ----------
        shape : tuple of int

        Returns
        -------
        numpy.ndarray of bool, shape `shape`
        """
        size = 2 * round(_SPREAD * self.sigma) + 1
        near = np.zeros(shape, np.uint8)
        near[tuple(index[~self.inside] for index in self.at)] = 1
        return maximum_filter(near, size, mode="constant") > 0

    def height_noise(self, row_noise):
        """Noise of the heights as they are read.

        Parameters
        ----------
        row_noise : numpy.ndarray of float32, shape (h, w)
            Noise with the local SD of that of the image, independent from
            row to row.

        Returns
        -------
        float
            SD, on average over the columns.
        """
        first, second = self.blurs
        at = tuple(index[self.inside] for index in self.at)
        narrow = gaussian_filter1d(row_noise, first, axis=1)
        wide = gaussian_filter1d(row_noise, second, axis=1)
        variance = _product_filter(narrow * narrow, first, first)[at]
        variance += _product_filter(wide * wide, second, second)[at]
        variance -= 2 * _product_filter(narrow * wide, first, second)[at]
        variance /= _response(self.sigma, first, second, 0.0) ** 2
        return float(np.sqrt(max(variance.mean(), 0)))

    def brightness(self, noise):
        """Quantile of the heights, less the spread that noise gives them.

        Parameters
        ----------
        noise : float
            SD of the noise of the heights.

        Returns
        -------
        float
        """
        heights = self.heights[self.inside]
        top = np.quantile(heights, _BRIGHTEST)
        if 2 < len(heights) < 1 / (1 - _BRIGHTEST):
            # rests on a single column: two in one place, if much above all
            second, first = np.sort(heights)[-2:]
            if first > _CONFIRMED * second:
                top = second
        # those that are alike: faint ones spread for other reasons than noise
        alike = heights[heights > _ALIKE * top]
        total = alike.var()
        kept = max(total - _NOISE_GAIN * noise**2, 0) / max(total, 1e-30)
        mean = alike.mean()
        return float(mean + (top - mean) * np.sqrt(kept))


def find_columns(raised, guide, size, noise_sd=None):
    """Find columns and measure their width and heights.

    Parameters
    ----------
    raised : numpy.ndarray of float32, shape (h, w)
        Image without background; bright columns.
    guide : numpy.ndarray of float32, shape (h, w)
        The same with less noise, in which maxima are looked for.
    size : float
        Rough SD of the columns, in pixels.
    noise_sd : float, optional
        SD of the noise of `guide`. By default, taken from its values below
        zero; where columns overlap those are no noise.

    Returns
    -------
    GaussianColumns or None
    """
    smooth = gaussian_filter(guide, 0.4 * size)
    if noise_sd is None:
        below = smooth[smooth < 0]
        noise_sd = np.sqrt(np.mean(below**2)) if below.size else 0.0
    peak = smooth == maximum_filter(smooth, 2 * max(1, round(size)) + 1)
    peak &= smooth > _THRESHOLD * noise_sd
    at = np.nonzero(peak)
    if len(at[0]) == 0:
        return None
    heights = smooth[at]
    bright = heights > _FAINT * np.quantile(heights, 0.9)
    at = tuple(index[bright] for index in at)
    inside = np.ones(len(at[0]), bool)
    for index, n in zip(at, raised.shape, strict=True):
        inside &= (index > 0) & (index < n - 1)
    if not inside.any():
        return None
    # the image itself, whose noise averages out over the columns
    sigma, shift = _rough_sigma(gaussian_filter(raised, 0.6 * size), at, inside, size)
    first = _fit_jointly(raised, at, shift, inside, sigma)
    if 0.9 < first.sigma / sigma < 1.1:
        return first
    return _fit_jointly(raised, at, shift, inside, first.sigma)


def typical_sigma(raised):
    """Rough width of the columns in an image.

    Parameters
    ----------
    raised : numpy.ndarray of float32, shape (h, w)
        Bright columns without background and with little noise.

    Returns
    -------
    float
        In pixels, 0.8 to 12: the mean of the fourth power over that of
        the squared product with the slopes, which for a Gaussian is twice
        its variance and which bright columns dominate.
    """
    step = 2 if raised.shape[0] >= _TALL else 1
    rows = raised[1:-1:step]
    inner = np.maximum(rows[:, 1:-1], 0)
    square = inner * inner
    below, above = raised[2::step, 1:-1], raised[:-2:step, 1:-1]
    slopes = (below[: len(rows)] - above[: len(rows)]) ** 2
    slopes += (rows[:, 2:] - rows[:, :-2]) ** 2
    bent = float(np.vdot(square, slopes)) / 4
    ratio = float(np.vdot(square, square)) / max(bent, 1e-30)
    return float(np.clip(np.sqrt(0.5 * ratio), _SMALLEST_SIGMA, LARGEST_SIGMA))


def _rough_sigma(smooth, at, inside, size):
    """Width from curvatures at the maxima, and the shifts to the centres."""
    rows, columns = (
        np.clip(index, 1, n - 2) for index, n in zip(at, smooth.shape, strict=True)
    )
    here = smooth[rows, columns]
    up, down = smooth[rows - 1, columns], smooth[rows + 1, columns]
    left, right = smooth[rows, columns - 1], smooth[rows, columns + 1]
    bend_rows, bend_columns = 2 * here - up - down, 2 * here - left - right
    bright = inside & (here >= np.median(here[inside]))
    ratio = (bend_rows + bend_columns)[bright].sum() / (4 * here[bright].sum())
    # exact for a Gaussian sampled at its centre and one pixel beside
    total = -0.5 / np.log(np.clip(1 - ratio, 1e-3, 1 - 1e-6))
    sigma = np.sqrt(max(total - (0.6 * size) ** 2, 0.5))
    shift = np.stack(
        [
            (down - up) / 2 / np.maximum(bend_rows, 1e-20),
            (right - left) / 2 / np.maximum(bend_columns, 1e-20),
        ]
    )
    return min(float(sigma), LARGEST_SIGMA), np.clip(shift, -0.5, 0.5) * inside


def _fit_jointly(raised, at, shift, inside, rough):
    """Heights of overlapping Gaussians, and the width that suits two scales."""
    blurs = [factor * rough for factor in _BLURS]
    values = [gaussian_filter(raised, blur, truncate=3)[at] for blur in blurs]
    fine, all_scales = values[0] - values[1], values[0] - values[2]
    positions = (np.stack(at) + shift).T
    reach = _REACH * np.hypot(rough, blurs[2])
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    square = ((positions[pairs[:, 0]] - positions[pairs[:, 1]]) ** 2).sum(1)

    deep = inside.copy()
    margin = min(reach / 2, 0.25 * min(raised.shape))
    for index, n in zip(at, raised.shape, strict=True):
        deep &= (index >= margin) & (index < n - margin)
    if not deep.any():
        deep = inside

    n = len(fine)
    # symmetric, with the columns' own answers, read at maxima beside the centres
    links = np.concatenate([pairs.T, pairs.T[::-1], np.tile(np.arange(n), (2, 1))], 1)
    square = np.concatenate([square, square, (shift**2).sum(0)]).astype(np.float32)
    order = csr_matrix((np.arange(1, square.size + 1), links), shape=(n, n))
    square = square[order.data - 1]
    layout = order.indices, order.indptr

    def respond(sigma, first, second):
        """Matrix of how columns answer a difference of blurs."""
        values = _response(sigma, first, second, square)
        return csr_matrix((values, *layout), shape=(n, n))

    def misfit(sigma):
        heights = _not_negative(respond(sigma, blurs[0], blurs[2]), all_scales)
        weights = heights * deep
        expected = weights @ (respond(sigma, blurs[0], blurs[1]) @ heights)
        return weights @ fine / max(expected, 1e-30) - 1

    widths = rough * _WIDTHS
    misfits = np.array([misfit(width) for width in widths])
    sigma = rough
    if misfits[-1] - misfits[0] > _TELLING:
        sigma = np.exp(np.interp(0, np.maximum.accumulate(misfits), np.log(widths)))
    sigma = float(min(sigma, 1.02 * LARGEST_SIGMA))
    heights = _not_negative(respond(sigma, blurs[0], blurs[2]), all_scales)
    return GaussianColumns(at, shift, sigma, heights, inside, (blurs[0], blurs[2]))


def _response(sigma, first, second, square):
    """Difference of two blurs of a column, at squared distances from it."""
    narrow, wide = sigma**2 + first**2, sigma**2 + second**2
    answer = sigma**2 / narrow * np.exp(-0.5 * square / narrow)
    return answer - sigma**2 / wide * np.exp(-0.5 * square / wide)


def _not_negative(matrix, values):
    """Solve a linear system for values that are not negative."""
    relax = 1 / np.asarray(abs(matrix).sum(1)).ravel()
    solution = np.maximum(values / matrix.diagonal(), 0)
    for _ in range(_ITERATIONS):
        step = relax * (values - matrix @ solution)
        solution = np.maximum(solution + step, 0)
    return solution


def _product_filter(values, first, second):
    """Sum over rows, weighted by the product of two Gaussian filters."""
    square = first**2 + second**2
    total = gaussian_filter1d(values, first * second / np.sqrt(square), axis=0)
    return total / max(np.sqrt(2 * np.pi * square), 1)
