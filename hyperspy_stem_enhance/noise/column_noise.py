"""Offsets that all pixels of an image column share: noise of HRTEM cameras.

All of their power lies at vertical frequency zero.  Pointwise noise has the
same power there as at the next vertical frequencies, and so, but for the
peaks of lattices, has structure: what the line has beyond its neighbours is
column noise.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft as sf

_NEIGHBOURS = 16  # vertical frequencies that are compared with the first, at most
_SLOWEST = 4  # periods across the image: slower is shading
_TAPER = 0.1  # of the width, at either end
_SMOOTH = 5  # frequencies over which the power of the neighbours is averaged
_PEAK = 8.0  # times the expected power: a peak of a lattice, not noise
_LEAST_SHARE = 0.5  # of usable pixels, against the rows that have most


@dataclass(frozen=True)
class ColumnNoise:
    """Column noise of one image.

    Attributes
    ----------
    variance, variance_error : float
        Variance of the offsets, and its standard error; noise may make
        the variance negative.
    offsets : numpy.ndarray of float32, shape (w,)
        Estimate of the offset of each column; zero without column noise.
    """

    variance: float
    variance_error: float
    offsets: np.ndarray

    @property
    def sd(self):
        """SD of the offsets, zero for a variance below zero."""
        return float(np.sqrt(max(self.variance, 0.0)))

    @property
    def sd_error(self):
        """Standard error of the SD."""
        least = np.sqrt(self.variance_error)  # where the variance is not known from 0
        return float(self.variance_error / max(2 * self.sd, least))


def measure_column_noise(values, usable):
    """Measure the offsets of the columns of an image.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        Finite everywhere.
    usable : numpy.ndarray of bool, shape (h, w)
        Rows and columns that are mostly not usable are left out.

    Returns
    -------
    ColumnNoise

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> image = rng.normal(0, 2, (256, 256)) + rng.normal(0, 0.5, 256)
    >>> found = measure_column_noise(image, np.ones((256, 256), bool))
    >>> round(found.sd, 1), bool(found.sd_error < 0.05)
    (0.5, True)
    """
    share = usable.mean(1)
    rows = share > _LEAST_SHARE * share.max()
    columns = usable[rows].mean(0) > _LEAST_SHARE if rows.any() else usable[0]
    height, width = np.count_nonzero(rows), np.count_nonzero(columns)
    offsets = np.zeros(values.shape[1], np.float32)
    if min(height, width) < 2 * _SMOOTH:
        return ColumnNoise(np.nan, np.nan, offsets)
    lines = _vertical_frequencies(height) @ _kept(values, rows, columns)
    window = _taper(width)
    power = np.abs(sf.rfft(lines * window, axis=1)) ** 2 / np.sum(window**2)
    neighbours = _smoothed(power[1:].mean(0))
    kept = np.arange(power.shape[1]) >= _SLOWEST
    excess, error = _fit_excess(power[0, kept], neighbours[kept])
    # of windowed values, neighbouring frequencies are alike
    error *= np.sqrt(width * np.sum(window**4)) / np.sum(window**2)
    if excess > 0:
        expected = excess + neighbours
        noise = kept & (power[0] < _PEAK * expected)
        gain = np.where(noise, excess / expected, 0)
        offsets[columns] = _filtered(lines[0] / np.sqrt(height), gain)
    return ColumnNoise(excess / height, error / height, offsets)


def _kept(values, rows, columns):
    if rows.all() and columns.all():
        return values
    return values[np.ix_(rows, columns)]


def _vertical_frequencies(height):
    """Rows that take an image to its lowest vertical frequencies, unit norm."""
    n = int(np.clip(height // 8, 2, _NEIGHBOURS))
    angle = 2 * np.pi * np.outer(np.arange(1, n + 1), np.arange(height)) / height
    waves = np.concatenate([np.cos(angle), np.sin(angle)]) * np.sqrt(2 / height)
    constant = np.full((1, height), 1 / np.sqrt(height))
    return np.concatenate([constant, waves]).astype(np.float32)


def _taper(width):
    """Window that falls to zero at either end."""
    n = max(2, round(_TAPER * width))
    window = np.ones(width)
    window[:n] = np.sin(np.pi / 2 * (np.arange(n) + 0.5) / n) ** 2
    window[-n:] = window[:n][::-1]
    return window


def _smoothed(power):
    padded = np.pad(power, _SMOOTH // 2, mode="reflect")
    return np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), "valid")


def _fit_excess(power, neighbours):
    """Most likely excess of power over that of the neighbours, and its error.

    Power of noise is exponentially distributed (P. Whittle, Ark. Mat. 2, 423
    (1953)): its mean is weighted by the inverse of its square.
    """
    # by medians first, which few peaks do not change
    excess = max(np.median(power - np.log(2) * neighbours) / np.log(2), 0.0)
    for _ in range(8):
        expected = neighbours + excess
        weights = np.where(power < _PEAK * expected, expected**-2.0, 0)
        excess = np.sum(weights * (power - neighbours)) / np.sum(weights)
        excess = max(excess, -0.5 * np.min(neighbours))
    return float(excess), float(1 / np.sqrt(np.sum(weights)))


def _filtered(means, gain):
    """Means of the columns with the gain that frequencies have."""
    spectrum = sf.dct(means)
    at = np.linspace(0, len(gain) - 1, len(means))
    return sf.idct(spectrum * np.interp(at, np.arange(len(gain)), gain))
