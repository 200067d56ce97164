"""Fit a Gaussian to every column of a periodic image."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

_WIDTHS = (0.25, 1.2)  # ångström


@dataclass(frozen=True)
class ColumnFit:
    """Columns of an image as Gaussians.

    Attributes
    ----------
    background : float
        Intensity without the columns.
    heights : numpy.ndarray, shape (n,)
        Of each Gaussian, upwards in dark field and downwards in bright
        field; 0 for a column that does not show.
    widths : numpy.ndarray, shape (n,)
        Standard deviation of each Gaussian, in ångström; columns of the
        same atoms share it.
    correlation : float
        Of the image with the sum of its Gaussians.
    """

    background: float
    heights: np.ndarray
    widths: np.ndarray
    correlation: float


def fit_columns(image, cell, sites, columns, dark=False):
    """Fit a Gaussian to every column in the image of one cell.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        One cell, sampled along its vectors from the origin.
    cell : numpy.ndarray, shape (2, 2)
        Rows are the lattice vectors, (y, x), in ångström.
    sites : numpy.ndarray, shape (n, 2)
        Fractional coordinates of the columns.
    columns : sequence of str
        The atoms of each column.
    dark : bool, default False
        Whether the columns are dark, as in bright field.

    Returns
    -------
    ColumnFit

    Examples
    --------
    >>> cell, sites = np.eye(2) * 4, np.array([[0, 0], [0.5, 0.5]])
    >>> image = sum_gaussians((16, 16), cell, sites, [3, 1], [0.5, 0.4]) + 7
    >>> fit = fit_columns(image, cell, sites, ["Sr", "O"])
    >>> fit.heights.round(3).tolist(), round(fit.background, 3)
    ([3.0, 1.0], 7.0)
    """
    sign = -1.0 if dark else 1.0
    signal = sign * np.asarray(image, float)
    scale = np.ptp(signal) or 1.0
    floor = signal.min()
    signal = (signal - floor) / scale
    squared = _squared_distances(image.shape, cell, sites)
    _, kind = np.unique(columns, return_inverse=True)
    n, n_kinds = len(sites), kind.max() + 1

    def model(values):
        heights, widths = values[:n], values[n : n + n_kinds][kind]
        rows = np.exp(-0.5 * squared / widths[:, None, None, None] ** 2).sum(axis=1)
        return values[-1] + np.tensordot(heights, rows, 1)

    start = np.concatenate([np.full(n, 0.5), np.full(n_kinds, 0.5), [0.05]])
    # The background never lies above the image, and above nothing at all
    lowest = -floor / scale if not dark else -1.0
    low = np.concatenate([np.zeros(n), np.full(n_kinds, _WIDTHS[0]), [lowest]])
    high = np.concatenate([np.full(n, 4.0), np.full(n_kinds, _WIDTHS[1]), [0.3]])
    low[-1] = min(low[-1], 0.0)
    found = least_squares(
        lambda values: (model(values) - signal).ravel(), start, bounds=(low, high)
    ).x
    correlation = np.corrcoef(model(found).ravel(), signal.ravel())[0, 1]
    return ColumnFit(
        float(sign * (found[-1] * scale + floor)),
        found[:n] * scale,
        found[n : n + n_kinds][kind],
        float(correlation),
    )


def sum_gaussians(shape, cell, sites, heights, widths):
    """Image of one periodic cell from the Gaussians of its columns.

    Parameters
    ----------
    shape : tuple of int
        (h, w) samples along the lattice vectors.
    cell, sites
        As in `fit_columns`.
    heights, widths : array-like, shape (n,)
        Of the Gaussians; widths in ångström.

    Returns
    -------
    numpy.ndarray of float64, shape `shape`
    """
    squared = _squared_distances(shape, cell, sites)
    widths = np.asarray(widths, float)[:, None, None, None]
    gaussians = np.exp(-0.5 * squared / widths**2).sum(axis=1)
    return np.tensordot(np.asarray(heights, float), gaussians, 1)


def _squared_distances(shape, cell, sites):
    """Squared distance of pixels to the copies of each site."""
    grid = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), -1)
    reach = 4 * _WIDTHS[1]
    # Copies of the site that reach into a cell around it
    times = np.ceil(reach * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int)
    steps = np.stack(
        np.meshgrid(*(np.arange(-t - 1, t + 2) for t in times), indexing="ij"), -1
    ).reshape(-1, 1, 1, 2)
    apart = grid - np.asarray(sites)[:, None, None]
    apart = apart - np.round(apart)
    distance = ((apart[:, None] + steps) @ cell) ** 2
    return distance.sum(axis=-1)
