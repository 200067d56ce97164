"""Standard deviation against intensity or gradient: bins and line fits."""

from dataclasses import dataclass

import numpy as np

N_BINS = 64
MIN_PIXELS = 64  # a bin with fewer is sparse
MIN_SHARE = 2e-4  # of all pixels, as well
MIN_BINS = 4  # fewest bins that a line is fitted to
_PIXELS_PER_BIN = 256  # on average, in small images
_SAMPLE = 1 << 16  # values that the range of the bins is taken from


@dataclass(frozen=True)
class SDCurve:
    """Standard deviation of a noise term in bins of another quantity.

    Attributes
    ----------
    centres : numpy.ndarray of float, shape (n,)
        Mean of the quantity in each bin; sparse bins are left out.
    sd : numpy.ndarray of float, shape (n,)
        Standard deviation of the noise in each bin.
    counts : numpy.ndarray of float, shape (n,)
        Pixels in each bin.
    """

    centres: np.ndarray
    sd: np.ndarray
    counts: np.ndarray

    def rescaled(self, factor, offset=0.0, noise_factor=None):
        """Return the curve in other units.

        Parameters
        ----------
        factor, offset : float
            ``centres * factor + offset`` are the new centres.
        noise_factor : float, optional
            Factor of `sd`; `factor` by default.
        """
        noise_factor = factor if noise_factor is None else noise_factor
        return SDCurve(
            self.centres * factor + offset, self.sd * noise_factor, self.counts
        )


def binned_sd(quantity, noise):
    """Standard deviation of noise in equal bins of another quantity.

    Parameters
    ----------
    quantity, noise : numpy.ndarray, shape (n,)
        One value per pixel.

    Returns
    -------
    SDCurve
        Up to 64 bins over the 0.05 to 99.95 percentiles of `quantity`,
        without those that hold fewer than 64 pixels or 0.02 % of them.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(0, 10, 100_000)
    >>> curve = binned_sd(x, rng.normal(0, 1 + x))
    >>> bool(np.allclose(curve.sd, 1 + curve.centres, rtol=0.1))
    True
    """
    centres, counts, mean, square = _bin_means(quantity, noise, noise * noise)
    return SDCurve(centres, np.sqrt(np.maximum(square - mean**2, 0)), counts)


def binned_root(quantity, variance):
    """Square root of the mean of estimates of variance, in equal bins.

    Parameters
    ----------
    quantity, variance : numpy.ndarray, shape (n,)
        One value per pixel; single estimates may be negative.

    Returns
    -------
    SDCurve
        As of `binned_sd`; 0 where the mean is negative.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(0, 10, 100_000)
    >>> curve = binned_root(x, rng.normal(0, 1 + x) ** 2)
    >>> bool(np.allclose(curve.sd, 1 + curve.centres, rtol=0.1))
    True
    """
    centres, counts, mean = _bin_means(quantity, variance)
    return SDCurve(centres, np.sqrt(np.maximum(mean, 0)), counts)


def _bin_means(quantity, *values):
    """Mean of the quantity, counts, and means of the values in each bin."""
    if quantity.size == 0:
        return np.zeros((2 + len(values), 0))
    step = quantity.size // _SAMPLE | 1
    low, high = np.quantile(quantity[::step], [0.0005, 0.9995])
    inside = (quantity >= low) & (quantity <= high)
    n_bins = int(np.clip(quantity.size // _PIXELS_PER_BIN, MIN_BINS, N_BINS))
    position = (quantity[inside] - low) * (n_bins / max(high - low, 1e-30))
    index = np.minimum(position.astype(np.intp), n_bins - 1)
    counts = np.bincount(index, minlength=n_bins)
    kept = counts >= max(MIN_PIXELS, MIN_SHARE * quantity.size)
    total = np.maximum(counts, 1)
    means = [
        np.bincount(index, value, n_bins) / total
        for value in (quantity[inside], *(value[inside] for value in values))
    ]
    return [row[kept] for row in (means[0], counts.astype(float), *means[1:])]


def fit_line(curve):
    """Weighted straight line through an `SDCurve`.

    Parameters
    ----------
    curve : SDCurve
        Weights are its counts: the variance of an SD from n samples is
        inversely proportional to n.

    Returns
    -------
    slope, intercept : float
        NaN with fewer than 4 bins.
    """
    if len(curve.centres) < MIN_BINS:
        return np.nan, np.nan
    # np.polyfit's weights multiply the residuals, not their squares
    slope, intercept = np.polyfit(curve.centres, curve.sd, 1, w=np.sqrt(curve.counts))
    return float(slope), float(intercept)
