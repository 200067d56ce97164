"""Variance of the pixels of an image, from what a model of it leaves over."""

import numpy as np

_BINS = 16
# Variance of float32 data of order one
_TINY = 1e-10


def measure_variance(model, residual, lost=0.0):
    """Straight line of the variance of pixels against their intensity.

    Parameters
    ----------
    model, residual : numpy.ndarray, shape (n,)
        Intensities of the model, and image minus model.
    lost : float
        Part of the degrees of freedom that the model took.

    Returns
    -------
    gain, offset, floor : float
        The variance is ``max(gain * intensity + offset, floor)``.

    Notes
    -----
    Mean squares in bins of equal numbers of pixels, fitted with weights
    for a constant relative error. What is wrong with the model counts as
    noise.

    Examples
    --------
    >>> import numpy as np
    >>> clean = np.linspace(5, 80, 50_000)
    >>> noise = np.random.default_rng(0).poisson(clean) - clean
    >>> gain, offset, _ = measure_variance(clean, noise)
    >>> bool(abs(gain - 1) < 0.05 and abs(offset) < 1)
    True
    """
    model = model.astype(np.float64)
    square = residual.astype(np.float64) ** 2 / (1 - lost)
    order = np.argsort(model)
    parts = np.array_split(order, min(_BINS, max(1, len(order) // 8)))
    level = np.array([model[part].mean() for part in parts])
    variance = np.array([square[part].mean() for part in parts])
    floor = max(0.5 * variance.min(), 1e-9 * variance.max(), _TINY)
    weight = 1 / np.maximum(variance, floor) ** 2
    mean, mean_variance = (np.average(v, weights=weight) for v in (level, variance))
    spread = np.sum(weight * (level - mean) ** 2)
    gain = 0.0
    if spread > 0:
        gain = np.sum(weight * (level - mean) * (variance - mean_variance)) / spread
    return float(gain), float(mean_variance - gain * mean), float(floor)
