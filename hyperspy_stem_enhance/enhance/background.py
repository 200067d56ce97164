"""Give an enhanced image back what columns stand on.

Beside the columns a frame holds what is smooth and slow: the background.  The
mean over a few pixels shows it, and at few electrons shows their noise as well.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from ..imaging import imaging_mode
from .normalise import local_mean
from .recovery import recover_structure
from .spectra import SpectralBlocks, power_of

_FAST, _SLOW = 8.0, 24.0  # pixels, of means: what is faster may be of columns
_BLOCK = 4  # pixels per side of the coarse grid of means
_NEIGHBOURS = 3  # blocks per side, over which power is averaged
_LEAST = 0.2  # of the power of the noise, that the slow mean leaves at the least


def add_lowpass_background(frame, columns, mode):
    """Add what the columns leave behind, averaged over about 8 pixels.

    Parameters
    ----------
    frame, columns : numpy.ndarray, shape (h, w)
        As recorded, and enhanced without background.
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    sign = imaging_mode(mode).sign
    frame = np.asarray(frame, np.float64)
    finite = np.isfinite(frame)
    level = np.median(frame[finite])
    rest = np.where(finite, frame - level, 0).astype(np.float32) - sign * columns
    background = _mean(rest, finite.astype(np.float32), _FAST)
    return sign * columns + background + np.float32(level)


def add_residual_structure(frame, repaired, columns, mode):
    """Add the background, and the structure that the network has missed.

    Parameters
    ----------
    frame, columns : numpy.ndarray, shape (h, w)
        As recorded, and enhanced without background.
    repaired : numpy.ndarray of float32, shape (h, w)
        The frame less its median, all pixels finite and none hot.
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        Both as far as they are stronger than the noise.
    """
    imaging = imaging_mode(mode)
    sign, orient = np.float32(imaging.sign), imaging.orient_noise_axis
    level = np.float32(np.median(frame[np.isfinite(frame)]))
    frame, repaired, columns = map(orient, (frame, repaired, columns))
    finite = np.isfinite(frame)
    rest = repaired - sign * columns
    background = find_background(rest, finite)
    missed = recover_structure(np.where(finite, rest - background, 0), columns)
    kept = sign * columns + background + missed + level
    return orient(kept)


def find_background(rest, finite):
    """Slow part of what columns leave behind, as far as it is no noise.

    Parameters
    ----------
    rest : numpy.ndarray of float32, shape (h, w)
        A frame less its columns. The noise of its rows is independent: transpose
        images of cameras.
    finite : numpy.ndarray of bool, shape (h, w)
        Pixels that were recorded; others are left out.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)

    Notes
    -----
    The mean over about 24 pixels, and what the mean over 8 pixels shows beyond it.
    That is taken to overlapping windowed blocks and their Fourier transforms, and gets
    the gain ``1 - 1 / q`` of N. Wiener's filter, where ``q`` is the power of `rest`
    beyond the slow mean, in units of what that leaves of the noise, averaged over
    frequencies of the same length and over neighbouring blocks.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(0, 1, (256, 256)).astype(np.float32)
    >>> recorded = np.ones(noise.shape, bool)
    >>> bool(find_background(noise, recorded).std() < 0.02)  # over 8 pixels: .035
    True
    """
    weights = finite.astype(np.float32)
    slow = _mean(rest, weights, _SLOW)
    beyond = rest - slow
    unit = float(np.std(beyond, dtype=np.float64))
    if not unit > 0:
        return slow
    blocks = SpectralBlocks(rest.shape)
    power = power_of(blocks.transform(beyond / np.float32(unit)))
    passed = np.exp(-2 * (np.pi * _SLOW * blocks.lengths) ** 2)
    left = np.maximum((1 - passed) ** 2, _LEAST).astype(np.float32)
    power = blocks.mean_by_length(power / (blocks.noise_power(power) * left))
    power = uniform_filter(power, (_NEIGHBOURS, _NEIGHBOURS, 1, 1), mode="nearest")
    spectra = blocks.transform(_mean(rest, weights, _FAST) - slow)
    spectra *= 1 - 1 / np.maximum(power, 1)
    return slow + blocks.join(spectra)


def _mean(rest, weights, sd):
    """Mean by a Gaussian whose SD are so many pixels."""
    return local_mean(rest, weights, block=_BLOCK, reach=sd / _BLOCK)
