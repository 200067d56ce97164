"""Find the scale of a lattice, and bring it to that of a network.

A network knows columns of the widths and spacings of its training.  The
Bragg peaks in the spectrum of an image tell its scale without knowing
the pixel size; outside the range of the model the image is resampled,
enhanced, and resampled back.
"""

from functools import lru_cache
from itertools import product
from types import SimpleNamespace

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from ..noise.level import level_with_steps
from .parts import PATCH

_ABOVE = 8.0  # a peak's power over log(number of pixels), in means of the noise
_STRONGEST = 12  # peaks that hold most of the power of a lattice
_NEARLY_ALL = 0.98  # of the power, below the finest frequency
_FINEST = 0.16  # cycles per pixel that an image is not shrunk beyond
_TYPICAL_SIGMA = 0.045  # nm: columns and atoms under an aberration-corrected probe
_FEWEST = 0.02  # pixels with electrons: a lattice to be enlarged has more of them
_STEPS = 4  # factors are whole powers of 2 ** (1 / 4): a movie keeps its own
_LIMITS = (1 / 16, 4.0)
_SECOND = 0.02  # of the power of the first direction, at least
_LINES = 64  # pixels whose median is the level beside columns


def lattice_frequencies(frame):
    """Spatial frequencies at which a lattice shows, without a parameter.

    Parameters
    ----------
    frame : array-like, shape (h, w) or (m, h, w)
        Real image, or patches of one; pixels that are not finite count as
        the median.

    Returns
    -------
    typical, finest : float
        Root mean square frequency of the Bragg peaks weighted by their
        power, in cycles per pixel: about 1 / (spacing of the columns); and
        the frequency below which 98 % of that power lies. NaN where no
        lattice shows.

    Notes
    -----
    Noise whose rows are independent has a spectrum that depends on the
    frequency along the rows alone, and what is smooth one that depends
    on the absolute frequency. A pixel of the spectrum counts where it
    stands above both medians, and a lattice is told by a few peaks that
    hold nearly all of that power and are not the foot of something slow.
    Where there are none, they are looked for above the level of the image:
    beside a vacuum edge or a support, whose step holds more power.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:128, :128]
    >>> rows = np.cos(2 * np.pi * y / 16) + np.cos(2 * np.pi * (x + y) / 16)
    >>> [round(frequency, 2) for frequency in lattice_frequencies(rows)]
    [0.09, 0.1]
    """
    frame = np.asarray(frame)
    frame = frame.reshape((-1, *frame.shape[-2:]))
    found = _bragg_frequencies(_mean_power(frame))
    if np.isfinite(found[0]):
        return found
    power = _mean_power(np.stack([_flat(image) for image in frame]))
    return _bragg_frequencies(power, two_directions=True)


def _flat(image):
    """Image above its level, which may have steps that outshine a lattice."""
    finite = np.isfinite(image)
    if not finite.any():
        return image
    filled = np.where(finite, image, np.median(image[finite])).astype(np.float32)
    return filled - level_with_steps(filled, _LINES)


def _bragg_frequencies(power, two_directions=False):
    """Typical and finest frequency of the Bragg peaks of a power spectrum.

    NaN where there are none, or, if asked for, none of a second direction.
    """
    grid = _frequency_grid(power.shape)
    k, tested = grid.k, grid.tested
    noise = np.maximum(
        _median_by_radius(power, grid), _median(power[grid.fast].T)
    ) / np.log(2)
    peak = tested & (power > noise * (np.log(grid.n_tested) + _ABOVE))
    if np.count_nonzero(peak) < 4:
        return np.nan, np.nan
    excess = np.where(peak, power - noise, 0)
    frequency = float(np.sqrt((excess * k**2).sum() / excess.sum()))
    around = np.sort(_power_of_summits(power, excess, peak))[::-1]
    lone = len(around) >= 3 and around[:_STRONGEST].sum() > 0.7 * excess.sum()
    slow = power[grid.not_mean & (k < 0.6 * frequency)]
    foot = slow.size and slow.max() > 1.5 * power[peak].max()
    if foot or not lone or (two_directions and _are_on_a_line(excess, grid)):
        return np.nan, np.nan
    order = np.argsort(k[peak])
    sums = np.cumsum(excess[peak][order])
    finest = k[peak][order][np.searchsorted(sums, _NEARLY_ALL * sums[-1])]
    return frequency, float(finest)


def _are_on_a_line(excess, grid):
    """Whether the power of peaks is all along one direction."""
    ky, kx = grid.axes
    mixed = (excess * ky * kx).sum()
    moments = [[(excess * ky**2).sum(), mixed], [mixed, (excess * kx**2).sum()]]
    least, most = np.linalg.eigvalsh(moments)
    return least < _SECOND * most


