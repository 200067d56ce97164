"""How much a set of columns speaks for a cell.

The columns of a lattice scatter about their sites with one SD, all others are
anywhere with a constant density. The evidence is the logarithm of the odds of a
lattice against columns that are anywhere, integrated over its vectors, sites,
SD and occupation (MacKay, Neural Comput. 4, 415 (1992)): sites that explain nothing
cost, columns that no site explains cost, and so do sites that stay empty.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import betaln, gammaln

from .assign import Numbers

# Columns around one that tell its displacement, if it is as theirs.
_AROUND = 24
_FEWEST_AROUND = 8
# The SD of positions is at least this part of the spacing: exact positions
# would prove anything.
_LEAST_SIGMA = 1e-3
# Columns this many SDs from where those around them say, and this part of the
# spacing, are not on the lattice.
_OUTLIER, _FAR = 4.0, 0.25
# Natural logarithm of the range of SDs that are as likely before, and area of
# the possible ends of vectors, in columns.
_SIGMA_RANGE, _VECTORS = 6.0, 120
# Square of the area that columns have to span, in cells: rows make no lattice.
_LEAST_EXTENT = 1.0


@dataclass(frozen=True)
class Description:
    """Columns described by one lattice.

    Attributes
    ----------
    numbers : .assign.Numbers
    residual : numpy.ndarray, shape (n, 2)
        Displacement from the lattice less the mean of those around; NaN off
        the lattice.
    sigma : float
        Its SD per axis.
    evidence : float
        Natural logarithm of the odds against columns that are anywhere, of
        the columns on the lattice; :func:`off_lattice` is for the others.
    """

    numbers: Numbers
    residual: np.ndarray
    sigma: float
    evidence: float


def describe(around, numbers):
    """Evidence of a lattice.

    Parameters
    ----------
    around : .translations.Surroundings
    numbers : .assign.Numbers

    Returns
    -------
    Description or None
        None if there are fewer columns than parameters, or all are in a row.
    """
    if not numbers.on.any():
        return None
    numbers, residual = _settle(around, numbers)
    on = numbers.on
    n_on = int(on.sum())
    n_sites = int(numbers.site.max(initial=-1)) + 1
    free = 2 * n_on - 2 * n_sites - 4
    index = numbers.cell_index[on] - numbers.cell_index[on].mean(axis=0)
    extent = np.linalg.det(index.T @ index)
    if free <= 0 or extent < _LEAST_EXTENT:
        return None
    least = _LEAST_SIGMA * around.spacing
    squares = max(np.nansum(residual**2), free * least**2)
    count = np.bincount(numbers.site[on])
    evidence = n_on * (1 - np.log(around.density))
    # Over the SD, whose logarithm has a flat prior
    evidence += gammaln(free / 2) - free / 2 * np.log(np.pi * squares)
    evidence -= np.log(2 * _SIGMA_RANGE)
    # Over the sites, anywhere in the cell, and the vectors, anywhere near
    evidence -= np.sum(np.log(abs(np.linalg.det(numbers.cell)) * count))
    evidence -= 2 * np.log(_VECTORS / around.density)
    evidence -= np.log(extent)
    evidence += _occupation(around, numbers, count)
    return Description(numbers, residual, np.sqrt(squares / free), float(evidence))


def _occupation(around, numbers, count):
    """Likelihood of what is occupied and what is empty."""
    on = numbers.on
    complete = np.zeros(len(count))
    key = _keys(numbers)
    known = np.sort(key[on])
    index = np.flatnonzero(on)
    expected, found = np.zeros(len(count)), np.zeros(len(count))
    for step in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        target = around.positions[index] + np.array(step) @ numbers.cell
        there = np.isin(_keys(numbers, step)[on], known)
        inside = around.covered(target) | there
        expected += np.bincount(numbers.site[on], inside, len(count))
        found += np.bincount(numbers.site[on], there, len(count))
    complete = (found + 0.5) / (expected + 0.5)
    cells = np.max(count / np.minimum(complete, 1))
    return np.sum(betaln(count + 1, cells - count + 1))


def _keys(numbers, step=(0, 0)):
    """One whole number for each site of each cell."""
    low = numbers.cell_index.min(axis=0) - 1
    span = np.ptp(numbers.cell_index, axis=0) + 3
    i, j = (numbers.cell_index - low + step).T
    return (numbers.site * span[0] + i) * span[1] + j


def off_lattice(n_off, n):
    """Evidence of columns that are on no lattice, and sparser than all are.

    Parameters
    ----------
    n_off, n : int
        Columns that are on no lattice, and all columns.

    Returns
    -------
    float
    """
    return n_off * np.log(n_off / n) if n_off else 0.0


def _settle(around, numbers):
    """Numbers without columns too many or too far off, and the residuals."""
    for _ in range(2):
        displacement = displacements(around.positions, numbers)
        residual = without_slow(around.positions, displacement)
        distance = np.hypot(*residual.T)
        scale = np.nanmedian(distance) / 1.1774
        far = max(_OUTLIER * scale, _FAR * around.spacing)
        site = np.where(distance <= far, numbers.site, -1)
        site = _drop_doubles(site, numbers.cell_index, distance)
        numbers = Numbers(numbers.cell, site, numbers.cell_index)
    residual[site < 0] = np.nan
    # Columns of the lattice that are far from it do not tell the scatter
    limit = max(_OUTLIER * scale, _LEAST_SIGMA * around.spacing)
    shrink = np.minimum(1, limit / np.maximum(distance, limit / 10))
    return numbers, residual * shrink[:, np.newaxis]


def displacements(positions, numbers):
    """Positions less those of the rigid lattice that fits best, NaN off it."""
    on = numbers.on
    site = numbers.site[on]
    count = np.bincount(site)
    index, position = numbers.cell_index[on].astype(float), positions[on]

    def less_mean(values):
        means = [np.bincount(site, v) / np.maximum(count, 1) for v in values.T]
        return values - np.stack(means, 1)[site]

    index, position = less_mean(index), less_mean(position)
    vectors = np.linalg.lstsq(index, position, rcond=None)[0]
    found = np.full(positions.shape, np.nan)
    found[on] = position - index @ vectors
    return found


def without_slow(positions, values, around=_AROUND, alike=None):
    """Values less their slow changes: the plane through those around.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, 2)
    values : numpy.ndarray, shape (n, m)
        NaN where they are not known.
    around : int, default 24
        How many columns tell the slow changes.
    alike : numpy.ndarray, shape (n, m), optional
        The values as they would be if all columns were of one kind.

    Returns
    -------
    numpy.ndarray, shape (n, m)
        Over the error that the plane adds, so that they have the scatter of the
        values about the slow changes.
    """
    on = np.isfinite(values[:, 0])
    known, place = values[on], positions[on]
    tells = known if alike is None else alike[on]
    count = min(len(known), around + 1)
    if count < _FEWEST_AROUND:
        return values - np.mean(known, axis=0) if len(known) else values
    _, near = cKDTree(place).query(place, k=count)
    near = near[:, 1:]
    offset = place[near] - place[:, np.newaxis]
    offset /= np.abs(offset).max()
    plane = np.concatenate([np.ones((*near.shape, 1)), offset], axis=2)
    normal = np.swapaxes(plane, 1, 2) @ plane
    # Columns around that are on a line leave the slope across it at zero
    normal[:, [1, 2], [1, 2]] += 1e-6 * count
    inverse = np.linalg.inv(normal)
    at = np.einsum("ij,ikj->ik", inverse[:, 0], plane)
    expected = np.einsum("ik,ikj->ij", at, tells[near])
    spread = np.sqrt(1 + inverse[:, 0, 0])
    residual = values.copy()
    residual[on] = (known - expected) / spread[:, np.newaxis]
    return residual


def _drop_doubles(site, cell_index, distance):
    """Of several columns on one site of a cell, keep the nearest to it."""
    distance = np.where(site >= 0, distance, np.inf)
    order = np.argsort(distance, kind="stable")
    keys = np.column_stack([site, cell_index])[order]
    _, first = np.unique(keys, axis=0, return_index=True)
    kept = np.full(len(site), -1)
    kept[order[first]] = site[order[first]]
    return kept
