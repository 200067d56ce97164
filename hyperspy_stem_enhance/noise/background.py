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
from scipy.ndimage import gaussian_filter, gaussian_filter1d, maximum_filter, sobel
from scipy.spatial import cKDTree

_INTERVALS = 5  # of the spline along each side, at most ...
_INTERVAL = 50  # ... and pixels in each, at least: wider than columns are apart
_SMOOTHNESS = 0.01  # weight of the second differences of its coefficients
_GRID = 128  # points along a side that the surface is fitted to
_CELLS = 5  # along each side, whose lowest points start the fit
_LOWEST = 0.1  # share of them
_ROUNDS = 2  # of columns and background in turn
_BRIGHTEST = 0.98  # quantile of the column heights that tells the brightness
_BLUR = 0.7  # of the image that heights are read from, in widths of a column
_FAINT = 0.15  # columns below this share of the bright ones are left out


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
    """

    low: float
    high: float
    brightness: float
    n_columns: int


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
    surface = _Surface(image.shape, structure_sd)
    background = surface.fit(structure)
    columns = None
    for _ in range(_ROUNDS):
        found = _Columns.find(image - background, structure - background)
        if found is None:
            break
        columns = found
        background = surface.fit(structure - columns.render(image.shape))
    low, high = float(background.min()), float(background.max())
    if columns is None:
        return Background(low, high, np.nan, 0)
    brightness = columns.brightness(row_noise)
    return Background(low, high, brightness, len(columns.heights))


class _Surface:
    """Smooth surface below what stands out of it."""

    def __init__(self, shape, noise_sd):
        self.noise_sd = noise_sd
        self.at = [np.unique(np.linspace(0, n - 1, _GRID).astype(int)) for n in shape]
        counts = [int(np.clip(n // _INTERVAL, 1, _INTERVALS)) for n in shape]
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

    def fit(self, image):
        """Fit the surface; returns it with the shape of the image."""
        points = image[np.ix_(*self.at)].astype(float)
        weights = _lowest_points(points)
        for _ in range(25):
            coefficients = self._solve(points, weights)
            above = points - self.basis[0] @ coefficients @ self.basis[1].T
            below = above[above < 0]
            if below.size < 2 or below.std() == 0:
                break
            # those above twice the spread below it stand out; that spread is
            # too small where the surface started below noise
            spread = max(below.std(), self.noise_sd)
            edge = max(2 * below.std() - below.mean(), 2.5 * self.noise_sd)
            steep = np.clip(2 * (above - edge) / spread, -50, 50)
            updated = 1 / (1 + np.exp(steep))
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
    weights = np.zeros_like(points)
    cells = [np.array_split(np.arange(n), _CELLS) for n in points.shape]
    for rows in cells[0]:
        for columns in cells[1]:
            cell = np.ix_(rows, columns)
            weights[cell] = points[cell] <= np.quantile(points[cell], _LOWEST)
    return weights


def _spline_basis(position, n_intervals):
    """Cubic B-splines over [0, 1], shape (points, n_intervals + 3)."""
    knots = np.concatenate([[0] * 3, np.linspace(0, 1, n_intervals + 1), [1] * 3])
    return BSpline.design_matrix(position, knots, 3).toarray()


@dataclass
class _Columns:
    """Columns as Gaussians of one width."""

    at: tuple  # rows, columns: integers
    shift: np.ndarray  # (2, n), to the sub-pixel position
    sigma: float
    heights: np.ndarray

    @classmethod
    def find(cls, raised, structure):
        """Find the columns in an image without background, or None."""
        size = _typical_sigma(structure)
        smooth = gaussian_filter(structure, 0.4 * size)
        below = smooth[smooth < 0]
        noise = np.sqrt(np.mean(below**2)) if below.size else 0.0
        peak = smooth == maximum_filter(smooth, 2 * max(1, round(size)) + 1)
        peak &= smooth > 5 * noise
        peak[[0, -1]] = peak[:, [0, -1]] = False
        rows, columns = np.nonzero(peak)
        if len(rows) == 0:
            return None
        heights = smooth[rows, columns]
        bright = heights > _FAINT * np.quantile(heights, 0.9)
        at = rows[bright], columns[bright]
        sigma = size
        for _ in range(2):
            # the image itself, whose noise averages out over the columns
            sigma, shift = _measure_sigma(
                gaussian_filter(raised, 0.6 * sigma), at, 0.6 * sigma
            )
        found = cls(at, shift, sigma, np.zeros(len(at[0])))
        found._fit_heights(raised)
        return found

    def _fit_heights(self, raised):
        """Heights of overlapping Gaussians, by Jacobi iterations."""
        blur = _BLUR * self.sigma
        wide = np.hypot(self.sigma, blur)
        gain = (wide / self.sigma) ** 2
        left = gaussian_filter(raised, blur)[self.at] * gain
        tree = cKDTree((np.stack(self.at) + self.shift).T)
        overlap = tree.sparse_distance_matrix(
            tree, 3.5 * wide, output_type="coo_matrix"
        )
        overlap.data = np.exp(-0.5 * (overlap.data / wide) ** 2)
        overlap = overlap.tocsr()
        relax = 1 / np.maximum(np.asarray(overlap.sum(1)).ravel(), 1)
        self.heights = left.copy()
        for _ in range(20):
            step = relax * (left - overlap @ self.heights)
            self.heights = np.clip(self.heights + step, 0, None)

    def render(self, shape):
        """Image of the columns."""
        deltas = np.zeros(shape, np.float32)
        position = np.stack(self.at) + self.shift
        corner = np.floor(position).astype(int)
        part = position - corner
        for down in (0, 1):
            for across in (0, 1):
                share = np.abs(1 - down - part[0]) * np.abs(1 - across - part[1])
                index = (
                    np.clip(corner[0] + down, 0, shape[0] - 1),
                    np.clip(corner[1] + across, 0, shape[1] - 1),
                )
                np.add.at(deltas, index, (share * self.heights).astype(np.float32))
        return gaussian_filter(deltas, self.sigma, mode="constant") * np.float32(
            2 * np.pi * self.sigma**2
        )

    def brightness(self, row_noise):
        """Quantile of the heights, less the spread that noise gives them."""
        blur = _BLUR * self.sigma
        along = gaussian_filter1d(row_noise, blur, axis=1)
        # rows are independent: their variances add with squared weights
        variance = gaussian_filter1d(along**2, blur / np.sqrt(2), axis=0)[self.at]
        variance *= (1 + _BLUR**2) ** 2 / max(2 * np.sqrt(np.pi) * blur, 1)
        total = self.heights.var()
        kept = max(total - float(variance.mean()), 0) / max(total, 1e-30)
        mean = self.heights.mean()
        top = np.quantile(self.heights, _BRIGHTEST)
        return float(mean + (top - mean) * np.sqrt(kept))


def _typical_sigma(structure):
    """Width of the columns: for Gaussians, energy over that of the slopes."""
    raised = np.clip(structure, 0, None)
    slopes = (sobel(raised, 0) / 8) ** 2 + (sobel(raised, 1) / 8) ** 2
    energy = float((raised**2).mean())
    return float(np.clip(np.sqrt(energy / max(float(slopes.mean()), 1e-30)), 0.8, 12))


def _measure_sigma(smooth, at, blur):
    """Common width of the columns, and the shifts to their centres."""
    rows, columns = at
    here = smooth[at]
    up, down = smooth[rows - 1, columns], smooth[rows + 1, columns]
    left, right = smooth[rows, columns - 1], smooth[rows, columns + 1]
    bend_rows, bend_columns = 2 * here - up - down, 2 * here - left - right
    bright = here >= np.median(here)
    ratio = (bend_rows + bend_columns)[bright].sum() / (4 * here[bright].sum())
    # exact for a Gaussian sampled at its centre and one pixel beside
    total = -0.5 / np.log(np.clip(1 - ratio, 1e-3, 1 - 1e-6))
    sigma = float(np.sqrt(np.clip(total - blur**2, 0.5, 150)))
    shift = np.stack(
        [
            (down - up) / 2 / np.maximum(bend_rows, 1e-20),
            (right - left) / 2 / np.maximum(bend_columns, 1e-20),
        ]
    )
    return sigma, np.clip(shift, -0.5, 0.5)