def _mean_power(frame):
    """Mean power spectrum of the patches of a frame, without its plane."""
    sides = [min(size, PATCH) for size in frame.shape[1:]]
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in sides))
    window = window.astype(np.float32)
    power = 0
    rows, columns = (
        range(0, size - side + 1, side)
        for size, side in zip(frame.shape[1:], sides, strict=True)
    )
    for image in frame:
        for top, left in product(rows, columns):
            patch = image[top : top + sides[0], left : left + sides[1]]
            finite = np.isfinite(patch)
            if not finite.any():
                continue
            middle = np.median(patch[finite])
            values = np.where(finite, patch - middle, 0).astype(np.float32)
            values -= (values * window).sum() / window.sum()
            amplitude = np.abs(np.fft.rfft2(values * window))
            power = power + amplitude.astype(np.float64) ** 2  # float32 overflows
    return np.zeros((sides[0], sides[1] // 2 + 1)) + power


@lru_cache(maxsize=4)
def _frequency_grid(shape):
    """What is known of the pixels of a spectrum before it is measured."""
    h, w = shape[0], 2 * shape[1] - 2
    ky, kx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    k = np.hypot(ky, kx)
    # Left out: the foot of the mean, and what is constant along the rows
    tested = (kx > 2.5 / w) & (kx < 0.5) & (k > 4 / min(h, w))
    n_rings = max(8, min(shape) // 4)
    ring = np.minimum((k * (n_rings / np.sqrt(0.5))).astype(np.int32), n_rings - 1)
    return SimpleNamespace(
        k=k,
        axes=(ky, kx),
        tested=tested,
        n_tested=tested.sum(),
        fast=np.abs(ky[:, 0]) > 4 / h,
        not_mean=(k > 2.5 / min(h, w)) & (kx > 2.5 / w),
        ring=ring,
        by_ring=np.argsort(ring[tested], kind="stable"),
        stops=np.cumsum(np.bincount(ring[tested], minlength=n_rings))[:-1],
    )


def _median_by_radius(power, grid):
    """Median power of a ring at every pixel; infinite in too small rings."""
    rings = np.split(power[grid.tested][grid.by_ring], grid.stops)
    medians = [_median(ring) if len(ring) >= 12 else np.inf for ring in rings]
    return np.array(medians)[grid.ring]


def _median(values):
    """Median along the last axis: `np.median` takes several times as long."""
    n = values.shape[-1]
    values = np.sort(values)
    return (values[..., (n - 1) // 2] + values[..., n // 2]) / 2


def _power_of_summits(power, excess, peak):
    """Excess in the 3 x 3 pixels around each local maximum of the peaks."""
    rows, columns = np.nonzero(peak)  # never at the sides of the spectrum
    steps = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    rows, columns = rows[:, None] + steps[:, 0], columns[:, None] + steps[:, 1]
    around = power[rows % len(power), columns]
    summit = around[:, 4] == around.max(axis=1)
    excess = np.pad(excess, ((1, 1), (0, 0)))
    return excess[rows + 1, columns][summit].sum(axis=1)


def choose_factor(frame, frequencies, sigmas, pixel_size=None):
    """Factor that brings an image into the range of a network.

    Parameters
    ----------
    frame : array-like, shape (h, w) or (m, h, w)
        An image, or patches of one.
    frequencies : tuple of float
        Lowest and highest typical frequency that the network serves.
    sigmas : tuple of float
        Range of the SD of its columns, in pixels; used where no lattice
        shows and the pixel size is known.
    pixel_size : float, optional
        In nanometres.

    Returns
    -------
    float
        1 inside the range, and where neither a lattice nor the pixel
        size tells the scale; otherwise the factor by which the numbers
        of rows and columns are to be multiplied. Above 1 only where a
        lattice shows.
    """
    typical, finest = lattice_frequencies(frame)
    if np.isfinite(typical):
        low, high = frequencies
        # The mean of the spacings, 1 / frequency, that the network serves
        middle = 2 / (1 / low + 1 / high) if low else low
        factor = _factor(typical, frequencies, middle)
        if factor < 1:
            return min(1.0, max(factor, _in_steps(finest / _FINEST)))
        # So few electrons would become columns themselves
        few = factor > 1 and np.mean(frame != np.median(frame)) <= _FEWEST
        return 1.0 if few else factor
    if pixel_size is None:
        return 1.0
    narrowest, widest = sigmas
    limits = (1 / widest, 1 / narrowest if narrowest else np.inf)
    middle = np.sqrt(limits[0] * limits[1])
    # Enlarged noise looks like columns: where none show, images only shrink
    return min(1.0, _factor(pixel_size / _TYPICAL_SIGMA, limits, middle))


def _factor(value, limits, target):
    """Factor from a value outside of the limits to the target; inside 1."""
    low, high = limits
    return 1.0 if low <= value <= high else _in_steps(value / target)


def _in_steps(factor):
    # Upwards: a little finer costs less quality than a little coarser
    steps = np.ceil(_STEPS * np.log2(np.clip(factor, *_LIMITS)))
    return float(2 ** (steps / _STEPS))


def resample(frame, shape, noisy=False):
    """Resample an image to another number of pixels by cubic splines.

    Parameters
    ----------
    frame : numpy.ndarray of float32, shape (h, w)
        Without pixels that are not finite.
    shape : tuple of int
        Rows and columns of the result, which covers the same field.
    noisy : bool, default False
        Whether what is too fine for fewer pixels is to be averaged: the
        image is blurred by about half a new pixel before it shrinks.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.ones((20, 30), np.float32), (40, 60)).shape
    (40, 60)
    """
    ratios = [new / old for new, old in zip(shape, frame.shape, strict=True)]
    blur = [_blur(ratio) for ratio in ratios]
    if noisy and any(blur):
        frame = gaussian_filter(frame, blur, mode="mirror")
    return zoom(frame, ratios, order=3, mode="grid-mirror", grid_mode=True)


def noise_gain(factor):
    """What `resample` leaves of the SD of white noise, as it is to be used.

    Columns too fine for their pixels are taken for noise between the rows:
    the more an image is enlarged, the less of that is to be believed.
    """
    if factor >= 1:
        return 1 / factor
    return min(1.0, 1 / (2 * np.sqrt(np.pi) * _blur(factor)))


def _blur(ratio):
    """SD of the blur before an image shrinks, in its own pixels."""
    return 0.5 * np.sqrt(max(0.0, ratio**-2 - 1))
