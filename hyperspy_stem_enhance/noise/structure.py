"""Separate what is structure in an image from what is noise.

Noise of the forward model is independent from row to row, so its power is
the same at all vertical frequencies; pointwise noise has the same power at
all frequencies. Structure is limited by the width of the columns. Above
the frequency where the spectrum becomes flat there is noise alone.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft as sf
from scipy.ndimage import gaussian_filter, gaussian_filter1d, sobel, uniform_filter

_SEAM = 24  # pixels that close the image to a periodic one
_EDGE = 0.06  # cycles per pixel over which filters rise
_FLAT = 0.06  # excess of power, relative to the floor, that ends flatness
_SCAN_BAND = 0.25  # horizontal frequency above which there is no scan noise


@dataclass(frozen=True)
class NoiseBands:
    """An image, its estimate without noise, and its noise in two bands.

    All arrays have the shape of the image.

    Attributes
    ----------
    structure : numpy.ndarray of float32
        Estimate of the image without noise.
    structure_sd : float
        SD of the noise left in it, on average.
    gradient : numpy.ndarray of float32
        Its Sobel gradient magnitude (gain 8), cleared of what the noise
        left in it adds.
    pixel_band : numpy.ndarray of float32
        High frequencies both ways: pointwise noise, scaled to its SD.
    pixel_reach : (float, float)
        SD of the weights with which the noise variances of the pixels
        around enter that of `pixel_band`, in rows and columns.
    pixel_power : float
        Mean of the fourth power of the filter of `pixel_band`: how much
        more its squares scatter than those of independent pixels.
    row_band : numpy.ndarray of float32
        High vertical frequencies: pointwise and scan noise, scaled to
        their SDs.
    row_weights : numpy.ndarray of float
        Weights with which the noise variances of neighbouring rows enter
        that of `row_band`; odd length, centred, sum 1.
    residual : numpy.ndarray of float32
        Image without structure and scan noise, for the distribution of
        the pointwise noise.
    residual_second, residual_fourth : float
        Sums of the second and fourth power of the impulse response that
        took pointwise noise to `residual`.
    """

    structure: np.ndarray
    structure_sd: float
    gradient: np.ndarray
    pixel_band: np.ndarray
    pixel_reach: tuple
    pixel_power: float
    row_band: np.ndarray
    row_weights: np.ndarray
    residual: np.ndarray
    residual_second: float
    residual_fourth: float


def split_bands(values, scanned=True):
    """Split an image into structure and bands that hold noise alone.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        Finite everywhere.
    scanned : bool, default True
        Whether there may be scan noise, which low horizontal frequencies
        are left to. Without it, all directions are taken alike.

    Returns
    -------
    NoiseBands

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(256)
    >>> clean = 50 * np.outer(np.sin(x / 9), np.sin(x / 9))
    >>> noise = np.random.default_rng(0).normal(0, 5, clean.shape)
    >>> bands = split_bands((clean + noise).astype(np.float32))
    >>> round(float(bands.pixel_band.std()), 1)
    5.0
    """
    frame = _close_seams(values)
    shape = frame.shape
    q_row = np.abs(sf.fftfreq(shape[0])).astype(np.float32)[:, None]
    q_column = sf.rfftfreq(shape[1]).astype(np.float32)[None]
    radius = np.hypot(q_row, q_column)
    radial, vertical = _cutoffs(values, scanned)
    spectrum = sf.rfft2(frame)
    power = (spectrum.real**2 + spectrum.imag**2) / frame.size
    floor = power[q_row[:, 0] > max(vertical, 0.3)].mean(0)
    floor = gaussian_filter1d(floor, 1.5, mode="mirror")
    nearby = uniform_filter(power, 3, mode=("wrap", "mirror"))
    passed = np.clip(1 - 2 * floor / np.maximum(nearby, 1e-20), 0, 1)
    passed *= 1 - _rise(radius, radial + 0.03)
    passed[0, 0] = 1
    back = _Inverse(shape, values.shape)
    structure = back(spectrum * passed)
    pixel = _rise(radius, radial + 0.03)
    if scanned:
        pixel *= _rise(q_column, _SCAN_BAND, 0.1)
    pixel /= back.gain(pixel)
    row = _rise(q_row, vertical + 0.03)
    row /= np.sqrt(np.mean(row**2))
    rest = (1 - passed) * _rise(q_column, _EDGE) if scanned else 1 - passed
    second, fourth = back.response_powers(rest)
    row_band = back(spectrum * row)
    variance = gaussian_filter(row_band**2, 4)
    variance /= max(float(variance.mean()), 1e-20)
    return NoiseBands(
        structure=structure,
        structure_sd=back.gain(passed * np.sqrt(floor)),
        gradient=_gradient(structure, passed, floor, q_row, q_column, variance),
        pixel_band=back(spectrum * pixel),
        pixel_reach=_reach(pixel, shape),
        pixel_power=back.gain(pixel**2) ** 2,
        row_band=row_band,
        row_weights=_row_weights(row[:, 0]),
        residual=back(spectrum * rest),
        residual_second=second,
        residual_fourth=fourth,
    )


class _Inverse:
    """Back from half spectra of one shape to images cut to another."""

    def __init__(self, shape, kept):
        self.shape = shape
        self.kept = tuple(slice(n) for n in kept)
        # all columns but the first, and the last of an even width, count twice
        self.weight = np.full(shape[1] // 2 + 1, 2.0)
        self.weight[0] = 1
        if shape[1] % 2 == 0:
            self.weight[-1] = 1

    def __call__(self, spectrum):
        return sf.irfft2(spectrum, s=self.shape)[self.kept]

    def gain(self, filtered):
        """SD of white noise of unit SD behind a filter."""
        return float(np.sqrt((filtered**2 @ self.weight).sum() / np.prod(self.shape)))

    def response_powers(self, filtered):
        """Sums of the second and fourth power of the impulse response."""
        square = np.square(sf.irfft2(filtered, s=self.shape))
        return float(square.sum(dtype=float)), float(np.vdot(square, square))


def _close_seams(values):
    """Extend an image so that it continues into itself, to a fast FFT size."""
    for axis in (0, 1):
        size = values.shape[axis]
        # mirrored beyond both edges, faded from one into the other
        seam = min(sf.next_fast_len(size + _SEAM, real=True) - size, size - 1)
        index = np.arange(seam)
        after = np.take(values, size - 2 - index, axis)
        before = np.take(values, seam - index, axis)
        fade = ((index + 1) / (seam + 1)).astype(np.float32)
        fade = fade[:, None] if axis == 0 else fade[None]
        values = np.concatenate([values, (1 - fade) * after + fade * before], axis)
    return values


def _rise(frequency, at, width=_EDGE):
    """Filter rising from 0 to 1 around a frequency."""
    position = np.clip((frequency - at) / width + 0.5, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)


def _cutoffs(values, scanned):
    """Radial and vertical frequencies above which the spectrum is flat."""
    window = np.outer(*(np.hanning(n) for n in values.shape)).astype(np.float32)
    spectrum = sf.rfft2((values - values.mean()) * window)
    power = spectrum.real**2 + spectrum.imag**2
    q_row = np.abs(sf.fftfreq(values.shape[0]))[:, None]
    q_column = sf.rfftfreq(values.shape[1])[None]
    high = np.broadcast_to(q_column > (0.2 if scanned else 0), power.shape)
    radial = _end_of_slope(
        power[high], np.hypot(q_row, q_column)[high], 0.10, 0.45, 0.02
    )
    # where scan noise is, but not the line of the background at zero
    low = np.broadcast_to(
        (q_column < 0.06) & (q_column > 2 / values.shape[1]), power.shape
    )
    rows = np.broadcast_to(q_row, power.shape)[low]
    vertical = _end_of_slope(power[low], rows, 0.08, 0.40, 0.04)
    return radial, vertical


def _end_of_slope(power, frequency, low, high, step):
    """Lowest frequency from which on power is that above `high`."""
    above = power[frequency >= high]
    if above.size < 8:
        return high
    floor = above.mean()
    n_bins = round((high - low) / step)
    index = np.floor((frequency - low) / step).astype(int)
    inside = (index >= 0) & (index < n_bins)
    counts = np.bincount(index[inside], minlength=n_bins)
    mean = np.bincount(index[inside], power[inside], n_bins) / np.maximum(counts, 1)
    # neighbouring values of a windowed spectrum are correlated, hence 1.5
    error = 1.5 * np.sqrt(1 / np.maximum(counts, 1) + 1 / above.size)
    steep = (mean > floor * (1 + _FLAT + 3 * error)) & (counts > 0)
    if not steep.any():
        return low
    return low + (np.nonzero(steep)[0].max() + 1) * step


def _reach(half, shape):
    """SD of the squared impulse response of a filter along each axis."""
    # its second moment is the mean square of the derivative of the spectrum
    square = np.mean(half**2, dtype=float)
    return tuple(
        float(np.sqrt(np.mean(slope**2, dtype=float) / square)) * n / (2 * np.pi)
        for slope, n in ((np.diff(half, axis=axis), shape[axis]) for axis in (0, 1))
    )


def _row_weights(row_filter):
    """Squared impulse response of the filter across the rows."""
    reach = min(4, (len(row_filter) - 1) // 2)
    square = np.real(np.fft.ifft(row_filter)) ** 2
    kept = np.concatenate([square[-reach:], square[: reach + 1]])
    return kept / kept.sum()


def _gradient(structure, passed, floor, q_row, q_column, variance):
    """Gradient magnitude, less what noise in `structure` adds to its square."""
    down, across = sobel(structure, 0), sobel(structure, 1)
    square = down**2 + across**2
    gain = (np.sin(2 * np.pi * q_row) * (2 + 2 * np.cos(2 * np.pi * q_column))) ** 2
    gain += (np.sin(2 * np.pi * q_column) * (2 + 2 * np.cos(2 * np.pi * q_row))) ** 2
    left = 4 * float((passed**2 * gain * floor).mean())
    nearby = gaussian_filter(square, 2.0)
    share = 1 - left * variance / np.maximum(nearby, 1e-20)
    return np.sqrt(square * np.clip(share, 0, 1))
