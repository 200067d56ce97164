"""Bring an image to the scale a network was trained at, and back.

The background of real images is often many times the contrast of an atom,
and one bright particle must not squeeze a weak lattice to nothing.  So
what is smooth far above the width of a column is subtracted, and what
remains is divided by its local root mean square.  Networks that the authors
of SFIN published take 8-bit values instead.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from ..imaging import imaging_mode
from ..noise.usable import fill_gaps, neighbours_of

_BLOCK = 8  # pixels per side of the coarse grid
_REACH = 3.0  # SD of the local average, in blocks: 24 pixels
_HOT = 12.0  # local SDs above which a lone pixel is called hot
_MOST_HOT = 0.004  # of the pixels: single electrons stand out too, where they are few
_TOGETHER = 0.8  # of what is beside a pixel with signal has some too: no lone electrons
_ELECTRONS = 5.0  # so many times what most pixels with any signal have is hot
_HELD = (1e-34, 1e34)  # largest values that float32 holds, with what is made of them
_SQUARED = (1e-12, 1e14)  # those whose squares it holds as well
# SDs in pixels of the means that fill gaps: as narrow as there are pixels for, so that
# columns of sparse scans keep their heights
_GAP_SIGMAS = (0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24)
_FLOOR = 0.02  # of the root mean square of the frame: keeps flat areas flat


@dataclass
class NormalisedFrame:
    """An image at a network's scale, and what leads back.

    Attributes
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        About zero mean and unit standard deviation everywhere; columns
        bright in every mode.
    scale : numpy.ndarray of float32, shape (h, w)
        Local scale: multiply a network's output by it.
    noise : numpy.ndarray of float32, shape (h, w)
        Local SD of what differs from row to row (in HRTEM images from
        column to column), at the scale of `values`: 1 where there is
        nothing but noise.
    repaired : numpy.ndarray of float32, shape (h, w)
        The image less its median, all pixels finite and none hot.
    """

    values: np.ndarray
    scale: np.ndarray
    noise: np.ndarray
    repaired: np.ndarray


def normalise_frame(frame, mode="HAADF"):
    """Subtract the local mean and divide by the local RMS deviation.

    Parameters
    ----------
    frame : array-like, shape (h, w)
        Real image; pixels that are not finite are interpolated between their
        neighbours, lone hot or dead ones become the median of theirs.
    mode : {"HAADF", "BF", "HRTEM"}
        In BF images columns are dark: the values change their sign. In
        HRTEM images columns are taken to be bright; see
        `imaging.invert_contrast`.

    Returns
    -------
    NormalisedFrame

    Raises
    ------
    ValueError
        If no pixel is finite, or all of them are equal; if float32, in
        which results are returned, does not hold the values.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> ramp = np.linspace(0, 1000, 64) + rng.normal(0, 5, (64, 64))
    >>> normalised = normalise_frame(ramp)
    >>> abs(float(normalised.values.mean())) < 0.1
    True
    """
    frame = np.asarray(frame)
    finite = np.isfinite(frame)
    if not finite.any():
        raise ValueError("the image has no finite pixel; nothing can be enhanced.")
    complete = finite.all()
    middle = np.median(frame if complete else frame[finite])
    weights = None if complete else finite.astype(np.float32)
    values = np.subtract(frame, middle, dtype=np.float64)
    if not complete:
        values[~finite] = 0
    unit = _unit(values)
    values = (values / unit).astype(np.float32)
    if not complete:
        values = fill_gaps(values, finite, _GAP_SIGMAS)
    electron = abs(single_electron(values))
    deviation, scale = _standardise(values, weights)
    for _ in range(2):  # a very hot pixel hides lesser ones beside it
        hot = _lone_pixels(deviation, scale)
        hot = hot[np.abs(values[tuple(hot.T)]) > _ELECTRONS * electron]
        if not 0 < len(hot) <= _MOST_HOT * values.size:
            break
        mended = values.copy()
        mended[tuple(hot.T)] = _neighbour_median(values, hot)
        if mended.min() == mended.max():
            break
        values = mended
        deviation, scale = _standardise(values, weights)
    normalised = deviation / scale
    imaging = imaging_mode(mode)
    if imaging.dark_columns:
        normalised = -normalised
    orient = imaging.orient_noise_axis
    noise = orient(_noise_between_rows(orient(normalised)))
    unit = np.float32(unit)
    return NormalisedFrame(normalised, scale * unit, noise, values * unit)


def eight_bit_frame(frame, mode="HAADF"):
    """Bring an image to values from 0 to 255, for published networks.

    Parameters
    ----------
    frame : array-like, shape (h, w)
        As for `normalise_frame`. Images of dtype uint8 keep their values,
        from others the lowest and the highest one that is neither hot nor
        dead become 0 and 255.
    mode : {"HAADF", "BF", "HRTEM"}
        Does not change the values: columns of BF images stay dark.

    Returns
    -------
    NormalisedFrame

    Raises
    ------
    ValueError
        If no pixel is finite, or all of them are equal.

    Examples
    --------
    >>> import numpy as np
    >>> float(eight_bit_frame(np.arange(1e3).reshape(20, 50)).values.max())
    255.0
    """
    own = normalise_frame(frame, mode)
    if np.asarray(frame).dtype == np.uint8:
        low, unit = -np.median(frame), 1.0
    else:
        low, unit = own.repaired.min(), np.ptp(own.repaired) / 255
    values = ((own.repaired - low) / unit).astype(np.float32)
    return NormalisedFrame(
        values,
        np.full_like(values, unit),
        own.noise * own.scale / np.float32(unit),
        own.repaired,
    )


def columns_of_eight_bit(output, mode="HAADF"):
    """Columns, bright on zero, in what a published network returns.

    Parameters
    ----------
    output : numpy.ndarray of float32, shape (h, w)
        Columns on a flat background, dark on it in BF images and bright
        in others. Values outside of 0 to 255 are clipped, as the authors
        do.
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        Difference from the background, for which the level that 1 % of
        the pixels are beyond is taken.
    """
    output = np.clip(output, 0, 255)
    if mode == "BF":
        output = 255 - output
    return output - np.quantile(output, 0.01).astype(np.float32)


def single_electron(values):
    """What one electron adds to a pixel, where most pixels have none.

    Parameters
    ----------
    values : numpy.ndarray
        An image less its median.

    Returns
    -------
    float
        The median of what is not zero. Zero where that is most of the
        pixels, where it lies together as in an image with empty margins,
        and in an image of one value.

    Examples
    --------
    >>> import numpy as np
    >>> single_electron(40 * np.array([0, 0, 0, 1, 0, 2, 0, 1]))
    40.0
    """
    lit = values != 0
    if not 0 < np.count_nonzero(lit) < values.size / 2:
        return 0.0
    beside = lit[..., 1:][lit[..., :-1]]
    together = beside.size and beside.mean() > _TOGETHER
    return 0.0 if together else float(np.median(values[lit]))


def _noise_between_rows(values):
    """Local SD of the fourth difference between rows, as of white noise.

    Columns, wider than a pixel, hardly pass; rows have noise of their own.
    """
    difference = np.diff(np.pad(values, ((2, 2), (0, 0)), mode="symmetric"), 4, axis=0)
    return np.sqrt(np.maximum(local_mean(difference**2 / 70), 0))


def local_mean(values, weights=None, block=_BLOCK, reach=_REACH):
    """Gaussian average on a coarse grid, interpolated linearly.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
    weights : numpy.ndarray of float32, shape (h, w), optional
        Zero for pixels to leave out.
    block : int, default 8
        Pixels per side of the coarse grid.
    reach : float, default 3
        SD of the Gaussian, in blocks.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    rows, columns = (_interpolation(size, block) for size in values.shape)

    def average(field):
        coarse = _block_mean(field, block)
        smooth = gaussian_filter(coarse, reach, mode="reflect", truncate=3)
        return rows @ smooth @ columns.T

    if weights is None:
        return average(values)
    return average(values * weights) / np.maximum(average(weights), 1e-6)


