"""How sure it is that a column is one, and not noise.

The height of a column in an image is compared with what noise alone does
there: the local standard deviation of the heights that the same filter reads
from the image without its columns, and the number of maxima that such noise
would have.
"""

import numpy as np
from scipy.ndimage import (
    correlate1d,
    gaussian_filter,
    map_coordinates,
)
from scipy.spatial import cKDTree

from ..noise.level import level_with_steps
from .filters import CosineSpectrum, gaussian_kernel

# The background of a column is the mean weighted by a Gaussian of this many of
# its widths; of a Gaussian this leaves the gain.
_AROUND = 2.0
_GAIN = 1 / 2 - 1 / (1 + _AROUND**2)
# Length of the medians that keep steps, in widths: more than twice what a column is
# wide at a twentieth of its height, after the filter that doubles its variance
_MEDIAN = 10.0
# Curvature of the filter's autocorrelation, in units of the width: how many
# maxima filtered noise has.
_CURVATURE = 0.825
# Side of the blocks for the local noise, in units of the column width, and
# at least this many pixels.
_BLOCK, _MIN_BLOCK = 16, 48
_FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
# Local density of candidates: from this many nearest ones.
_NEIGHBOURS = 12
# An image that has less than this part of a column, by more than so many SDs of its
# noise, has not got it.
_TRACE, _SURELY = 0.35, 5.0
# Levels at which candidates are counted; nothing is seen below the first.
_LEVELS = np.array([1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0])


def measure_significance(
    residual, fit, width, model_error=0.0, noise=None, heights=None
):
    """Heights of columns in units of the local noise.

    Parameters
    ----------
    residual : numpy.ndarray, shape (h, w)
        The image minus its columns, bright columns positive; NaN pixels
        are ignored.
    fit : GaussianFit
        The columns that were subtracted.
    width : float
        Typical sigma of the columns in pixels.
    model_error : float
        Height up to which columns may differ from their Gaussians: this
        much of the residual is not counted as noise.
    noise : numpy.ndarray, shape (h, w), optional
        From :func:`measure_noise`. By default measured on ``residual``.
    heights : numpy.ndarray, shape (h, w), optional
        From :func:`filter_heights`, if these are at hand or of other options.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        Height over the standard deviation that noise gives to it. What
        the residual still holds at the column counts to its height, so
        that subtracting too much or too little changes nothing. Zero where
        the image surely has less than about a third of the column.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.detect.refine import fit_gaussians
    >>> y, x = np.mgrid[:96, :96]
    >>> column = np.exp(-((y - 50) ** 2 + (x - 40) ** 2) / (2 * 2.0**2))
    >>> noise = np.random.default_rng(0).normal(0, 0.2, (96, 96))
    >>> fit = fit_gaussians(column, [[50, 40]], sigma=2)
    >>> bool(12 < measure_significance(noise, fit, 2.0)[0] < 25)
    True
    """
    if heights is None:
        heights = filter_heights(residual, width)
    if noise is None:
        noise = measure_noise(residual, width, model_error, heights)
    at = [
        np.clip(fit.y, 0, residual.shape[0] - 1),
        np.clip(fit.x, 0, residual.shape[1] - 1),
    ]
    heights = map_coordinates(heights, at, order=1, mode="nearest")
    expected = fit.height * _answer(fit.sigma / width)
    heights += expected
    sd = map_coordinates(noise, at, order=1, mode="nearest")
    # A trace of what was subtracted is no column, however little noise there is
    missing = (heights < _TRACE * expected) & (expected - heights > _SURELY * sd)
    heights[missing] = 0
    # Where the noise is zero, everything that is there stands out.
    tiny = 1e-6 * max(np.abs(heights).max(initial=0.0), 1e-300)
    return heights / np.maximum(sd, tiny)


def _answer(ratio):
    """What the filter reads from a Gaussian of height 1, by their widths."""
    return (1 / (1 + ratio**-2) - 1 / (1 + (_AROUND / ratio) ** 2)) / _GAIN


