"""Find the structure that a network has missed in what it left behind.

A network returns its own idea of a column.  What differs from it stays in the
residual, image minus columns minus background, and does not become less with
dose.  The residual is taken to overlapping windowed blocks and their Fourier
transforms (as in N. Wiener's filter, with powers measured in the image itself):
what is stronger than noise is structure, and is kept as far as it is.

Noise of scanned images is independent between rows, so that its power depends
on the frequency along the rows alone, and is seen where there is no structure:
at the finest frequencies across the rows.  Scan noise, displaced rows and
electron counting are noise in this sense, and do not come back as streaks.
"""

import numpy as np
import scipy.fft as sf
from scipy.ndimage import uniform_filter
from scipy.special import gammaincinv

from .tiling import tile_starts

_BLOCK = 128  # pixels per side: a dozen cells of a lattice
_SMALLEST = 16
_FINE = 0.35  # cycles per pixel across the rows, beyond which there is noise only
_TAPER = 8  # part of a block by which an image is reflected
_RINGS = 64  # per cycle per pixel, at the most
_SLOW = 0.15  # cycles per pixel, below which edges of the background fill rings
_TINY = 1e-6  # of the power: rounding
_ERRORS = 3.0  # standard errors by which a ring must exceed the noise
_BLOCKS = 5  # per side, over which power is averaged
_CHANCE = 1e-3  # that the average of noise alone exceeds the threshold,
_LEAST = 3.0  # which is never lower than this many times the noise


def recover_structure(residual, columns):
    """Structure in a residual that noise does not account for.

    Parameters
    ----------
    residual : numpy.ndarray of float32, shape (h, w)
        Image minus columns minus smooth background; all pixels finite.
        The noise of its rows is independent: transpose images of cameras.
    columns : numpy.ndarray of float32, shape (h, w)
        What a network found; where it is strong, it is likely to be wrong.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        To be added to what the network found. Zero where there is nothing
        but noise.

    Notes
    -----
    In every block the power of the residual is compared with that of the
    noise, ``q``. Two gains are joined. The first is a Wiener gain ``S / (S +
    1)`` with ``S`` proportional to the power of the columns, by a factor that
    the excess ``q - 1`` of all blocks gives in each ring of frequencies. The
    second is ``1 - t / q``, zero for ``q < t``, with ``q`` averaged over
    neighbouring blocks. A lattice has few peaks in the spectrum: where the
    median of a ring is above the noise too, that much is taken to be noise
    that is correlated between pixels.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> columns = 10 + 10 * np.sin(np.arange(256) / 2) * np.ones((256, 1))
    >>> noise = rng.normal(0, 1, (256, 256))
    >>> found = recover_structure(0.2 * (columns - 10) + noise, columns)
    >>> bool(np.corrcoef(found.ravel(), columns.ravel())[0, 1] > 0.95)
    True
    >>> bool(np.abs(recover_structure(noise, np.zeros_like(noise))).max() < 0.5)
    True
    """
    unit = float(np.std(residual, dtype=np.float64))
    if not unit > 0:
        return np.zeros(residual.shape, np.float32)
    size = _block_size(residual.shape)
    border = size // _TAPER
    axes = [_windows(side + 2 * border, size) for side in residual.shape]
    spectra = _transform(residual / unit, axes, size)
    power = _power(spectra)
    ring = _rings(size)
    noise = _noise_power(power, size)
    noise = noise * _correlation(power, noise, ring)
    power /= noise
    prior = uniform_filter(
        _power(_transform(columns / unit, axes, size)), (1, 1, 3, 3), mode="wrap"
    )
    prior /= noise
    prior *= _share(power, prior, ring)
    missing = 1 / (1 + prior)
    average = uniform_filter(power, (_BLOCKS, _BLOCKS, 1, 1), mode="nearest")
    threshold = _threshold(axes, size)
    missing *= threshold / np.maximum(average, threshold)
    spectra *= 1 - missing
    return _join(spectra, axes, residual.shape, size) * np.float32(unit)


