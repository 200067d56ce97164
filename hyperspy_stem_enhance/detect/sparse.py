"""Noise of few counts: the chance of a height that its skewness leaves.

A maximum of so many standard deviations is likelier in noise of single electrons
than in Gaussian noise, by far where a column holds hardly one.
"""

import numpy as np

from .blurred_noise import NO_BLUR
from .significance import fill_missing, height_kernel

_SECOND = np.array([-1.0, 2.0, -1.0])
# Skewness that a Gaussian filter of width one leaves of that of pixels:
# the sum of its cubes over that of its squares to the power of 1.5.
_LEFT = 2 / (3 * np.sqrt(np.pi))
_TINY = 1e-300
# Tilts at which the distribution of counts is tabulated, over the kernel's top.
_TILTS = np.concatenate([[0], np.geomspace(1e-2, 60, 80)])


def measure_skewness(image, blurred=NO_BLUR):
    """Skewness of the noise of pixels.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns, wider than a pixel, may be in it: they hardly enter.
        NaN pixels are filled.
    blurred : BlurredNoise, optional
        How the noise is blurred.

    Returns
    -------
    float
        Not below zero; 1 over the root of the mean for counts, before the
        blur.

    Notes
    -----
    From second differences between rows. What sharp columns add to it is
    limited by the share of pixels that have the least value, which in
    counts that no blur mixes is that of no electron.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(0.25, (256, 256))
    >>> round(measure_skewness(counts), 1)
    2.0
    """
    image = fill_missing(np.asarray(image, dtype=np.float64), 4.0)
    if len(image) < 3:
        return 0.0
    steps = 2 * image[1:-1] - image[:-2] - image[2:]
    kernel = blurred.kernel()
    kernel = np.outer(np.convolve(kernel, _SECOND), kernel)
    square, cube = (np.mean(steps**n) / np.sum(kernel**n) for n in (2, 3))
    skewness = max(cube, 0.0) / max(square**1.5, _TINY)
    if blurred.density:
        # Of what is noise in them: columns are blurred no less than it is
        return float(skewness * min(blurred.density / max(square, _TINY), 1.0) ** 3)
    darkest = np.mean(image == image.min())
    return float(min(skewness, max(-np.log(darkest), _TINY) ** -0.5))


def as_gaussian(significance, skewness, width):
    """Significance in Gaussian noise of what is as likely in skewed noise.

    Parameters
    ----------
    significance : numpy.ndarray
        Heights in SD of the noise.
    skewness : float
        Of the noise of pixels, from :func:`measure_skewness`.
    width : float
        Sigma in pixels of the filter that the heights were read with.

    Returns
    -------
    numpy.ndarray
        Lower, unless it is below one.

    Notes
    -----
    Sums of few weighted counts are distributed as Gamma variables of the
    same skewness, in good approximation (Bohm and Zech, Nucl. Instrum.
    Meth. A 748, 2014, 1), whose cubic root is nearly normal (Wilson and
    Hilferty, PNAS 17, 1931, 684).

    Examples
    --------
    >>> import numpy as np
    >>> as_gaussian(np.array([1.0, 5.0, 10.0]), 2.0, 1.0).round(1)
    array([1. , 3.5, 5.6])
    """
    skewness = skewness * _LEFT / width
    if skewness < 1e-3:
        return significance
    root = np.cbrt(np.maximum(skewness * significance / 2 + 1, 0))
    return 6 / skewness * (root - 1) + skewness / 6


def count_significance(heights, rate, width):
    """Significance in Gaussian noise of heights that single electrons have.

    Parameters
    ----------
    heights : numpy.ndarray, shape (n,)
        From :func:`.significance.filter_heights`, in electrons per pixel.
    rate : numpy.ndarray, shape (n,)
        Electrons per pixel that fall there by chance, above zero.
    width : float
        Sigma in pixels of the filter that the heights were read with.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        The height over its SD where there are many electrons, less where
        there are few; zero where the height is not above zero.

    Notes
    -----
    Heights are sums of counts weighted by the filter. The chance of one is
    that of the saddlepoint approximation, in Gaussian terms the signed root
    of twice the likelihood ratio (Daniels, Ann. Math. Stat. 25, 1954, 631;
    Lugannani and Rice, Adv. Appl. Probab. 12, 1980, 475).

    Examples
    --------
    >>> import numpy as np
    >>> heights = np.array([0.2, 0.2])
    >>> count_significance(heights, np.array([0.01, 1.0]), 1.5).round(2)
    array([2.51, 0.48])
    """
    kernel = height_kernel(width).ravel()
    tilts = _TILTS / kernel.max()
    tilted = np.exp(tilts[:, None] * kernel)
    mean = tilted @ kernel
    ratio = 2 * (tilts * mean - np.sum(tilted - 1, axis=1))
    root = np.sqrt(np.maximum(ratio, 0))
    return np.sqrt(rate) * np.interp(np.maximum(heights, 0) / rate, mean, root)
