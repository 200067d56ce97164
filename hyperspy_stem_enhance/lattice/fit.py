"""A lattice fitted to columns: vectors, sites, displacements, their errors.

The primitive cell is found from the columns alone (`.translations`), columns
are numbered along it (`.assign`), and vectors, origin and sites follow by
linear least squares. Lengths are in the units of the positions, which have to
be the same along both axes.
"""

import numpy as np

from .assign import find_partners, find_sites, number_cells
from .result import Lattice, cell_lengths
from .translations import find_translations, survey

# Columns this many robust SDs from the lattice do not count in the fit.
_OUTLIER = 4.0
_ROUNDS = 3
# Parts of the field along each side that are left out in turn, for the errors.
_BLOCKS = 4
# Of all neighbours that columns could have, the share that the lattice has to
# explain: random columns reach a tenth.
_LEAST_SHARE = 0.2
# Lengths closer than this are equal: the vector along x comes first.
_EQUAL = 0.1


class NoLatticeError(ValueError):
    """The columns are not those of a lattice."""


def fit_lattice(positions, intensity=None, units="px"):
    """Fit a lattice to columns.

    Parameters
    ----------
    positions : array-like, shape (n, 2)
        (y, x), in the same units along both axes.
    intensity : array-like, shape (n,), optional
        With it, columns of different intensity are different: the cell of
        a perovskite along [001] is the cubic one. Without it, it is the
        centred cell that positions alone have. Values that are not finite
        do not count.
    units : str, default "px"
        Units of the positions, for printing.

    Returns
    -------
    Lattice

    Raises
    ------
    NoLatticeError
        A ``ValueError``: fewer than six columns, or no vector brings the
        columns onto each other.
    ValueError
        If the shapes do not fit together or a position is not finite.

    Notes
    -----
    Of several grains, the one with the most columns is fitted; the
    columns of the others are not on its lattice.

    Standard errors are from leaving out each of 16 parts of the field in
    turn (jackknife), so that displacements common to neighbours count.
    They say nothing of the calibration of the image.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:10, :12]
    >>> positions = np.stack([20.0 * y + 3 * x, 21.0 * x], -1).reshape(-1, 2)
    >>> lattice = fit_lattice(positions)
    >>> lattice.vectors.round(3)
    array([[ 3., 21.],
           [20.,  0.]])
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(
            f"positions has the shape {positions.shape}, expected (n, 2): y and x."
        )
    if not np.isfinite(positions).all():
        raise ValueError("positions has values that are not finite. Leave them out.")
    around = survey(positions)
    if around is None:
        raise NoLatticeError(
            f"positions has {len(positions)} columns, which is too few for a lattice, "
            "or they lie on a line. Give at least six in two dimensions."
        )
    values = None
    if intensity is not None:
        values = _level_intensity(np.asarray(intensity, np.float64), around.tree)
    best, best_share = None, _LEAST_SHARE
    for cell in find_translations(positions, around, values):
        numbered, share = _number(positions, around, _standard_cell(cell))
        if share > best_share:
            best, best_share = numbered, share
    if best is None:
        raise NoLatticeError(
            "positions are not those of a lattice: no vector brings them onto each "
            "other. Give the columns of a crystalline area, for example by a mask."
        )
    return _fit(positions, units, *best, around.spacing)


def _number(positions, around, cell):
    """Neighbours, sites and cells by this cell, and the share that fits it."""
    partners = find_partners(positions, around.tree, cell, around.spacing)
    group, cell_index = number_cells(partners)
    site, cell_index = find_sites(positions, cell, group, cell_index, around.spacing)
    # Two columns in one place are no sign of a lattice
    _, first = np.unique(np.column_stack([site, cell_index]), axis=0, return_index=True)
    first = first[site[first] >= 0]
    share = np.sum(partners[first] >= 0) / partners.size
    return (partners, site, cell_index), share


def _level_intensity(intensity, tree):
    """Intensity without its slow changes, in parts of the local level."""
    if intensity.shape != (tree.n,):
        raise ValueError(
            f"intensity has the shape {intensity.shape}, expected one value per "
            f"position: ({tree.n},)."
        )
    known = np.isfinite(intensity)
    if not known.any():
        return None
    intensity = np.where(known, intensity, np.median(intensity[known]))
    _, near = tree.query(tree.data, k=min(tree.n, 49))
    values = intensity - np.mean(intensity[near], axis=1)
    limit = 4 * 1.4826 * np.median(np.abs(values))
    return np.clip(values, -limit, limit) if limit > 0 else values


def _standard_cell(cell):
    """Order and signs of the vectors of a reduced cell."""
    a, b = cell
    if np.hypot(*b) < (1 + _EQUAL) * np.hypot(*a) and abs(b[1]) > abs(a[1]) + 1e-9:
        a, b = b, a
    a = a if a[np.argmax(np.abs(a))] > 0 else -a
    b = b if a[1] * b[0] - a[0] * b[1] > 0 else -b
    return np.stack([a, b])


def _fit(positions, units, partners, site, cell_index, spacing):
    """Least squares for vectors, origin and sites."""
    n_sites = site.max() + 1
    sites = np.eye(n_sites)[site] * (site >= 0)[:, np.newaxis]
    design = np.hstack([cell_index, sites])
    used = site >= 0
    for _ in range(_ROUNDS):
        solution = np.linalg.lstsq(design[used], positions[used], rcond=None)[0]
        displacement = positions - design @ solution
        site = _drop_doubles(site, cell_index, displacement)
        distance = np.hypot(*displacement.T)
        scale = np.median(distance[site >= 0]) / 1.1774
        used = (site >= 0) & (distance <= _OUTLIER * max(scale, 1e-9 * spacing))
    errors, lengths_error = _errors(design[used], positions[used], solution)
    vectors = solution[:2]
    displacement[site < 0] = np.nan
    partners = np.where((site < 0)[:, np.newaxis], -1, partners)
    fractions = (solution[2:] - solution[2]) @ np.linalg.inv(vectors)
    return Lattice(
        positions=positions,
        units=units,
        vectors=vectors,
        vectors_error=errors,
        origin=solution[2],
        sites=fractions,
        site=site,
        cell_index=cell_index,
        displacement=displacement,
        neighbours=partners,
        spacing=spacing,
        lengths_error=lengths_error,
    )


def _drop_doubles(site, cell_index, displacement):
    """Of several columns on one site of a cell, keep the nearest to it."""
    distance = np.where(site >= 0, np.hypot(*displacement.T), np.inf)
    order = np.argsort(distance, kind="stable")
    keys = np.column_stack([site, cell_index])[order]
    _, first = np.unique(keys, axis=0, return_index=True)
    kept = np.full(len(site), -1)
    kept[order[first]] = site[order[first]]
    return kept


def _errors(design, positions, solution):
    """Standard errors of the vectors and of a, b and gamma, by the jackknife."""
    block = np.zeros(len(positions), int)
    for axis in range(2):
        edges = np.quantile(positions[:, axis], np.linspace(0, 1, _BLOCKS + 1)[1:-1])
        block = block * _BLOCKS + np.searchsorted(edges, positions[:, axis])
    replicates = []
    for number in np.unique(block):
        kept = block != number
        part = np.linalg.lstsq(design[kept], positions[kept], rcond=None)
        if part[2] == design.shape[1]:
            replicates.append(part[0][:2])
    replicates = np.array(replicates)
    n = len(replicates)
    if n < 2:
        return np.full((2, 2), np.nan), (np.nan,) * 3
    lengths = np.array([cell_lengths(vectors) for vectors in replicates])

    def error(values):
        return np.sqrt((n - 1) * np.var(values, axis=0))

    return error(replicates), tuple(error(lengths).tolist())