def _unit(values):
    """What values are to be divided by for float32 to hold their squares."""
    largest = np.abs(values).max()
    if largest == 0 or _SQUARED[0] < largest < _SQUARED[1]:
        return 1.0
    if not _HELD[0] < largest < _HELD[1]:
        raise ValueError(
            f"its values differ from their median by up to {largest:.3g}, which the "
            f"results, in float32, do not hold; bring it to a range between "
            f"{_HELD[0]:g} and {_HELD[1]:g} by a factor."
        )
    return 2.0 ** np.floor(np.log2(largest))


def _standardise(values, weights):
    deviation = values - local_mean(values, weights)
    squared = deviation * deviation
    variance = np.maximum(local_mean(squared, weights), 0)
    overall = float(
        squared.mean() if weights is None else (squared * weights).sum() / weights.sum()
    )
    if overall <= 1e-12 * float(np.abs(values).max()) ** 2:
        raise ValueError(
            "the image is constant; there is nothing to enhance. Leave such "
            "frames out, or check that the detector was on."
        )
    return deviation, np.sqrt(variance + _FLOOR**2 * overall)


def _block_mean(field, block):
    pad = [(0, -size % block) for size in field.shape]
    if any(after for _, after in pad):
        field = np.pad(field, pad, mode="symmetric")
    h, w = field.shape
    return field.reshape(h // block, block, w // block, block).mean(axis=(1, 3))


@lru_cache(maxsize=32)
def _interpolation(size, block):
    """Matrix that interpolates block centres linearly to pixels."""
    n = -(-size // block)
    centres = np.arange(n) * block + (block - 1) / 2
    pixels = np.arange(size)
    columns = [np.interp(pixels, centres, row) for row in np.eye(n)]
    return np.stack(columns, axis=1).astype(np.float32)


def _lone_pixels(deviation, scale):
    """Pixels far from the local mean whose neighbours are not."""
    candidates = np.argwhere(np.abs(deviation) > _HOT * scale)
    if not len(candidates):
        return candidates
    own = deviation[tuple(candidates.T)]
    around = _neighbour_median(deviation, candidates)
    return candidates[np.abs(own - around) > 0.75 * np.abs(own)]


def _neighbour_median(values, pixels):
    """Median of the eight neighbours of each pixel, (n, 2) -> (n,)."""
    return np.median(neighbours_of(values, *pixels.T), axis=0)
