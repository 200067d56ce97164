"""Standard deviation against intensity or gradient: bins and line fits."""

from dataclasses import dataclass

import numpy as np

N_BINS = 64
MIN_PIXELS = 64  # a bin with fewer is sparse
MIN_SHARE = 2e-4  # of all pixels, as well
MIN_BINS = 4  # fewest bins that a line is fitted to


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


def binned_sd(quantity, noise, n_bins=N_BINS, extent=None):
    """Standard deviation of `noise` in equal bins of `quantity`.

    Parameters
    ----------
    quantity, noise : numpy.ndarray, shape (n,)
        One value per pixel.
    n_bins : int, default 64
        Number of bins.
    extent : (float, float), optional
        Range of the bins. By default the 0.05 to 99.95 percentiles.

    Returns
    -------
    SDCurve
        Without the bins that hold fewer than 64 pixels or 0.02 % of them.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(0, 10, 100_000)
    >>> curve = binned_sd(x, rng.normal(0, 1 + x), n_bins=5)
    >>> curve.sd.round().tolist()
    [2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if quantity.size == 0:
        return SDCurve(*np.zeros((3, 0)))
    if extent is None:
        extent = np.quantile(quantity, [0.0005, 0.9995])
    low, high = extent
    inside = (quantity >= low) & (quantity <= high)
    position = (quantity[inside] - low) * (n_bins / max(high - low, 1e-30))
    index = np.minimum(position.astype(np.intp), n_bins - 1)
    noise = noise[inside]
    counts = np.bincount(index, minlength=n_bins)
    kept = counts >= max(MIN_PIXELS, MIN_SHARE * quantity.size)
    total = np.maximum(counts, 1)
    centres = np.bincount(index, quantity[inside], n_bins) / total
    mean = np.bincount(index, noise, n_bins) / total
    square = np.bincount(index, noise * noise, n_bins) / total
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    return SDCurve(centres[kept], sd[kept], counts[kept].astype(float))


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
