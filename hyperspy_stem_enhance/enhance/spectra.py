"""Overlapping windowed blocks of an image, and their Fourier transforms.

Noise of scanned images is independent between rows, so that its power depends
on the frequency along the rows alone, and is seen where there is no structure:
at the finest frequencies across the rows.  Scan noise, displaced rows and
electron counting are noise in this sense.  Noise that is correlated between
pixels fills rings of the spectrum, of which a lattice has only a few peaks.
"""

from functools import lru_cache

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
_NOTHING = 1e-30  # power of an image of zeros, so that it can be divided by
_LEAST = 3.0  # times the noise: no threshold is lower
_NEIGHBOURS = 5  # blocks per side, over which power is averaged


class SpectralBlocks:
    """How images of a shape are cut into blocks, and joined again.

    Parameters
    ----------
    shape : tuple of int
        (rows, columns) of the images.

    Attributes
    ----------
    size : int
        Pixels per side of a block; neighbours share half of them.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(100, 120))
    >>> blocks = SpectralBlocks(image.shape)
    >>> bool(np.allclose(blocks.join(blocks.transform(image)), image, atol=1e-4))
    True
    """

    def __init__(self, shape):
        self.shape = shape
        self.size = _block_size(shape)
        self._border = self.size // _TAPER
        self._axes = [_windows(side + 2 * self._border, self.size) for side in shape]

    def transform(self, image):
        """Spectra of all blocks, (rows, columns, size, size // 2 + 1)."""
        (tops, down), (lefts, across) = self._axes
        size = self.size
        image = np.pad(image, self._border, mode="symmetric")
        blocks = np.empty((len(tops), len(lefts), size, size), np.float32)
        for i, top in enumerate(tops):
            for j, left in enumerate(lefts):
                block = image[top : top + size, left : left + size]
                blocks[i, j] = block * down[i][:, None] * across[j]
        return sf.rfft2(blocks, overwrite_x=True)

    def join(self, spectra):
        """Image of blocks, weighted by their windows; the spectra are used up."""
        (tops, down), (lefts, across) = self._axes
        size, border = self.size, self._border
        blocks = sf.irfft2(spectra, (size, size), overwrite_x=True)
        padded = [side + 2 * border for side in self.shape]
        total = np.zeros(padded, np.float32)
        weights = [np.zeros(side, np.float32) for side in padded]
        for weight, (starts, windows) in zip(weights, self._axes, strict=True):
            for start, window in zip(starts, windows, strict=True):
                weight[start : start + size] += window**2
        for i, top in enumerate(tops):
            for j, left in enumerate(lefts):
                total[top : top + size, left : left + size] += (
                    blocks[i, j] * down[i][:, None] * across[j]
                )
        total /= weights[0][:, None] * weights[1]
        rows, columns = self.shape
        return total[border : border + rows, border : border + columns]

    @property
    def lengths(self):
        """Length of each frequency in cycles per pixel, (size, size // 2 + 1)."""
        return _lengths(self.size)

    @property
    def rings(self):
        """Number of the ring of each frequency, (size, size // 2 + 1)."""
        return _rings(self.size)

    def threshold(self, chance=1e-3):
        """Power, averaged by `average_power`, that noise hardly ever has.

        Parameters
        ----------
        chance : float, default 1e-3
            That noise alone exceeds it, at one frequency.

        Returns
        -------
        float
            In units of the power of the noise, 3 at the least.
        """
        independent = 1.0
        for starts, _ in self._axes:
            several = starts[:_NEIGHBOURS]
            independent *= 1 + (several[-1] - several[0]) / self.size
        return max(_LEAST, gammaincinv(independent, 1 - chance) / independent)

    def mean_by_length(self, power):
        """Mean over all frequencies of a block whose length is about the same.

        Parameters
        ----------
        power : numpy.ndarray
            Of what `transform` gives.

        Returns
        -------
        numpy.ndarray of float32, shape of `power`
        """
        order, starts = _in_order(_whole_lengths, self.size)
        flat = power.reshape(*power.shape[:2], -1)[..., order]
        counts = np.diff(starts, append=len(order))
        means = np.add.reduceat(flat, starts, axis=2) / counts
        return means.astype(np.float32)[..., _whole_lengths(self.size)]

    def noise_power(self, power):
        """Power of the noise at every frequency of every block.

        Its level in the block, times the spectrum along the rows, times that
        by which most frequencies of a ring exceed these.

        Parameters
        ----------
        power : numpy.ndarray
            Of what `transform` gives.

        Returns
        -------
        numpy.ndarray of float32, shape of `power`
        """
        fine = np.abs(sf.fftfreq(self.size)) > _FINE
        along = power[:, :, fine].mean(axis=2, keepdims=True)
        level = along.mean(axis=-1, keepdims=True)
        level += max(_TINY * power.mean(), _NOTHING)  # where nothing was recorded
        spectrum = (along / level).mean(axis=(0, 1))
        noise = level * np.maximum(spectrum, _TINY)
        mean = (power / noise).mean(axis=(0, 1))
        order, starts = _in_order(_rings, self.size)
        rings = np.split(mean.ravel()[order], starts[1:])
        quiet = np.array([np.median(ring) for ring in rings])
        slow = int(_SLOW * min(_RINGS, self.size))
        quiet[:slow] = quiet[slow]
        return noise * np.maximum(quiet, 1).astype(np.float32)[self.rings]


@lru_cache(maxsize=8)
def _lengths(size):
    return np.hypot(sf.fftfreq(size)[:, None], sf.rfftfreq(size)[None])


@lru_cache(maxsize=8)
def _rings(size):
    return (_lengths(size) * min(_RINGS, size)).astype(int)


@lru_cache(maxsize=8)
def _whole_lengths(size):
    """Length of each frequency in cycles per block, rounded."""
    return np.rint(_lengths(size) * size).astype(int)


@lru_cache(maxsize=16)
def _in_order(number, size):
    """Frequencies in the order of their numbers, and where each number starts."""
    numbers = number(size).ravel()
    counts = np.bincount(numbers)
    return np.argsort(numbers, kind="stable"), np.cumsum(counts) - counts


def power_of(spectra):
    """Squared amplitudes of complex spectra."""
    return spectra.real**2 + spectra.imag**2


def average_power(power):
    """Power at every frequency, averaged over 5 x 5 neighbouring blocks."""
    return uniform_filter(power, (_NEIGHBOURS, _NEIGHBOURS, 1, 1), mode="nearest")


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