def measure_noise(residual, width, model_error=0.0, heights=None):
    """Standard deviation that noise gives to the height of a column.

    Parameters
    ----------
    residual : numpy.ndarray, shape (h, w)
        The image minus its columns; NaN pixels are ignored.
    width : float
        Typical sigma of the columns in pixels.
    model_error, heights
        As for :func:`measure_significance`.

    Returns
    -------
    numpy.ndarray of float64, shape (h, w)

    Notes
    -----
    Measured, not derived: the median absolute deviation of the filter for
    heights over the residual, in overlapping blocks, so that correlated
    noise (scan lines, resampled images) counts with what it does to a
    column. At least what follows from the differences between rows, taken
    to be independent: fitting the maxima of noise takes these out of the
    residual.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(0, 1, (128, 128))
    >>> bool(0.3 < np.median(measure_noise(noise, 2.0)) < 0.45)
    True
    """
    if heights is None:
        heights = filter_heights(residual, width)
    sd = _local_sd(heights, _side(width))
    sd = np.sqrt(np.maximum(sd**2 - model_error**2, 0))
    return np.maximum(sd, measure_row_noise(residual, width))


def measure_row_noise(image, width):
    """What follows for heights from the differences between rows alone.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Columns, wider than a pixel, may be in it: they hardly enter.
    width : float
        Typical sigma of the columns in pixels.

    Returns
    -------
    numpy.ndarray of float64, shape (h, w)

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(0, 1, (128, 128))
    >>> bool(0.28 < np.median(measure_row_noise(noise, 2.0)) < 0.36)
    True
    """
    return _local_sd(row_differences(image, width), _side(width))


def _side(width):
    return max(_MIN_BLOCK, int(_BLOCK * width))


def filter_heights(image, width, above_steps=False):
    """Height of a Gaussian above the background around each pixel.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        NaN pixels are taken to have the local mean.
    width : float
        Sigma of the Gaussian in pixels.
    above_steps : bool, default False
        Whether steps of the background (vacuum edges, supports) are left out:
        for images whose columns are subtracted.

    Returns
    -------
    numpy.ndarray of float64, shape (h, w)

    Notes
    -----
    The difference of the means weighted by Gaussians of one and two
    widths, which backgrounds of constant slope do not enter. Its noise is
    12 % above that of the best filter, for a known background.

    Steps are what :func:`..noise.level.level_with_steps` finds in the mean of one
    width.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:41, :41]
    >>> image = 5 + 3 * np.exp(-((y - 20) ** 2 + (x - 20) ** 2) / (2 * 2.0**2))
    >>> float(filter_heights(image, 2.0)[20, 20].round(2))
    3.0
    """
    image = fill_missing(np.asarray(image, dtype=np.float64), width)
    near, around = gaussian_kernel(width), gaussian_kernel(_AROUND * width)
    pairs = [(near / _GAIN, near), (-around / _GAIN, around)]
    spectrum = CosineSpectrum(image)
    heights = spectrum.filtered(pairs)
    if above_steps:
        smooth = spectrum.filtered([(near, near)])
        level = level_with_steps(smooth, _MEDIAN * width)
        wider = np.sqrt(_AROUND**2 - 1) * width
        heights -= (level - gaussian_filter(level, wider)) / _GAIN
    return heights


def measure_false_rate(significance, positions, width, shape):
    """How many maxima of noise there would be for each column like this one.

    Parameters
    ----------
    significance : numpy.ndarray, shape (n,)
        From :func:`measure_significance`.
    positions : numpy.ndarray, shape (n, 2)
        Rows and columns in pixels.
    width : float
        Typical sigma of the columns in pixels.
    shape : tuple of int
        Height and width of the image.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        Below 1 where columns are more than noise explains.

    Notes
    -----
    A local false discovery rate: the density of maxima above a level that
    Gaussian noise with the correlation of the filter has (Adler, The
    Geometry of Random Fields, 1981), over the density of the candidates
    above that level around the column, at the level that speaks most for
    it. A lone weak maximum has to beat the noise maxima of the whole
    frame, one in a lattice is carried by its neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> alone = np.array([[50.0, 50.0]])
    >>> for z in (3.0, 4.5, 6.0):
    ...     rate = measure_false_rate(np.array([z]), alone, 2.0, (256, 256))
    ...     print(rate.round(3))
    [28.602]
    [0.155]
    [0.]
    """
    area = shape[0] * shape[1]
    # A lone one: the whole frame had the chance to show such a maximum.
    lone = np.maximum(significance, _LEVELS[0])
    false_rate = _noise_maxima_density(lone, width) * area
    for level in _LEVELS:
        above = np.flatnonzero(significance >= level)
        if above.size <= _NEIGHBOURS:
            break
        tree = cKDTree(positions[above])
        distance, _ = tree.query(positions[above], k=_NEIGHBOURS + 1)
        around = np.minimum(np.pi * distance[:, -1] ** 2, area)
        rate = _noise_maxima_density(level, width) * around / _NEIGHBOURS
        false_rate[above] = np.minimum(false_rate[above], rate)
    unseen = significance < _LEVELS[0]
    false_rate[unseen] = np.maximum(false_rate[unseen], 1.0)
    return false_rate


