"""Noise in areas without atoms, as a user marks them.

Each area is cut into cells, in which what is smooth is a polynomial of second
order: deviations of the column means tell the column noise, what is left the
pointwise noise at the intensity of the cell.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import find_objects, label

from .curves import SDCurve
from .laws import NoiseLaw

CELL = 64  # pixels per side, at most: what is smooth over it is a parabola
_MIN_PIXELS = 64
_MIN_ROWS = 4  # of a column that has a mean
_MIN_COLUMNS = 16  # of the image, for the SD of their offsets
_SMOOTH_TERMS = 6
_SMOOTH_ALONG_ROWS = 3  # of these, the ones that columns differ by


@dataclass(frozen=True)
class AreaNoise:
    """Noise of the areas without atoms of one image.

    Attributes
    ----------
    law : NoiseLaw
        SD of the pointwise noise against intensity.
    curve : SDCurve
        SD of each cell; the counts are degrees of freedom.
    column_variance, column_variance_error : float
        Of the offsets of the columns; NaN where the areas cover too few.
    n_columns : int
        Columns of the image that have been used.
    offsets : numpy.ndarray of float, shape (w,)
        Of each column, NaN where there is no area.
    normalised : numpy.ndarray of float
        Pointwise noise divided by the SD of its cell.
    """

    law: NoiseLaw
    curve: SDCurve
    column_variance: float
    column_variance_error: float
    n_columns: int
    offsets: np.ndarray
    normalised: np.ndarray


@dataclass(frozen=True)
class _Cell:
    """Statistics of one cell."""

    intensity: float
    variance: float  # of the pointwise noise
    freedom: float
    columns: np.ndarray  # of the image
    means: np.ndarray  # deviations of the columns
    pixels: np.ndarray  # of each column
    noise: np.ndarray


def check_areas(areas, shape):
    """Return areas as labels, or raise.

    Parameters
    ----------
    areas : array-like of bool or int, shape (h, w)
        True, or a positive number of the area, where there are no atoms.
    shape : tuple of int
        Of the image.

    Returns
    -------
    numpy.ndarray of int32, shape (h, w)
        0 outside; True pixels that touch are one area.

    Raises
    ------
    TypeError
        If they are neither boolean nor integer.
    ValueError
        If the shape is not that of the image, or no pixel is marked.

    Examples
    --------
    >>> import numpy as np
    >>> areas = np.zeros((64, 64), bool)
    >>> areas[:20], areas[40:] = True, True
    >>> int(check_areas(areas, (64, 64)).max())
    2
    """
    areas = np.asarray(areas)
    if areas.dtype.kind not in "biu":
        raise TypeError(
            f"atom_free has the dtype {areas.dtype}; give True, or the number of an "
            "area, where there are no atoms."
        )
    if areas.shape != tuple(shape):
        raise ValueError(
            f"atom_free has the shape {areas.shape}, the images have {tuple(shape)}; "
            "give one mask, for all images, of their shape."
        )
    if areas.dtype.kind == "b":
        areas, _ = label(areas)
    if not (areas > 0).any():
        raise ValueError(
            "atom_free marks no pixel; give True where there are no atoms, or leave "
            "it out to have the noise measured with the structure removed."
        )
    return np.where(areas > 0, areas, 0).astype(np.int32)


def measure_areas(values, usable, labels, zero=0.0):
    """Measure the noise in areas without atoms.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        Finite everywhere.
    usable : numpy.ndarray of bool, shape (h, w)
    labels : numpy.ndarray of int, shape (h, w)
        As of `check_areas`.
    zero : float, default 0
        Value for which the standard error of the intercept is given.

    Returns
    -------
    AreaNoise or None
        None if no area is large enough.
    """
    cells, lost = [], set()
    for rows, columns, inside in _cut_cells(labels, usable):
        cell = _measure_cell(values[rows, columns], inside, columns.start)
        if cell is not None:
            cells.append(cell)
            lost.add(columns.start)
    if not cells:
        return None
    curve = SDCurve(
        np.array([cell.intensity for cell in cells]),
        np.sqrt([cell.variance for cell in cells]),
        np.array([cell.freedom for cell in cells]),
    )
    law = _fit_law(curve, zero)
    lost = _SMOOTH_ALONG_ROWS * len(lost)
    return AreaNoise(
        law, curve, *_column_offsets(cells, values.shape[1], lost), _all_noise(cells)
    )


def _all_noise(cells):
    return np.concatenate([cell.noise / np.sqrt(cell.variance) for cell in cells])


def _cut_cells(labels, usable):
    """Yield slices and usable pixels of the cells of all areas."""
    numbers, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape) + (0 if numbers[0] == 0 else 1)
    for number, box in enumerate(find_objects(compact), 1):
        if box is None:
            continue
        for rows in _pieces(box[0]):
            for columns in _pieces(box[1]):
                inside = (compact[rows, columns] == number) & usable[rows, columns]
                yield rows, columns, inside


def _pieces(whole):
    n = -(-(whole.stop - whole.start) // CELL)
    bounds = np.linspace(whole.start, whole.stop, n + 1).astype(int).tolist()
    return [slice(*pair) for pair in pairwise(bounds)]


def _measure_cell(values, inside, first_column):
    """Statistics of a cell, or None if it is too small."""
    inside = inside & (inside.sum(0) >= _MIN_ROWS)
    pixels = inside.sum(0)
    columns = np.nonzero(pixels)[0]
    n = int(pixels.sum())
    # a mean per column, and the terms that differ from row to row
    freedom = n - len(columns) - (_SMOOTH_TERMS - _SMOOTH_ALONG_ROWS)
    if n < _MIN_PIXELS or len(columns) < 2 * _SMOOTH_TERMS or freedom < n / 4:
        return None
    y, x = np.nonzero(inside)
    inner = values[inside].astype(float)
    u, v = (y - y.mean()) / CELL, (x - x.mean()) / CELL
    terms = np.stack([np.ones(n), u, v, u * u, u * v, v * v], axis=1)
    deviation = inner - terms @ np.linalg.lstsq(terms, inner, rcond=None)[0]
    means = np.bincount(x, deviation, len(pixels))[columns] / pixels[columns]
    noise = deviation - np.interp(x, columns, means)
    variance = float(noise @ noise) / freedom
    if variance == 0:
        return None
    return _Cell(
        float(inner.mean()),
        variance,
        float(freedom),
        columns + first_column,
        means,
        pixels[columns],
        noise * np.sqrt(n / freedom),
    )


def _fit_law(curve, zero):
    """Line of the SDs of the cells, weighted by what their scatter is to be."""
    x, sd, freedom = curve.centres, curve.sd, curve.counts
    middle = np.average(x, weights=freedom / sd**2)
    terms = np.stack([x - middle, np.ones_like(x)], axis=1)
    fitted, slope = np.full_like(sd, np.sqrt(np.average(sd**2, weights=freedom))), 0.0
    spread = np.ptp(x) > 0
    for _ in range(4 if spread else 0):
        weights = 2 * freedom / fitted**2  # the variance of an SD is sd² / 2 n
        covariance = np.linalg.inv((terms.T * weights) @ terms)
        slope, level = covariance @ ((terms.T * weights) @ sd)
        fitted = np.maximum(slope * (x - middle) + level, 0.2 * fitted)
    if not spread:
        level = float(fitted[0])
        return NoiseLaw(0.0, level, np.inf, level / np.sqrt(2 * freedom.sum()))
    if len(x) > 2:  # what is no noise shows as scatter beyond that of noise
        covariance *= max(1, np.sum(weights * (sd - fitted) ** 2) / (len(x) - 2))
    error = covariance[1, 1] + 2 * (zero - middle) * covariance[0, 1]
    error += (zero - middle) ** 2 * covariance[0, 0]
    return NoiseLaw(
        float(slope),
        float(level - slope * middle),
        float(np.sqrt(covariance[0, 0])),
        float(np.sqrt(max(error, 0))),
    )


def _column_offsets(cells, width, lost):
    """Variance of the offsets, its error, columns used, and the offsets."""
    total, weight = np.zeros(width), np.zeros(width)
    for cell in cells:
        weights = cell.pixels / cell.variance
        total[cell.columns] += weights * cell.means
        weight[cell.columns] += weights
    used = weight > 0
    n = int(used.sum())
    offsets = np.full(width, np.nan)
    offsets[used] = total[used] / weight[used]
    freedom = n - lost
    if freedom < _MIN_COLUMNS:
        return np.nan, np.nan, n, offsets
    noise = np.mean(1 / weight[used])
    both = np.sum(offsets[used] ** 2) / freedom
    return both - noise, both * np.sqrt(2 / freedom), n, offsets
