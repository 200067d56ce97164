"""Noise that is blurred, from its spectrum.

A camera spreads electrons over its pixels, and images are resampled and averaged.
Such noise has maxima of the size of columns, while neighbouring rows hardly
differ. What tells it from columns are frequencies above theirs: noise falls off
with them slowly, and its spectrum is followed from there to that of columns.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal.windows import hann

from .filters import gaussian_kernel
from .significance import fill_missing, measure_row_noise, noise_gain

# Side of the windows whose spectra are taken, the least there can be, in pixels, and
# about how many windows are enough
_SIDE, _LEAST_SIDE, _ENOUGH = 64, 16, 1000
# Frequencies of noise alone, in cycles per pixel, and how many rings of them
_LOW, _HIGH, _RINGS = 0.3, 0.5, 8
# Sigmas in pixels that are tried; the first few change so little that they are none.
_BLURS = np.arange(0.2, 1.21, 0.02)
_LEAST_BLUR = 0.4
# Blurred noise has more than this times the heights that rows tell, for columns of such
# a sigma in pixels: what columns add to frequencies above theirs has less.
_WIDTH, _MORE = 2.0, 1.2


@dataclass(frozen=True)
class BlurredNoise:
    """White noise after a Gaussian filter of pixels.

    Attributes
    ----------
    density : float
        At frequency zero: the variance of pixels before the blur.
    blur : float
        Sigma of the Gaussian blur in pixels.
    """

    density: float
    blur: float

    def kernel(self):
        """One axis of the filter.

        Returns
        -------
        numpy.ndarray of float64, shape (2 * reach + 1,)
            With a sum of one.
        """
        if not self.density:
            return np.ones(1)
        half = gaussian_kernel(self.blur)
        return np.concatenate([half[:0:-1], half])

    def height_sd(self, width):
        """SD that it gives to heights read by a filter of this width.

        Parameters
        ----------
        width : float
            Sigma in pixels, of :func:`.significance.filter_heights`.

        Returns
        -------
        float
        """
        kernel = self.kernel()
        steps = np.arange(len(kernel)) - len(kernel) // 2
        variance = np.sum(kernel * steps**2)
        return float(np.sqrt(self.density)) * noise_gain(width, variance)


NO_BLUR = BlurredNoise(0.0, 0.0)
"""Of white noise, and where nothing is known: of density zero."""


def measure_blurred_noise(image):
    """Measure the noise of an image, if it is blurred.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Columns may be in it, of a sigma of 1.5 pixels and more; NaN pixels
        are filled.

    Returns
    -------
    BlurredNoise
        Of density zero where the noise is white or the image too small.

    Notes
    -----
    From medians over windows and over rings of frequencies, which the peaks
    of a lattice and noise of whole rows or columns do not enter. Columns
    without noise have such a spectrum as well: the blur is limited to what
    cameras do.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> noise = np.random.default_rng(0).normal(0, 1, (256, 256))
    >>> round(measure_blurred_noise(gaussian_filter(noise, 0.8)).blur, 1)
    0.8
    >>> measure_blurred_noise(noise)
    BlurredNoise(density=0.0, blur=0.0)
    """
    image = fill_missing(np.asarray(image, dtype=np.float64), 4.0)
    side = min(_SIDE, *image.shape)
    if side < _LEAST_SIDE:
        return NO_BLUR
    rings, models = _rings(side)
    power = _median_power(image, side)
    level = np.array([np.median(power[ring]) for ring in rings])
    if not level.min() > 0:
        return NO_BLUR
    left = np.log(level) - models
    best = np.argmin(np.std(left, axis=1))
    if _BLURS[best] < _LEAST_BLUR:
        return NO_BLUR
    found = BlurredNoise(float(np.exp(np.mean(left[best]))), float(_BLURS[best]))
    rows = np.median(measure_row_noise(image, _WIDTH))
    return found if found.height_sd(_WIDTH) > _MORE * rows else NO_BLUR


@lru_cache(maxsize=4)
def _rings(side):
    """Masks of rings of frequencies, and what each blur leaves in them, in logs."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    number = np.digitize(frequency, np.linspace(_LOW, _HIGH, _RINGS + 1))
    rings = [number == n for n in range(1, _RINGS + 1)]
    models = (_log_spectrum(blur, side) for blur in _BLURS)
    return rings, np.array([[np.mean(m[ring]) for ring in rings] for m in models])


def _log_spectrum(blur, side):
    """Logarithm of the spectrum of white noise, blurred."""
    half = gaussian_kernel(blur)
    steps = np.arange(1, len(half))
    rows, columns = (
        half[0] + 2 * np.cos(2 * np.pi * np.outer(k, steps)) @ half[1:]
        for k in (np.fft.fftfreq(side), np.fft.rfftfreq(side))
    )
    return 2 * np.log(np.abs(np.outer(rows, columns)))


def _median_power(image, side):
    """Spectral density of windows, 1 for white noise of unit variance."""
    window = np.outer(*2 * [hann(side, sym=False)])
    step = max(side // 2, int(np.sqrt(image.size / _ENOUGH)))
    parts = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    parts = parts[::step, ::step]
    parts = parts - parts.mean(axis=(2, 3), keepdims=True)
    power = np.abs(np.fft.rfft2(parts * window)) ** 2 / np.sum(window**2)
    # The median of an exponential distribution is that part of its mean
    return np.median(power, axis=(0, 1)) / np.log(2)
