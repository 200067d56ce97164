"""Columns so close that each lies in the tails of all those around it.

Fitted one after the other they take from and give to each other without end:
nearer than three sigma, what a round of such fits gets wrong is more than what
it mends. And the image between them is nowhere dark, so that its maxima look
narrower than the columns are.
"""

import numpy as np
from scipy.spatial import cKDTree

from .gaussians import Gaussians
from .joint_fit import JointFit
from .joint_gaussians import JointModel
from .refine import GaussianFit, initial_fit, power_of_two, render_gaussians
from .rough_fit import all_free

# Overlap with all others, from which on columns are a crowd; enough of them make the
# image one. Rounds of fits diverge at about one.
_CROWDED, _ENOUGH = 0.5, 0.1
_FARTHEST = 5.0
# Maxima closer than this many apparent widths may be of wider columns; the widths
# that are tried, in equal ratios.
_CLOSE = 4.7
_WIDER = 1.08 ** np.arange(11)
# Columns that are enough for a width.
_SAMPLE = 1000
# Pixels count up to so many sigmas; Gaussians end at so many.
_REACH, _MIN_REACH, _TAIL = 2.5, 2.5, 2.75
_TOLERANCE, _STEPS = 1e-3, 16
# Columns that have farther than this to go, in sigmas, are not resolved.
_AT_REST = 0.2
# All columns moved alike are hardly seen: less damped, some go astray.
_DAMPING = 1.0
# Where a column lies in others, that it is within about half a sigma of its maximum
# decides.
_PLACE_ERROR = 0.5


def is_crowded(points, width):
    """Whether columns have to be fitted together.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        Centres in pixels.
    width : float
        Sigma in pixels.

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> square = np.argwhere(np.ones((9, 9)))
    >>> is_crowded(2.7 * square, 1.0), is_crowded(5.0 * square, 1.0)
    (True, False)
    """
    if len(points) < 2:
        return False
    pairs = cKDTree(points).query_pairs(_FARTHEST * width, output_type="ndarray")
    squared = np.sum((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2, axis=1)
    overlap = np.exp(-squared / (2 * width) ** 2)
    total = np.bincount(pairs.ravel(), np.repeat(overlap, 2), len(points))
    return bool(np.mean(total > _CROWDED) > _ENOUGH)


def merging_width(image, points, width):
    """Width of columns whose maxima look narrower, as they merge.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns on a background of about zero, no NaN.
    points : numpy.ndarray, shape (n, 2)
        Its maxima.
    width : float
        Their apparent sigma in pixels.

    Returns
    -------
    float
        The sigma, up to twice the apparent one, of which Gaussians of the
        right heights come nearest to the image; the apparent one where the
        maxima are far enough from each other.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:60, :60]
    >>> points = 8.0 * np.argwhere(np.ones((8, 8)))
    >>> image = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18) for a, b in points)
    >>> round(merging_width(image, points, 2.1), 1)
    3.1
    """
    if len(points) < 2:
        return width
    distance = cKDTree(points).query(points, k=2)[0][:, 1]
    if np.median(distance) > _CLOSE * width:
        return width
    image, points = _part(image, points)
    left = [
        np.sum((image - render_gaussians(image.shape, start)) ** 2)
        for start in (
            initial_fit(image, points, np.full(len(points), factor * width))
            for factor in _WIDER
        )
    ]
    return float(_WIDER[np.argmin(left)] * width)


def _part(image, points):
    """Rows of an image that have columns enough, and those columns."""
    if len(points) <= _SAMPLE:
        return image, points
    rows = np.sort(points[:, 0])
    first = (len(rows) - _SAMPLE) // 2
    top, bottom = int(rows[first]), int(rows[first + _SAMPLE - 1]) + 1
    inside = (points[:, 0] >= top) & (points[:, 0] < bottom)
    return image[top:bottom], points[inside] - [top, 0]


def fit_together(image, points, width, noise):
    """Fit circular Gaussians without background to all columns in one system.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns on a background of about zero; NaN pixels are left
        out.
    points : numpy.ndarray, shape (n, 2)
        Centres to start from, n > 0.
    width : float
        Sigma to start from, and to which the widths are drawn.
    noise : float
        Standard deviation of what in the image are not Gaussians, above 0.

    Returns
    -------
    GaussianFit
        With an infinite residual of columns that cannot be fitted: those
        without pixels enough, and those that are still moving in the end.
    """
    unit = power_of_two(image)  # single precision holds the squares
    widths = np.full(len(points), float(width))
    start = initial_fit(image / unit, points, widths)
    reach = np.maximum(_REACH * widths, _MIN_REACH)
    data = (image / unit).astype(np.float32)
    model = JointModel(data, *points.T, widths, reach, _TAIL, "none", False)
    # What are no Gaussians has the size of columns: their pixels tell of it as one
    model.weight = model.used.astype(np.float32) * (unit / noise) ** 2
    model.weight /= np.float32(max(np.pi * width**2, 1.0))
    g = Gaussians(
        start.y,
        start.x,
        start.height,
        np.outer(widths**-2, [1.0, 0.0, 1.0]),
        np.zeros((len(points), 0)),
    )
    free = all_free(model)
    free[model.n_pixels <= model.n_parameters] = False
    fit = JointFit(
        model,
        g,
        widths,
        free,
        least_damping=_DAMPING,
        place_error=_PLACE_ERROR,
    )
    fit.run(_TOLERANCE, _STEPS)
    pixels = np.maximum(model.n_pixels, 1)
    left = unit * np.sqrt(model.sum_cells(fit.residual**2) / pixels)
    left[~free.any(axis=1) | (fit.last_move > _AT_REST)] = np.inf
    g = fit.g
    zero = np.zeros(len(points))
    return GaussianFit(g.y, g.x, unit * g.height, g.sigma(), zero, left)
