"""Background under atom columns, and the height of the columns over it.

The background is a smooth surface that runs below the columns: a spline
fitted by asymmetrically reweighted penalised least squares (Baek, Park,
Ahn, Choo, Analyst 140, 250 (2015), there for spectra).  Columns overlap,
so that no pixel may show it: columns are modelled as Gaussians, taken off,
and the surface is fitted again.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

from .columns import LARGEST_SIGMA, find_columns, typical_sigma

_INTERVALS = 5  # of the spline along each side, at most ...
_INTERVAL = 50  # ... and pixels in each, at least: wider than columns are apart
_SMOOTHNESS = 0.01  # weight of the second differences of its coefficients
_GRID = 128  # points along a side that the surface is fitted to
_CELLS = 5  # along each side, whose lowest points start the fit
_LOWEST = 0.1  # share of them
_BINNED_SIGMA = 1.7  # pixels: images are binned as long as columns stay wider
_LARGEST_BIN = 4
_SMALLEST_SIDE = 96  # pixels, of a binned image
_MANY = 10  # columns: so many, however wide, are a lattice
_SIZES = (1.5, 3.0)  # pixels: columns looked for where only waves are found
_SIGNIFICANT = 9.0  # SDs of its noise that the brightest column stands out


@dataclass(frozen=True)
class Background:
    """Background of an image and the columns over it.

    Attributes
    ----------
    low, high : float
        Lowest and highest value of the background.
    brightness : float
        Height of the brightest columns over it; NaN without columns.
    n_columns : int
        How many columns were found.
    low_error, high_error, brightness_error : float
        Standard errors; for the most part of what columns that overlap
        hide of the background, by its scatter over simulated images.
    """

    low: float
    high: float
    brightness: float
    n_columns: int
    low_error: float
    high_error: float
    brightness_error: float


def measure_background(image, structure, row_noise, structure_sd):
    """Measure the background and the height of the columns over it.

    Parameters
    ----------
    image : numpy.ndarray of float32, shape (h, w)
        Bright columns; finite everywhere.
    structure : numpy.ndarray of float32, shape (h, w)
        Estimate of `image` without noise.
    row_noise : numpy.ndarray of float32, shape (h, w)
        Noise with the local SD of that of `image`, independent from row
        to row; its values need not be those of the image.
    structure_sd : float
        SD of the noise left in `structure`.

    Returns
    -------
    Background

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:96, :96] % 24 - 12
    >>> image = (20 + 50 * np.exp(-(x**2 + y**2) / 18)).astype(np.float32)
    >>> found = measure_background(image, image, np.zeros_like(image), 0.0)
    >>> round(found.low), round(found.brightness)
    (20, 50)
    """
    background = _Surface(structure.shape, structure_sd).fit(structure)
    sigma = typical_sigma(structure - background)
    factor = _choose_bin(sigma, structure.shape)
    image, structure, background = (
        _binned(array, factor) for array in (image, structure, background)
    )
    row_noise = _binned_rows(row_noise, factor)
    surface = _Surface(structure.shape, structure_sd, _INTERVAL // factor)
    raised = image - background
    guide = structure - background
    columns = find_columns(raised, guide, typical_sigma(guide), structure_sd)
    if not _are_columns(columns, factor):
        columns = _find_small(raised, row_noise, factor)
    if columns is not None:
        model = columns.render(structure.shape)
        hidden = columns.beside_border(structure.shape)
        background = surface.fit(structure - model, hidden)
    low, high = float(background.min()), float(background.max())
    if columns is None:
        return Background(low, high, np.nan, 0, structure_sd, structure_sd, np.nan)
    noise = columns.height_noise(row_noise)
    brightness = columns.brightness(noise)
    covered = float(model.mean())  # more than the background, as columns overlap
    errors = (
        np.hypot(structure_sd, 0.18 * np.sqrt(covered * brightness)),
        np.hypot(structure_sd, max(0.75 * covered, 0.02 * brightness)),
        np.hypot(0.07 * brightness, 1.25 * noise),
    )
    # a mean over pixels has lowered the heights
    brightness *= 1 + (factor**2 - 1) / 12 / (factor * columns.sigma) ** 2
    n_columns = int(columns.inside.sum())
    return Background(low, high, brightness, n_columns, *map(float, errors))


def combine_backgrounds(found):
    """Background of an image from those of its tiles.

    Parameters
    ----------
    found : list of Background

    Returns
    -------
    Background
        Lowest and highest of all; the median brightness, each tile
        weighted by its number of columns.
    """
    lowest = min(found, key=lambda tile: tile.low)
    highest = max(found, key=lambda tile: tile.high)
    ordered = sorted(
        (tile for tile in found if tile.n_columns), key=lambda tile: tile.brightness
    )
    counts = np.cumsum([tile.n_columns for tile in ordered])
    total = int(counts[-1]) if ordered else 0
    middle = ordered[np.searchsorted(counts, total / 2)] if ordered else lowest
    return Background(
        lowest.low,
        highest.high,
        middle.brightness if ordered else np.nan,
        total,
        lowest.low_error,
        highest.high_error,
        middle.brightness_error if ordered else np.nan,
    )


def _are_columns(found, factor):
    """Whether what was found is more than waves of the background."""
    if found is None:
        return False
    return found.sigma * factor < LARGEST_SIGMA or len(found.heights) >= _MANY


def _find_small(raised, row_noise, factor):
    """Find a few small columns, which are lost in an estimate of the structure."""
    best, best_ratio = None, _SIGNIFICANT
    for size in _SIZES:
        found = find_columns(raised, raised, size / factor)
        if found is None or found.sigma * factor >= LARGEST_SIGMA:
            continue
        noise = found.height_noise(row_noise)
        ratio = found.brightness(noise) / max(noise, 1e-30)
        if ratio > best_ratio:
            best, best_ratio = found, ratio
    return best


def _choose_bin(sigma, shape):
    """Side of the bins that columns of some width allow."""
    largest = min(_LARGEST_BIN, min(shape) // _SMALLEST_SIDE)
    return int(np.clip(sigma // _BINNED_SIGMA, 1, max(largest, 1)))


def _binned(array, factor):
    """Mean over square bins; rows and columns left over are cut off."""
    if factor == 1:
        return array
    rows, columns = (n // factor for n in array.shape)
    cut = array[: rows * factor, : columns * factor]
    return cut.reshape(rows, factor, columns, factor).mean((1, 3), dtype=np.float32)


def _binned_rows(row_noise, factor):
    """Noise that has the SD and the correlation along the rows of bins."""
    if factor == 1:
        return row_noise
    rows, columns = (n // factor for n in row_noise.shape)
    cut = row_noise[: rows * factor : factor, : columns * factor]
    along = cut.reshape(rows, columns, factor).mean(2, dtype=np.float32)
    return along / np.float32(np.sqrt(factor))


class _Surface:
    """Smooth surface below what stands out of it."""

    def __init__(self, shape, noise_sd, interval=_INTERVAL):
        self.noise_sd = noise_sd
        self.at = [np.unique(np.linspace(0, n - 1, _GRID).astype(int)) for n in shape]
        counts = [int(np.clip(n // interval, 1, _INTERVALS)) for n in shape]
        self.basis, self.full, bend = [], [], []
        for at, size, n in zip(self.at, shape, counts, strict=True):
            self.basis.append(_spline_basis(at / (size - 1), n))
            self.full.append(_spline_basis(np.linspace(0, 1, size), n))
            second = np.diff(np.eye(n + 3), 2, axis=0)
            bend.append(second.T @ second)
        self.pairs = [
            (b[:, :, None] * b[:, None, :]).reshape(len(b), -1) for b in self.basis
        ]
        rows, columns = (np.eye(len(b)) for b in bend)
        self.bending = np.kron(bend[0], columns) + np.kron(rows, bend[1])

    def fit(self, image, hidden=None):
        """Fit the surface; returns it with the shape of the image."""
        points = image[np.ix_(*self.at)].astype(float)
        weights = _lowest_points(points)
        seen = 1.0
        if hidden is not None and hidden.any():
            seen = np.where(hidden[np.ix_(*self.at)], 1e-3, 1.0)
            weights *= seen
        for _ in range(25):
            coefficients = self._solve(points, weights)
            above = points - self.basis[0] @ coefficients @ self.basis[1].T
            below = above[(above < 0) & (seen == 1)]
            if below.size < 2 or below.std() == 0:
                break
            # those above twice the spread below it stand out; that spread is
            # too small where the surface started below noise
            spread = max(below.std(), self.noise_sd)
            edge = max(2 * below.std() - below.mean(), 2.5 * self.noise_sd)
            steep = np.clip(2 * (above - edge) / spread, -50, 50)
            updated = seen / (1 + np.exp(steep))
            change = np.abs(updated - weights).sum()
            weights = updated
            if change < 0.005 * weights.sum():
                break
        surface = (self.full[0] @ coefficients @ self.full[1].T).astype(np.float32)
        # beyond the points that it rests on, at the corners, it may run off
        resting = (points - above)[weights > 0.5]
        if resting.size:
            surface = np.clip(surface, resting.min(), resting.max())
        return surface

    def _solve(self, points, weights):
        rows, columns = (basis.shape[1] for basis in self.basis)
        matrix = self.pairs[0].T @ weights @ self.pairs[1]
        matrix = matrix.reshape(rows, rows, columns, columns).transpose(0, 2, 1, 3)
        matrix = matrix.reshape(rows * columns, rows * columns)
        vector = (self.basis[0].T @ (weights * points) @ self.basis[1]).ravel()
        matrix = matrix + _SMOOTHNESS * np.trace(matrix) / len(matrix) * self.bending
        return np.linalg.solve(matrix, vector).reshape(rows, columns)


def _lowest_points(points):
    """Weights that select the lowest points of each cell of a coarse grid."""
    sizes = [n // _CELLS for n in points.shape]
    rows, columns = (_CELLS * n for n in sizes)
    cells = points[:rows, :columns].reshape(_CELLS, sizes[0], _CELLS, sizes[1])
    cells = cells.swapaxes(1, 2).reshape(_CELLS, _CELLS, -1)
    rank = int(_LOWEST * cells.shape[2])
    levels = np.partition(cells, rank, axis=2)[:, :, rank]
    # the last cells take the points that are left over
    which = [
        np.minimum(np.arange(n) // m, _CELLS - 1)
        for n, m in zip(points.shape, sizes, strict=True)
    ]
    return (points <= levels[np.ix_(*which)]).astype(float)


def _spline_basis(position, n_intervals):
    """Cubic B-splines over [0, 1], shape (points, n_intervals + 3)."""
    knots = np.concatenate([[0] * 3, np.linspace(0, 1, n_intervals + 1), [1] * 3])
    return BSpline.design_matrix(position, knots, 3).toarray()
