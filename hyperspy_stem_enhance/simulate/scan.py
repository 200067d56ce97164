"""What scanning does to an image: noise along rows, and displaced pixels."""

from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.ndimage import gaussian_filter1d

# Scan noise is the sum of two patterns along the row: correlation lengths
# (SD of a Gaussian, in pixels) and relative SDs.
SCAN_PATTERNS = ((4.0, 0.8), (16.0, 0.6))


def gradient_magnitude(image):
    """Un-normalised Sobel gradient magnitude (gain 8 per pixel slope).

    As ``hypot(sobel(image, 0), sobel(image, 1))`` of `scipy.ndimage`, a few
    times faster.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    padded = np.pad(np.asarray(image, np.float32), 1, mode="edge")
    smooth = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    across = smooth[:, 2:] - smooth[:, :-2]
    smooth = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    down = smooth[2:] - smooth[:-2]
    return np.sqrt(np.square(across, out=across) + np.square(down, out=down))


def draw_scan_pattern(rng, shape, row_correlation=0.0, slant=0.0):
    """Noise of unit SD, correlated along the rows.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns).
    row_correlation : float, default 0
        SD, in rows, of a Gaussian that correlates neighbouring rows; by
        default rows are independent, as in the paper.
    slant : float, default 0
        Displacement of the pattern from row to row, in pixels.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`

    Notes
    -----
    The sum of two independent Gaussian processes is one, whose power
    spectrum is the sum of theirs: it is drawn at once, by its spectrum.
    """
    rows, columns = shape
    length, amplitude = _scan_spectrum(columns)
    white = rng.standard_normal((rows, len(amplitude), 2), dtype=np.float32)
    spectrum = np.zeros((rows, length // 2 + 1), np.complex64)
    spectrum[:, : len(amplitude)] = amplitude * white.view(np.complex64)[..., 0]
    total = irfft(spectrum, length, axis=1)[:, :columns]
    if row_correlation > 0:
        total = gaussian_filter1d(total, row_correlation, axis=0, mode="wrap")
        total /= max(float(total.std()), 1e-6)
    if slant:
        total = shift_rows(total, slant * np.arange(rows))
    return total


@lru_cache(maxsize=16)
def _scan_spectrum(columns):
    """Length of the periodic row, and SD of its lowest Fourier components."""
    longest = max(length for length, _ in SCAN_PATTERNS)
    length = next_fast_len(columns + int(6 * longest), real=True)
    frequency = rfftfreq(length)
    power = np.zeros(len(frequency))
    for width, weight in SCAN_PATTERNS:
        power += weight**2 * width * np.exp(-4 * (np.pi * width * frequency) ** 2)
    power = power[power > 1e-6 * power.max()]
    # But for the mean, components have a real and an imaginary part, which
    # share their power, and each appears twice
    power[1:] /= 2
    variance = (power[0] + 4 * power[1:].sum()) / length**2
    return length, np.sqrt(power / variance).astype(np.float32)


def shift_rows(image, displacement):
    """Displace every row along itself, by Fourier interpolation.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
    displacement : numpy.ndarray, shape (h,)
        In pixels, positive to the right; the rows are periodic.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    width = image.shape[1]
    turns = np.outer(displacement, rfftfreq(width)) % 1.0
    angle = (-2 * np.pi * turns).astype(np.float32)
    phase = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=phase.real)
    np.sin(angle, out=phase.imag)
    spectrum = rfft(image.astype(np.float32, copy=False), axis=1)
    return irfft(spectrum * phase, width, axis=1)


def stretch_row_starts(image, displacement, decay, start=0):
    """Distort the starts of the rows, as a beam does that still flies back.

    At a distance ``x`` from the start of the row the beam lags behind by
    ``displacement * exp(-x / decay)`` pixels, so that what lies further
    back, or came before, is seen there.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
    displacement : float
        Pixels; positive where the image looks displaced to the right.
    decay : float
        Pixels in which the lag falls to 1/e.
    start : int, default 0
        Column at which the rows start; columns before it are left alone.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    image = np.array(image, np.float32)
    reach = int(decay * np.log(max(abs(displacement) / 0.01, 1))) + 1
    x = np.arange(start, min(start + reach, image.shape[1]))
    source = x - displacement * np.exp(-(x - start) / decay)
    source = np.clip(source, 0, image.shape[1] - 1)
    left = np.minimum(source.astype(int), image.shape[1] - 2)
    part = (source - left).astype(np.float32)
    image[:, x] = (1 - part) * image[:, left] + part * image[:, left + 1]
    return image
