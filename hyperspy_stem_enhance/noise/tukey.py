"""Tukey's lambda distribution with unit standard deviation.

The pointwise noise of scanned images follows it (Li et al., CVPR 2025):
its shape parameter spans from heavier to lighter tails than a Gaussian
(``lambda`` of about 0.14) with a quantile function in closed form.
"""

from functools import lru_cache

import numpy as np
from scipy.special import beta, gamma


def tukey_lambda_sd(shape):
    r"""Standard deviation of the standard Tukey lambda distribution.

    Parameters
    ----------
    shape : float or array-like of float
        Shape parameter, larger than -0.5.

    Returns
    -------
    numpy.ndarray or float
        NaN where the variance is infinite (``shape <= -0.5``).

    Notes
    -----
    With the quantile function :math:`(u^λ - (1 - u)^λ) / λ` the variance
    is :math:`\frac{2}{λ^2} \left(\frac{1}{1 + 2λ} - B(λ+1, λ+1)\right)`
    where :math:`B(λ+1, λ+1) = Γ(λ+1)^2 / Γ(2λ+2)`; it is
    :math:`π^2/3` at :math:`λ = 0` (the logistic distribution).

    Examples
    --------
    >>> round(float(tukey_lambda_sd(1.0)), 4)  # uniform on [-1, 1]
    0.5774
    """
    shape = np.asarray(shape, dtype=float)
    near_zero = np.abs(shape) < 1e-4
    safe = np.where(near_zero | (shape <= -0.5), 0.14, shape)
    variance = 2 / safe**2 * (1 / (1 + 2 * safe) - beta(safe + 1, safe + 1))
    sd = np.where(near_zero, np.pi / np.sqrt(3), np.sqrt(variance))
    return np.where(shape > -0.5, sd, np.nan)[()]


def draw_tukey_lambda(rng, shape, size):
    """Draw from Tukey's lambda distribution scaled to unit SD.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : float
        Shape parameter, larger than -0.5.
    size : tuple of int
        Shape of the output.

    Returns
    -------
    numpy.ndarray of float32
    """
    u = rng.random(size, dtype=np.float32)
    np.clip(u, 1e-7, 1 - 1e-7, out=u)
    if abs(shape) < 1e-4:
        quantile = np.log(u) - np.log1p(-u)
    else:
        quantile = (u**shape - (1 - u) ** shape) / shape
    return (quantile / tukey_lambda_sd(shape)).astype(np.float32)


_N_QUANTILES = 999
_SHAPES = np.linspace(-0.45, 1.2, 166)


@lru_cache(maxsize=1)
def _probability_plots():
    """Plotting positions, and Tukey quantiles there, normalised per shape."""
    n = _N_QUANTILES
    # Filliben's order statistic medians, as in scipy.stats.probplot
    u = (np.arange(1, n + 1) - 0.3175) / (n + 0.365)
    u[-1] = 0.5 ** (1 / n)
    u[0] = 1 - u[-1]
    shapes = np.where(np.abs(_SHAPES) < 1e-6, 1e-6, _SHAPES)[:, None]
    quantiles = (u**shapes - (1 - u) ** shapes) / shapes
    return u, quantiles / np.linalg.norm(quantiles, axis=1, keepdims=True)


def fit_tukey_lambda(samples):
    """Shape of Tukey's lambda distribution that fits samples best.

    The shape with the largest probability plot correlation coefficient
    [1]_, the criterion of `scipy.stats.ppcc_max`, evaluated on 999
    quantiles and thus at a cost that does not grow with the image.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,)
        Samples of any location and scale.

    Returns
    -------
    float
        Between -0.45 and 1.2; NaN if all samples are the same.

    References
    ----------
    .. [1] J. J. Filliben, "The probability plot correlation coefficient
       test for normality", Technometrics 17, 111-117 (1975).

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.random.default_rng(0).uniform(size=100_000)
    >>> round(fit_tukey_lambda(samples), 1)  # uniform
    1.0
    """
    u, plots = _probability_plots()
    observed = np.quantile(samples, u)
    observed = observed - observed.mean()
    norm = np.linalg.norm(observed)
    if not norm > 0:
        return np.nan
    correlation = plots @ (observed / norm)
    best = int(np.argmax(correlation))
    if 0 < best < len(_SHAPES) - 1:
        before, here, after = correlation[best - 1 : best + 2]
        step = 0.5 * (before - after) / (before - 2 * here + after)
        return float(_SHAPES[best] + step * (_SHAPES[1] - _SHAPES[0]))
    return float(_SHAPES[best])


def tukey_lambda_kurtosis(shape):
    """Excess kurtosis of Tukey's lambda distribution.

    Parameters
    ----------
    shape : float or array-like of float
        Shape parameter, larger than -0.25.

    Returns
    -------
    numpy.ndarray or float

    Examples
    --------
    >>> round(float(tukey_lambda_kurtosis(1.0)), 3)  # uniform
    -1.2
    """
    shape = np.asarray(shape, dtype=float)
    shape = np.where(np.abs(shape) < 1e-3, 1e-3, shape)
    g1, g2, g3, g4 = (gamma(k * shape + 1) for k in (1, 2, 3, 4))
    scale = (2 * shape + 1) ** 2 / (2 * (4 * shape + 1))
    ratio = g2**2 * (3 * g2**2 - 4 * g1 * g3 + g4) / (g4 * (g1**2 - g2) ** 2)
    return (scale * ratio - 3)[()]


def undo_mixing(shape, share):
    """Shape before samples were mixed with others or with Gaussian noise.

    A filter takes independent samples closer to a Gaussian: it multiplies
    their excess kurtosis by the sum of the fourth powers of its impulse
    response, relative to the squared sum of squares.

    Parameters
    ----------
    shape : float
        Shape parameter of the mixed samples.
    share : float
        Factor by which mixing has multiplied the excess kurtosis, 0 to 1.

    Returns
    -------
    float
        Between -0.2 and 1.

    Examples
    --------
    >>> round(undo_mixing(0.2, 1.0), 2), undo_mixing(0.2, 0.5) > 0.25
    (0.2, True)
    """
    shapes = np.linspace(1.0, -0.2, 601)
    kurtosis = tukey_lambda_kurtosis(shapes)
    mixed = np.interp(shape, shapes[::-1], kurtosis[::-1])
    return float(np.interp(mixed / share, kurtosis, shapes))