def _block_size(shape):
    """Power of two of which two overlapping blocks fit."""
    fitting = 2 ** int(np.log2(min(shape) / 1.5))
    return min(max(fitting, _SMALLEST), _BLOCK, min(shape) // 2 * 2)


def _windows(side, size):
    """First pixels of the blocks along an axis, and a window for each.

    The squares of half a sine add up to 1 in the middle; at the border,
    which the image is reflected at, blocks fall off at its outside alone.
    """
    starts = tile_starts(side, size, size // 2)
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size).astype(np.float32)
    windows = np.tile(window, (len(starts), 1))
    rise = np.sin(
        np.pi / 2 * np.minimum(1, (np.arange(size // 2) + 0.5) * _TAPER / size)
    )
    windows[0, : size // 2], windows[-1, size // 2 :] = rise, rise[::-1]
    return starts, windows


def _transform(image, axes, size):
    """Spectra of all blocks, (rows, columns, size, size // 2 + 1)."""
    (tops, down), (lefts, across) = axes
    image = np.pad(image, size // _TAPER, mode="symmetric")
    blocks = np.empty((len(tops), len(lefts), size, size), np.float32)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            block = image[top : top + size, left : left + size]
            blocks[i, j] = block * down[i][:, None] * across[j]
    return sf.rfft2(blocks, overwrite_x=True)


def _join(spectra, axes, shape, size):
    """Image of blocks, weighted by their windows."""
    (tops, down), (lefts, across) = axes
    blocks = sf.irfft2(spectra, (size, size), overwrite_x=True)
    border = size // _TAPER
    padded = [side + 2 * border for side in shape]
    total = np.zeros(padded, np.float32)
    weights = [np.zeros(side, np.float32) for side in padded]
    for weight, (starts, windows) in zip(weights, axes, strict=True):
        for start, window in zip(starts, windows, strict=True):
            weight[start : start + size] += window**2
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            total[top : top + size, left : left + size] += (
                blocks[i, j] * down[i][:, None] * across[j]
            )
    total /= weights[0][:, None] * weights[1]
    return total[border : border + shape[0], border : border + shape[1]]


def _power(spectra):
    return spectra.real**2 + spectra.imag**2


def _rings(size):
    """Number of the ring of each frequency, (size, size // 2 + 1)."""
    k = np.hypot(sf.fftfreq(size)[:, None], sf.rfftfreq(size)[None])
    return (k * min(_RINGS, size)).astype(int)


def _noise_power(power, size):
    """Power of noise whose rows are independent: level times spectrum."""
    fine = np.abs(sf.fftfreq(size)) > _FINE
    along = power[:, :, fine].mean(axis=2, keepdims=True)
    level = along.mean(axis=-1, keepdims=True)
    level += _TINY * power.mean()  # where nothing was recorded
    spectrum = (along / level).mean(axis=(0, 1))
    return level * np.maximum(spectrum, _TINY)


def _correlation(power, noise, ring):
    """Factor by which most frequencies of a ring exceed the noise."""
    mean = (power / noise).mean(axis=(0, 1))
    quiet = [np.median(mean[ring == n]) for n in range(ring.max() + 1)]
    slow = int(_SLOW * min(_RINGS, len(mean)))
    quiet[:slow] = [quiet[slow]] * slow
    return np.maximum(quiet, 1).astype(np.float32)[ring]


def _share(power, prior, ring):
    """Power of what is missing, as a part of that of the columns, by rings."""

    def total(values):
        return np.bincount(ring.ravel(), values.sum(axis=(0, 1)).ravel())

    squares = total(np.square(prior, dtype=np.float64)) + _TINY
    share = total((power - 1) * prior) / squares - _ERRORS / np.sqrt(squares)
    return np.maximum(share, 0).astype(np.float32)[ring]


def _threshold(axes, size):
    """Average power that noise of mean 1 hardly ever has."""
    independent = 1.0
    for starts, _ in axes:
        several = starts[:_BLOCKS]
        independent *= 1 + (several[-1] - several[0]) / size
    return max(_LEAST, gammaincinv(independent, 1 - _CHANCE) / independent)