def _noise_maxima_density(level, width):
    """Maxima per pixel above a level, of white noise filtered for heights."""
    level = np.minimum(level, 30.0)
    density = level * np.exp(-(level**2) / 2) * _CURVATURE / width**2
    return density / (2 * np.pi) ** 1.5


def row_differences(image, width):
    """Fourth differences between rows, with the SD of white noise in heights.

    Along the rows filtered as the height is, so that noise correlated in
    them counts as there; columns wider than a pixel leave next to nothing.
    """
    kernel = height_kernel(width)
    along = kernel[len(kernel) // 2]
    filtered = correlate1d(fill_missing(image, width), along, axis=1, mode="nearest")
    differences = correlate1d(filtered, _FOURTH, axis=0, mode="nearest")
    gain = np.linalg.norm(along) * np.linalg.norm(_FOURTH)
    return differences * (np.linalg.norm(kernel) / gain)


def noise_gain(width, variance=0.0):
    """SD of heights in white noise of unit SD, blurred by Gaussians of a variance."""
    near, around = width**2, (_AROUND * width) ** 2
    # Products of the two Gaussians of the filter, summed over all frequencies
    terms = (
        1 / (near + variance)
        - 4 / (near + around + 2 * variance)
        + 1 / (around + variance)
    )
    return float(np.sqrt(terms / (4 * np.pi)) / _GAIN)


def height_kernel(width):
    """Kernel of :func:`filter_heights`, cut off at four widths."""
    steps = np.arange(-np.ceil(4 * width), np.ceil(4 * width) + 1)
    near, around = (np.exp(-((steps / w) ** 2) / 2) for w in (width, _AROUND * width))
    near, around = near / near.sum(), around / around.sum()
    return (np.outer(near, near) - np.outer(around, around)) / _GAIN


def _local_sd(heights, side):
    """Robust standard deviation around each pixel, from overlapping blocks."""
    h, w = heights.shape
    rows = _block_starts(h, side)
    columns = _block_starts(w, side)
    # In units in which float32, which is sorted faster, holds all of them
    unit = max(np.abs(heights).max(), 1e-300)
    values = (heights / unit).astype(np.float32)
    sd = np.empty((len(rows), len(columns)))
    for i, row in enumerate(rows):
        band = values[row : row + side]
        blocks = np.stack([band[:, start : start + side].ravel() for start in columns])
        low, middle, high = _quantiles(blocks, (0.1, 0.5, 0.9))
        # The mean of the filter is zero; what was fitted to maxima of noise is
        # missing above it.
        sd[i] = np.maximum(np.maximum(middle, 0) - low, 0.5 * (high - low))
    sd *= unit / 1.2816
    return _between_blocks(h, rows, side) @ sd @ _between_blocks(w, columns, side).T


def _quantiles(rows, parts):
    """Quantiles of each row of an array."""
    rows = np.sort(rows, axis=1)
    at = np.multiply(parts, rows.shape[1] - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, rows.shape[1] - 1)
    rest = (at - below)[:, None]
    return (1 - rest) * rows[:, below].T + rest * rows[:, above].T


def _block_starts(size, side):
    if size <= side:
        return np.array([0])
    count = int(np.ceil((size - side) / (side / 2))) + 1
    return np.linspace(0, size - side, count).round().astype(int)


def _between_blocks(size, starts, side):
    """Weights of the blocks at each pixel: linear between their centres."""
    numbers = np.arange(len(starts))
    at = np.interp(np.arange(size), starts + (side - 1) / 2, numbers)
    return np.maximum(1 - np.abs(at[:, None] - numbers), 0)


def fill_missing(image, width):
    """Replace NaN by the mean of what is around, weighted by nearness."""
    missing = ~np.isfinite(image)
    if not missing.any():
        return image
    known = np.where(missing, 0.0, image)
    weight = gaussian_filter((~missing).astype(float), 2 * width, mode="nearest")
    mean = gaussian_filter(known, 2 * width, mode="nearest")
    local = mean / np.maximum(weight, 1e-9)
    local = np.where(weight > 1e-6, local, image[~missing].mean())
    return np.where(missing, local, image)
