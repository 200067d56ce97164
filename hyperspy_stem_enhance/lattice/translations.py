"""The translations that bring a set of columns onto itself.

A vector from one column to another is a translation of the lattice if nearly
every column has a partner at its end, with the same intensity; the vectors
between the columns of one cell fail for some of them.  The shortest two that
are not parallel span the primitive cell.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import Delaunay, QhullError, cKDTree

# Partners of a column are within this part of the nearest spacing.
_TOLERANCE = 0.25
# Vectors are collected from this many columns to this many neighbours each.
_SAMPLE, _NEIGHBOURS = 1000, 120
# Partners found, against those of the best vector. The first keeps out vectors
# for two of three columns of a cell; the others find the larger grain where
# some longer vector happens to suit both.
_COMPLETE = (0.8, 0.6, 0.45)
# Fewest columns with a partner, of all those that could have one.
_LEAST_COMPLETE = 0.3
# Mean square difference of intensity, against the least of all vectors: of the
# same columns, and by how much it may grow to find a second vector across an
# interface or a change of thickness.
_SAME_INTENSITY, _MORE = 1.25, 1.3
# Differences below this part of those of unrelated columns are none: heights
# scatter along one direction more than along the other.
_NO_DIFFERENCE = 0.08
# Sine of the least angle between the vectors of a cell.
_LEAST_SINE = 0.25
_LEAST_COLUMNS = 6


@dataclass(frozen=True)
class Surroundings:
    """What is known of a set of columns before its lattice.

    Attributes
    ----------
    tree : scipy.spatial.cKDTree
        Of the positions.
    spacing : float
        Median distance to the nearest column.
    covered : callable
        ``covered(points)``: mask of the points that lie between columns,
        not in vacuum or outside.
    """

    tree: cKDTree
    spacing: float
    covered: object


def survey(positions):
    """Prepare a set of columns for the search for its lattice.

    Parameters
    ----------
    positions : numpy.ndarray of float64, shape (n, 2)

    Returns
    -------
    Surroundings or None
        None for fewer than 6 columns, or if all are on a line.
    """
    if len(positions) < _LEAST_COLUMNS:
        return None
    tree = cKDTree(positions)
    spacing = float(np.median(tree.query(positions, k=2)[0][:, 1]))
    if spacing == 0:
        return None
    try:
        triangles = Delaunay(positions)
    except QhullError:
        return None
    radius = _circumradius(positions[triangles.simplices])
    # Vacuum has few triangles, whatever its area
    inside = radius <= 1.3 * np.quantile(radius, 0.8)

    def covered(points):
        triangle = triangles.find_simplex(points)
        return (triangle >= 0) & inside[triangle]

    return Surroundings(tree, spacing, covered)


def _circumradius(corners):
    a, b, c = (
        np.hypot(*(corners[:, i] - corners[:, j]).T)
        for i, j in ((0, 1), (1, 2), (2, 0))
    )
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    return a * b * c / np.maximum(4 * area, 1e-12 * a.max() ** 2)


def find_translations(positions, around, values=None):
    """Find the vectors of the primitive cell.

    Parameters
    ----------
    positions : numpy.ndarray of float64, shape (n, 2)
    around : Surroundings
        Of the positions.
    values : numpy.ndarray of float64, shape (n,), optional
        Intensity of each column. Translations then bring columns onto
        columns of the same intensity.

    Returns
    -------
    list of numpy.ndarray of float64, shape (2, 2)
        Cells, each the shortest two of the vectors that bring at least so
        many columns onto others, the most demanding first. Empty if there
        is no lattice.
    """
    start = np.arange(len(positions))
    if len(positions) > _SAMPLE:
        start = np.random.default_rng(0).choice(start, _SAMPLE, replace=False)
    # Neighbours follow each other, which the search for triangles is fast with
    band = np.floor(positions[start, 0] / (5 * around.spacing))
    start = start[np.lexsort((positions[start, 1], band))]
    vectors = _frequent_vectors(positions, around, start)
    if len(vectors) == 0:
        return []
    tried = [_try_vector(positions, values, around, start, v) for v in vectors]
    complete, vectors, pairs, difference = (
        np.array(x) for x in zip(*tried, strict=True)
    )
    cells = []
    for least in _COMPLETE:
        keep = complete >= max(least * complete.max(), _LEAST_COMPLETE)
        if values is None:
            cell = _shortest_pair(vectors[keep])
        else:
            unrelated = 2 * np.var(values)
            cell = _alike_pair(vectors[keep], pairs[keep], difference[keep], unrelated)
        if cell is not None and not any(np.array_equal(cell, c) for c in cells):
            cells.append(cell)
    return cells


def _alike_pair(vectors, pairs, difference, unrelated):
    """The shortest two vectors between columns of about the same intensity."""
    if len(vectors) == 0:
        return None
    # Mean squares of n differences scatter by sqrt(2 / n) of themselves
    slack = 1 + 6 * np.sqrt(2 / pairs)
    limit = np.maximum(
        np.maximum(_SAME_INTENSITY, slack) * difference.min(),
        _NO_DIFFERENCE * unrelated,
    )
    cell = None
    while cell is None and np.any(difference > limit):
        cell = _shortest_pair(vectors[difference <= limit])
        limit *= _MORE
    return _shortest_pair(vectors) if cell is None else cell


def _frequent_vectors(positions, around, start):
    """Vectors that lead from many columns to another, in one half-plane."""
    start = positions[start]
    count = min(len(positions), _NEIGHBOURS + 1)
    _, index = around.tree.query(start, k=count)
    steps = (positions[index[:, 1:]] - start[:, np.newaxis]).reshape(-1, 2)
    # Neighbours of columns at an edge reach further: no more than typical
    reach = np.median(np.hypot(*steps.reshape(len(start), -1, 2)[:, -1].T))
    bins = _TOLERANCE * around.spacing / 2
    half = int(np.ceil(reach / bins))
    edges = (np.arange(-half - 1, half + 1) + 0.5) * bins
    density, _, _ = np.histogram2d(*steps.T, bins=(edges, edges))
    density = gaussian_filter(density, 1.0)
    peaks = density == maximum_filter(density, 5)
    # One partner in ten, spread over the bins of a Gaussian of SD 1.4 bins
    peaks &= density > 0.1 * len(start) / (4 * np.pi) / 2
    vectors = (np.argwhere(peaks) - half) * bins
    upper = (vectors[:, 0] > 0) | ((vectors[:, 0] == 0) & (vectors[:, 1] > 0))
    vectors = vectors[upper]
    return vectors[np.argsort(np.hypot(*vectors.T))]


def _try_vector(positions, values, around, start, vector):
    """Share of columns with a partner, mean vector and difference to it."""
    distance, partner = around.tree.query(
        positions[start] + vector,
        distance_upper_bound=_TOLERANCE * around.spacing,
    )
    matched = np.isfinite(distance)
    if not matched.any():
        return 0.0, vector, 1, np.inf
    first, second = start[matched], partner[matched]
    mean = np.median(positions[second] - positions[first], axis=0)
    covered = around.covered(positions[start] + mean)
    complete = np.sum(matched & covered) / max(np.sum(covered), _LEAST_COLUMNS)
    squares = 0.0
    if values is not None:
        squares = np.mean((values[second] - values[first]) ** 2)
    return complete, mean, len(first), squares


def _shortest_pair(vectors):
    """Reduced cell of the shortest two that are not parallel, None without."""
    length = np.hypot(*vectors.T)
    for first in np.argsort(length):
        a = vectors[first]
        cross = np.abs(a[0] * vectors[:, 1] - a[1] * vectors[:, 0])
        other = cross > _LEAST_SINE * length[first] * length
        if other.any():
            second = np.flatnonzero(other)[np.argmin(length[other])]
            return _reduce(a, vectors[second])
    return None


def _reduce(a, b):
    """The shortest vectors of the lattice of two, after Lagrange and Gauss."""
    while True:
        if a @ a > b @ b:
            a, b = b, a
        turns = np.rint(a @ b / (a @ a))
        if turns == 0:
            return np.stack([a, b])
        b = b - turns * a
