"""Cells that may be those of a set of columns.

A vector from one column to another is a translation of the lattice if nearly
every column has a partner at its end; the vectors between the columns of one
cell fail for some of them. How many partners make a translation is left open
here: each answer gives one cell, the shortest two of the vectors, and the
columns decide between them (`.evidence`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import Delaunay, QhullError, cKDTree

# Partners of a column are within this part of the nearest spacing.
_TOLERANCE = 0.25
# Vectors are collected to this many neighbours of each column.
_NEIGHBOURS = 120
# Fewest columns with a partner, of all those that could have one.
_LEAST_COMPLETE = 0.3
# Sine of the least angle between the vectors of a cell.
_LEAST_SINE = 0.25
LEAST_COLUMNS = 6


@dataclass(frozen=True)
class Surroundings:
    """What is known of a set of columns before its lattice.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n, 2)
    tree : scipy.spatial.cKDTree
        Of the positions.
    spacing : float
        Median distance to the nearest column.
    density : float
        Columns per area where there are columns.
    covered : callable
        ``covered(points)``: mask of the points that lie between columns,
        not in vacuum or outside.
    """

    positions: np.ndarray
    tree: cKDTree
    spacing: float
    density: float
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
    if len(positions) < LEAST_COLUMNS:
        return None
    tree = cKDTree(positions)
    spacing = float(np.median(tree.query(positions, k=2)[0][:, 1]))
    if spacing == 0:
        return None
    try:
        triangles = Delaunay(positions)
    except QhullError:
        return None
    radius, area = _circumradius(positions[triangles.simplices])
    # Vacuum has few triangles, whatever its area
    inside = radius <= 1.3 * np.quantile(radius, 0.8)

    def covered(points):
        triangle = triangles.find_simplex(points)
        return (triangle >= 0) & inside[triangle]

    # There are two triangles for each column
    density = 0.5 / float(np.median(area[inside]))
    return Surroundings(positions, tree, spacing, density, covered)


def _circumradius(corners):
    a, b, c = (
        np.hypot(*(corners[:, i] - corners[:, j]).T)
        for i, j in ((0, 1), (1, 2), (2, 0))
    )
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    area = np.maximum(area, 1e-12 * a.max() ** 2)
    return a * b * c / (4 * area), area


def candidate_cells(around, start):
    """Cells by the vectors from some of the columns to their neighbours.

    Parameters
    ----------
    around : Surroundings
    start : numpy.ndarray of int
        Index of the columns that vectors start from.

    Returns
    -------
    list of numpy.ndarray of float64, shape (2, 2)
        Reduced cells, each the shortest two of the vectors that bring at
        least so many columns onto others, for every number; the most
        demanding first.
    """
    # Neighbours follow each other, which the search for triangles is fast with
    position = around.positions[start]
    band = np.floor(position[:, 0] / (5 * around.spacing))
    start = start[np.lexsort((position[:, 1], band))]
    vectors = _frequent_vectors(around, start)
    if len(vectors) == 0:
        return []
    complete, vectors = _try_vectors(around, start, vectors)
    enough = complete >= _LEAST_COMPLETE
    complete, vectors = complete[enough], vectors[enough]
    cells = []
    for least in np.unique(complete)[::-1]:
        cell = _shortest_pair(vectors[complete >= least])
        if cell is not None and not any(np.array_equal(cell, c) for c in cells):
            cells.append(cell)
    return cells


def _frequent_vectors(around, start):
    """Vectors that lead from many columns to another, in one half-plane."""
    positions = around.positions
    count = min(len(positions), _NEIGHBOURS + 1)
    _, index = around.tree.query(positions[start], k=count)
    steps = positions[index[:, 1:]] - positions[start][:, np.newaxis]
    # Neighbours of columns at an edge reach further: no more than typical
    reach = np.median(np.hypot(*steps[:, -1].T))
    bins = _TOLERANCE * around.spacing / 2
    half = int(np.ceil(reach / bins))
    edges = (np.arange(-half - 1, half + 1) + 0.5) * bins
    density, _, _ = np.histogram2d(*steps.reshape(-1, 2).T, bins=(edges, edges))
    density = gaussian_filter(density, 1.0)
    peaks = density == maximum_filter(density, 5)
    # One partner in ten, spread over the bins of a Gaussian of SD 1.4 bins
    peaks &= density > 0.1 * len(start) / (4 * np.pi) / 2
    vectors = (np.argwhere(peaks) - half) * bins
    upper = (vectors[:, 0] > 0) | ((vectors[:, 0] == 0) & (vectors[:, 1] > 0))
    vectors = vectors[upper]
    return vectors[np.argsort(np.hypot(*vectors.T))]


def _try_vectors(around, start, vectors):
    """Share of columns with a partner, and the mean vector to it."""
    positions = around.positions
    begin = positions[start]
    distance, partner = around.tree.query(
        begin + vectors[:, np.newaxis],
        distance_upper_bound=_TOLERANCE * around.spacing,
    )
    matched = np.isfinite(distance)
    steps = positions[np.where(matched, partner, 0)] - begin
    total = np.sum(steps * matched[..., np.newaxis], axis=1)
    mean = total / np.maximum(matched.sum(axis=1), 1)[:, np.newaxis]
    covered = around.covered(begin + mean[:, np.newaxis])
    expected = np.maximum(covered.sum(axis=1), LEAST_COLUMNS)
    return np.sum(matched & covered, axis=1) / expected, mean


def _shortest_pair(vectors):
    """Reduced cell of the shortest two that are not parallel, None without."""
    length = np.hypot(*vectors.T)
    for first in np.argsort(length):
        a = vectors[first]
        cross = np.abs(a[0] * vectors[:, 1] - a[1] * vectors[:, 0])
        other = cross > _LEAST_SINE * length[first] * length
        if other.any():
            second = np.flatnonzero(other)[np.argmin(length[other])]
            return reduce_cell(np.stack([a, vectors[second]]))
    return None


def reduce_cell(cell):
    """The shortest vectors of the lattice of two, after Lagrange and Gauss."""
    a, b = cell
    while True:
        if a @ a > b @ b:
            a, b = b, a
        shorter = b - np.rint(a @ b / (a @ a)) * a
        # Of two that are equal, rounding would go from one to the other for ever
        if not shorter @ shorter < (1 - 1e-9) * (b @ b):
            return np.stack([a, b])
        b = shorter


def same_cell(first, second, tolerance=0.05):
    """Whether two cells span the same lattice, within parts of its vectors."""
    whole = first @ np.linalg.inv(second)
    near = np.rint(whole)
    return bool(
        np.abs(whole - near).max() < tolerance and abs(np.linalg.det(near)) == 1
    )
