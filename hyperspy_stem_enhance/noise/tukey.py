"""Tukey's lambda distribution with unit standard deviation.

The pointwise noise of scanned images follows it (Li et al., CVPR 2025):
its shape parameter spans from heavier to lighter tails than a Gaussian
(``lambda`` of about 0.14) with a quantile function in closed form.
"""

import numpy as np
from scipy.special import beta


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
